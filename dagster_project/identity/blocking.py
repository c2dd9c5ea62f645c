"""Which pairs of records are worth comparing: keys that two records of one person are likely to share.

Recall of these keys is the ceiling of everything after them, so there are many, narrow ones for typos and wide ones (birth
date alone, postcode alone) for what the narrow ones miss. Where the records are that a model learns from, each key gets a limit that
keeps it within its budget of pairs: under a value carried more often, only the first so many records are compared, and a narrower
key covers the others. The limits are part of the model, so whether two records are compared depends on them and on the records
before them, and never on what comes later.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BlockingKey:
    """Two records are compared when `sql` (over one row of `normalised`) gives both the same text; null never matches."""

    name: str
    columns: tuple[str, ...]
    sql: str
    reason: str
    is_wide: bool = False


KEYS = (
    BlockingKey("national_id", ("national_id",), "national_id", "one person by definition, typos elsewhere"),
    BlockingKey("email", ("email",), "email", "the same mailbox, whatever the name says"),
    BlockingKey("phone", ("phone",), "phone", "the same number; households are told apart by the comparison"),
    BlockingKey("names", ("given", "family"), "name_key", "both names, in either order"),
    BlockingKey(
        "name sounds",
        ("given", "family"),
        "least(given_skeleton, family_skeleton) || ' ' || greatest(given_skeleton, family_skeleton)",
        "both names with vowel typos, in either order",
    ),
    BlockingKey(
        "full name and family",
        ("given", "family"),
        "list_min(given_roots) || ' ' || family",
        "a pet name beside the family name",
    ),
    BlockingKey(
        "mailbox", ("email",), "case when length(mailbox) > 4 then mailbox end", "the same mailbox at another provider, or a typo in it"
    ),
    BlockingKey("mailbox start", ("email",), "case when length(mailbox) > 6 then left(mailbox, -2) end", "a typo late in a mailbox"),
    BlockingKey(
        "mailbox end",
        ("email",),
        "case when length(mailbox) > 6 then substr(mailbox, 3) || left(split_part(email, '@', -1), 3) end",
        "a typo early in a mailbox",
    ),
    BlockingKey("email start", ("email",), "case when length(email) > 8 then left(email, 7) end", "a typo in the middle", True),
    BlockingKey(
        "email end",
        ("email", "given"),
        "case when length(email) > 12 then right(email, 11) || left(given, 1) end",
        "a typo at the start",
        True,
    ),
    BlockingKey("phone start", ("phone",), "case when length(phone) > 9 then left(phone, -3) end", "a typo in the last digits"),
    BlockingKey(
        "phone end", ("phone",), "case when length(phone) > 9 then right(phone, 6) end", "a typo or another prefix in the first digits"
    ),
    BlockingKey(
        "national id start",
        ("national_id",),
        "case when length(national_id) > 5 then left(national_id, 5) end",
        "a typo in the last digits",
    ),
    BlockingKey(
        "national id end",
        ("national_id",),
        "case when length(national_id) > 5 then right(national_id, 5) end",
        "a typo in the first digits",
    ),
    BlockingKey("street and house", ("street",), "street_key", "one address, any name"),
    BlockingKey("birth date and family", ("birth_date", "family"), "birth_date || family_skeleton", "narrow twin of birth date alone"),
    BlockingKey(
        "birth date and given", ("birth_date", "given"), "birth_date || given_skeleton", "narrow twin of birth date alone, after a marriage"
    ),
    BlockingKey("birth date and postcode", ("birth_date", "postcode"), "birth_date || postcode", "both names wrong"),
    BlockingKey("birth date", ("birth_date",), "birth_date", "wide: names wrong or missing, no contact", True),
    BlockingKey("postcode", ("postcode",), "postcode", "wide: everything else mistyped", True),
    BlockingKey("postcode and family", ("postcode", "family"), "postcode || family_skeleton", "narrow twin of postcode alone"),
    BlockingKey("postcode and given", ("postcode", "given"), "postcode || given_skeleton", "narrow twin of postcode alone"),
    BlockingKey(
        "family and birth year",
        ("family", "birth_date"),
        "family_skeleton || left(birth_date, 4)",
        "a mistyped birth date and given name",
        True,
    ),
    BlockingKey(
        "given and birth year",
        ("given", "birth_date"),
        "given_skeleton || left(birth_date, 4)",
        "a mistyped birth date and family name",
        True,
    ),
    BlockingKey("family and birthday", ("family", "birth_date"), "family_skeleton || right(birth_date, 4)", "a mistyped year", True),
    BlockingKey("given and birthday", ("given", "birth_date"), "given_skeleton || right(birth_date, 4)", "a mistyped year", True),
    BlockingKey("city and family", ("city", "family"), "city || family_skeleton", "few fields known", True),
    BlockingKey("city and given", ("city", "given"), "city || given_skeleton", "few fields known", True),
    BlockingKey("family", ("family",), "family_skeleton", "wide: rare family names", True),
    BlockingKey("given", ("given",), "given_skeleton", "wide: rare given names", True),
)

# The first so many records are compared all with all, where the file a model learns from has no more.
SMALL_FILE = 1_000
EVERYTHING = BlockingKey("everything", (), "''", "a small file")


# In files above this size a pair found by wide keys alone must look alike somewhere before the costly comparisons; a missing name
# does not decide.
BIG_FILE = 5_000


def pair_budget(key: BlockingKey, records: int) -> int:
    """How many pairs a key may cost: two a record, a wide one a pair for four records; in smaller files more."""
    wide = 200_000 if records <= BIG_FILE else max(50_000, records // 4)
    return wide if key.is_wide else max(200_000, 2 * records)


LIKELY = (
    "coalesce(jaro_winkler_similarity(l.name_key, r.name_key) >= 0.75, true)"
    " or jaro_similarity(l.email, r.email) >= 0.75 or l.phone = r.phone or l.birth_date = r.birth_date"
)


@dataclass(frozen=True)
class Limits:
    """How many records of one value each key compares (by key name), and whether pairs of wide keys must look alike first."""

    records: dict[str, int]
    is_big: bool


def limits_for(con: duckdb.DuckDBPyConnection, columns: set[str]) -> Limits:
    """The limits that keep every key whose columns all carry values within its budget on table `normalised`."""
    records = (con.execute("select count(*) from normalised").fetchone() or (0,))[0]
    found = {EVERYTHING.name: SMALL_FILE} if records <= SMALL_FILE else {}
    for key in KEYS:
        if not set(key.columns) <= columns:
            continue
        sizes = con.execute(
            f"""
            with counted as (select count(*) as records from (select {key.sql} as value from normalised) where value is not null group by value)
            select records, count(*) as often from counted where records > 1 group by records order by records
            """
        ).fetchnumpy()
        found[key.name] = reach(
            np.asarray(sizes["records"], dtype=np.int64), np.asarray(sizes["often"], dtype=np.int64), pair_budget(key, records)
        )
    return Limits(found, records > BIG_FILE)


def reach(records: NDArray[np.int64], often: NDArray[np.int64], budget: int) -> int:
    """The most records that may be compared under each value, at least 2, so that all values together stay within `budget` pairs.

    `records` are the numbers of records under one value, `often` how many values have so many.
    """
    low, high = 2, max(int(records.max(initial=2)), 2)
    while low < high:
        middle = (low + high + 1) // 2
        compared = np.minimum(records, middle)
        if int((often * (compared * (compared - 1) // 2)).sum()) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def write_pairs(con: duckdb.DuckDBPyConnection, limits: Limits, start: int = 0, across_sources: bool = False) -> None:
    """Write temp table `pairs` (left_position < right_position, each once) of table `normalised`: those that hold a record from position
    `start` on.

    The records before `start` are found in `identity.blocking_keys` (position, value, is_wide), where the others are added: of each value the
    first so many that its key's limit allows. The cost is that of the new records. With `across_sources`, both records of a pair come from
    different sources.
    """
    if not start:
        con.execute(BLOCKING_KEYS)
    keys = [key for key in (*KEYS, EVERYTHING) if key.name in limits.records]
    if not keys:
        con.execute("create or replace temp table pairs (left_position bigint, right_position bigint)")
        return
    con.execute(_arrived(keys, limits, start))
    is_owned = con.execute("select 1 from normalised where owner <> record_id limit 1").fetchone() is not None
    apart = [*(["l.owner <> r.owner"] if is_owned else []), *(["l.source <> r.source"] if across_sources else [])]
    # Judged in steps of their own: as filters, DuckDB may join all records with all others first.
    is_apart = " and ".join(apart) or "true"
    sides = (
        ""
        if not apart
        else (
            "left join normalised as l on worth_it.left_position = l.position left join normalised as r on worth_it.right_position = r.position"
        )
    )
    con.execute(
        """
        create or replace temp table found as
        with met as (
            select r.position::bigint as left_position, l.position::bigint as right_position, l.is_wide
            from arrived as l inner join arrived as r on l.value = r.value and l.position > r.position
            union all
            select r.position::bigint as left_position, l.position::bigint as right_position, l.is_wide
            from arrived as l inner join identity.blocking_keys as r on l.value = r.value
        )
        select left_position, right_position, bool_and(is_wide) as is_wide from met group by left_position, right_position;
        insert into identity.blocking_keys select position, value, is_wide from arrived_keys;
        """
    )
    con.execute(
        f"""
        create or replace temp table pairs as
        with
        judged as materialized (
            select found.left_position, found.right_position, {LIKELY} as is_likely
            from found
            left join normalised as l on found.left_position = l.position
            left join normalised as r on found.right_position = r.position
            where found.is_wide
        ),
        worth_it as (
            select left_position, right_position from found where not is_wide or {not limits.is_big}
            union all
            select left_position, right_position from judged where is_likely and {limits.is_big}
        ),
        told as materialized (
            select worth_it.left_position, worth_it.right_position, {is_apart} as is_apart from worth_it {sides}
        )
        select left_position, right_position from told where is_apart;
        drop table found;
        drop table arrived;
        drop table arrived_keys
        """
    )


BLOCKING_KEYS = """
create schema if not exists identity;
create or replace table identity.blocking_keys (position uinteger, value ubigint, is_wide boolean)
"""


def _arrived(keys: list[BlockingKey], limits: Limits, start: int) -> str:
    """SQL: temp tables `arrived_keys`, a row per new record and key under which it is compared (position, value, is_wide), and `arrived`, those
    of them whose value another record carries too. A value is the hash of its key and text."""
    selected = ", ".join(f"{key.sql} as key_{number}" for number, key in enumerate(keys))
    rows = " union all ".join(
        f"select position::uinteger as position, hash({number}, key_{number}) as value, {key.is_wide} as is_wide, "
        f"{limits.records[key.name]} as reach from keys where key_{number} is not null"
        for number, key in enumerate(keys)
    )
    return f"""
    create or replace temp table stated as
    with keys as materialized (select position, {selected} from normalised where position >= {start})
    {rows};

    create or replace temp table counted as
    with
    fresh as (select value, count(*) as records from stated group by value),
    old as (select value, count(*) as records from identity.blocking_keys semi join fresh using (value) group by value)
    select fresh.value, coalesce(old.records, 0) as before, fresh.records + coalesce(old.records, 0) as records
    from fresh left join old on fresh.value = old.value
    where fresh.records + coalesce(old.records, 0) > 1;

    create or replace temp table arrived as
    with
    shared as materialized (
        select stated.*, counted.before, counted.records > stated.reach as is_crowded
        from stated inner join counted on stated.value = counted.value
    )
    select position, value, is_wide from shared where not is_crowded
    union all
    select position, value, is_wide from shared where is_crowded
    qualify row_number() over (partition by value order by position) <= reach - before;

    create or replace temp table arrived_keys as
    select position, value, is_wide from stated anti join counted on stated.value = counted.value
    union all
    select * from arrived;

    drop table stated;
    drop table counted
    """
