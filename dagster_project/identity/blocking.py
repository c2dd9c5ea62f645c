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


def pair_budget(key: BlockingKey, records: int) -> int:
    """How many pairs a key may cost: three a record, a wide one half a pair a record; in smaller files more."""
    return max(100_000, records // 2) if key.is_wide else max(200_000, 3 * records)


# In files above this size a pair found by wide keys alone must look alike somewhere before the costly comparisons; a missing name
# does not decide.
BIG_FILE = 20_000
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
        row = con.execute(
            f"""
            with
            valued as (select {key.sql} as value from normalised),
            counted as (select count(*) as records from valued where value is not null group by value having count(*) > 1),
            sized as (select records, sum(records * (records - 1) // 2) as cost from counted group by records),
            fitting as (select records, sum(cost) over (order by records) as total from sized)
            select max(records) from fitting where total <= {pair_budget(key, records)}
            """
        ).fetchone()
        # A value seen once in the records at hand may be carried by two tomorrow.
        found[key.name] = max(int(row[0] or 0) if row else 0, 2)
    return Limits(found, records > BIG_FILE)


def write_pairs(con: duckdb.DuckDBPyConnection, limits: Limits, only_new: bool = False, across_sources: bool = False) -> int:
    """Write temp table `pairs` (left_position < right_position, each once) from `normalised`; return how many.

    With `only_new`, temp table `new_positions(position)` names the records of which a pair must hold at least one; the cost is
    theirs. With `across_sources`, both records of a pair come from different sources.
    """
    records = (con.execute("select count(*) from normalised").fetchone() or (0,))[0]
    different = "l.owner <> r.owner" + (" and l.source <> r.source" if across_sources else "")
    everything = limits.records.get(EVERYTHING.name, 0)
    keys = [key for key in KEYS if key.name in limits.records] if records > everything else []
    if everything:
        keys.append(EVERYTHING)
    con.execute("create or replace temp table found_pairs (left_position bigint, right_position bigint, is_wide boolean)")
    for key in keys:
        limit = limits.records[key.name]
        fresh = f"semi join (select distinct {key.sql} as value from normalised semi join new_positions using (position)) as fresh using (value)"
        con.execute(
            f"""
            create or replace temp table keyed as
            with
            valued as (select position, source, owner, {key.sql} as value from normalised),
            near as (select valued.* from valued {fresh if only_new else ""} where value is not null),
            counted as (select value, count(*) as records from near group by value having count(*) > 1)
            select near.position, near.source, near.owner, near.value
            from near
            inner join counted on near.value = counted.value
            where counted.records <= {limit}
            union all
            select near.position, near.source, near.owner, near.value
            from near
            inner join counted on near.value = counted.value
            where counted.records > {limit}
            qualify row_number() over (partition by near.value order by near.position) <= {limit}
            """
        )
        if only_new:
            con.execute(
                f"""
                insert into found_pairs
                select least(l.position, r.position), greatest(l.position, r.position), {key.is_wide}
                from (select keyed.* from keyed semi join new_positions on keyed.position = new_positions.position) as l
                inner join keyed as r on l.value = r.value and l.position <> r.position and {different}
                """
            )
        else:
            con.execute(
                f"""
                insert into found_pairs
                select l.position, r.position, {key.is_wide} from keyed as l
                inner join keyed as r on l.value = r.value and l.position < r.position and {different}
                """
            )
    con.execute(
        f"""
        create or replace temp table pairs as
        with grouped as (
            select left_position, right_position, bool_and(is_wide) as is_wide from found_pairs group by left_position, right_position
        )
        select grouped.left_position, grouped.right_position
        from grouped
        inner join normalised as l on grouped.left_position = l.position
        inner join normalised as r on grouped.right_position = r.position
        where not grouped.is_wide or {not limits.is_big} or {LIKELY};
        drop table if exists keyed;
        drop table found_pairs
        """
    )
    count = con.execute("select count(*) from pairs").fetchone()
    return count[0] if count else 0
