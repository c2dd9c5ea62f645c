"""Which pairs of records are worth comparing: keys that two records of one person are likely to share.

Recall of these keys is the ceiling of everything after them, so there are many, narrow ones for typos and wide ones (birth
date alone, postcode alone) for what the narrow ones miss. Where the records are that a model learns from, each key gets a limit that
keeps it within its budget of pairs: under a value carried more often, only the first so many records are compared, and a narrower
key covers the others. The limits are part of the model, so whether two records are compared depends on them and on the records
before them, and never on what comes later. In a big file the model knows too which sets of keys find pairs in vain (`Limits.idle`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
# Two positions (of 268 million records) and a key's number fit in one number.
POSITION_BITS, KEY_BITS = 28, 6


@dataclass(frozen=True)
class BlockingKey:
    """Two records are compared when `sql` (over one row of `normalised`) gives both the same text; null never matches."""

    name: str
    columns: tuple[str, ...]
    sql: str
    reason: str
    is_wide: bool = False
    # Compared under every value or, where that is too much, not at all: what many records carry describes them and names nobody.
    is_name: bool = False


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
    *(
        BlockingKey(column, (column,), column, "the name of what is no person, or a number that no role has", True, True)
        for column in ("other", "other_1", "other_2", "other_3")
    ),
    BlockingKey("other start and city", ("other", "city"), "left(other, 5) || city", "the same name, written on differently", True, True),
)

# The first so many records are compared all with all, where the file a model learns from has no more.
SMALL_FILE = 1_000
EVERYTHING = BlockingKey("everything", (), "''", "a small file")


# In files above this size it is learned which pairs are worth comparing.
BIG_FILE = 5_000
# So much of the pairs that are one person may be lost for not comparing what hardly ever is.
LOST = 1 / 1000


def pair_budget(key: BlockingKey, records: int) -> int:
    """How many pairs a key may cost: two a record, a wide one a pair for four records; in smaller files more."""
    wide = 200_000 if records <= BIG_FILE else max(50_000, records // 4)
    return wide if key.is_wide else max(200_000, 2 * records)


@dataclass(frozen=True)
class Limits:
    """How many records of one value each key compares (by key name), and the sets of keys whose pairs are not compared: those that just these keys
    find."""

    records: dict[str, int]
    idle: tuple[tuple[str, ...], ...] = ()

    def keys(self) -> list[BlockingKey]:
        return [key for key in (*KEYS, EVERYTHING) if key.name in self.records]


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
        carried, often = (np.asarray(sizes[column], dtype=np.int64) for column in ("records", "often"))
        limit = reach(carried, often, pair_budget(key, records))
        if not key.is_name or limit >= carried.max(initial=2):
            found[key.name] = limit
    return Limits(found)


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


def idle_keys(limits: Limits, keys: Numbers, is_match: NDArray[np.bool_]) -> Limits:
    """The limits with the sets of keys that find pairs in vain: those with the fewest matches a pair, as many sets as lose LOST of all matches.

    Learned from pairs: `keys` of each (see `write_pairs`), and whether it is a match. One match more than was seen is taken to be lost by each set.
    """
    sets, which, often = np.unique(keys, return_inverse=True, return_counts=True)
    lost = np.bincount(which, weights=is_match, minlength=len(sets)) + 1
    order = np.argsort(lost / often, kind="stable")
    idle = sets[order[np.cumsum(lost[order]) <= LOST * np.count_nonzero(is_match)]]
    names = [tuple(key.name for number, key in enumerate(limits.keys()) if int(found) >> number & 1) for found in idle]
    return replace(limits, idle=tuple(sorted(names)))


def write_pairs(con: duckdb.DuckDBPyConnection, limits: Limits, start: int = 0, across_sources: bool = False) -> None:
    """Write temp table `pairs` (left_position < right_position, each once, keys: a bit for each of `limits.keys()` that found it) of table
    `normalised`: those that hold a record from position `start` on.

    The records before `start` are found in `identity.blocking_keys` (position, value, key), where the others are added: of each value the
    first so many that its key's limit allows. The cost is that of the new records. With `across_sources`, both records of a pair come from
    different sources.
    """
    if not start:
        con.execute(BLOCKING_KEYS)
    values = _values(con, limits.keys(), start)
    found, carried = [], []
    for number, key in enumerate(limits.keys()):
        position, value = (column[values["key"] == number] for column in (values["position"], values["value"]))
        position, value, pairs = _met(position, value, limits.records[key.name], start)
        found.append(pairs)
        carried.append(pa.table({"position": position, "value": value, "key": np.full(len(value), number, dtype=np.uint8)}))
    if carried:
        con.register("carried", pa.concat_tables(carried))
        con.execute("insert into identity.blocking_keys select * from carried")
        con.unregister("carried")
    # A pair and its key in one number, so that one sort brings the keys of a pair together.
    every = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(pairs << KEY_BITS | number for number, pairs in enumerate(found))]))
    begins = np.flatnonzero(np.diff(every >> KEY_BITS, prepend=-1))
    pairs, bits = every[begins] >> KEY_BITS, np.int64(1) << (every & (1 << KEY_BITS) - 1)
    keys = np.add.reduceat(bits, begins) if len(every) else bits
    idle = [sum(1 << number for number, key in enumerate(limits.keys()) if key.name in names) for names in limits.idle]
    is_worth_it = ~np.isin(keys, np.array(idle, dtype=np.int64))
    pairs, keys = pairs[is_worth_it], keys[is_worth_it]
    con.register(
        "met", pa.table({"left_position": pairs >> POSITION_BITS, "right_position": pairs & (1 << POSITION_BITS) - 1, "keys": keys})
    )
    is_owned = con.execute("select 1 from normalised where owner <> record_id limit 1").fetchone() is not None
    apart = [*(["l.owner <> r.owner"] if is_owned else []), *(["l.source <> r.source"] if across_sources else [])]
    # Judged in a step of its own: as a filter, DuckDB may join all records with all others first.
    con.execute(
        f"""
        create or replace temp table pairs as
        with told as materialized (
            select met.*, {" and ".join(apart)} as is_apart from met
            left join normalised as l on met.left_position = l.position
            left join normalised as r on met.right_position = r.position
        )
        select left_position, right_position, keys from told where is_apart
        """
        if apart
        else "create or replace temp table pairs as select * from met"
    )
    con.unregister("met")


BLOCKING_KEYS = """
create schema if not exists identity;
create or replace table identity.blocking_keys (position uinteger, value ubigint, key utinyint)
"""


def _values(con: duckdb.DuckDBPyConnection, keys: list[BlockingKey], start: int) -> dict[str, NDArray[Any]]:
    """A row per key and record that carries a value under it, first known first: position, value (the hash of the key's number and text), key.
    All of the records from `start` on, and of those before them that carry one of their values."""
    hashed = "".join(f", hash({number}, {key.sql}) as key_{number}" for number, key in enumerate(keys))
    nothing = "".join(f", hash({number}, null::varchar) as key_{number}" for number in range(len(keys)))
    missing = con.execute(f"select 0 as position{nothing}").fetchnumpy()
    stated = con.execute(f"select position{hashed} from normalised where position >= {start} order by position").fetchnumpy()
    positions, values, numbers = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.uint8)]
    for number in range(len(keys)):
        value = np.asarray(stated[f"key_{number}"])
        is_known = value != missing[f"key_{number}"]
        positions.append(np.asarray(stated["position"])[is_known])
        values.append(value[is_known])
        numbers.append(np.full(np.count_nonzero(is_known), number, dtype=np.uint8))
    position, value, key = np.concatenate(positions), np.concatenate(values), np.concatenate(numbers)
    if start:
        con.register("fresh", pa.table({"value": value}))
        old = con.execute(
            "select position, value, key from identity.blocking_keys semi join fresh using (value) order by position"
        ).fetchnumpy()
        con.unregister("fresh")
        position, value, key = (np.concatenate(both) for both in ((old["position"], position), (old["value"], value), (old["key"], key)))
    return {"position": position.astype(np.int64), "value": value, "key": key}


def _met(position: Numbers, value: NDArray[np.uint64], reach: int, start: int) -> tuple[Numbers, NDArray[np.uint64], Numbers]:
    """What a key keeps of its records from `start` on, of each value the first `reach`: position and value; and the pairs that these are in
    (left << POSITION_BITS | right). `position` ascends."""
    order = np.argsort(value, kind="stable")
    position, value = position[order], value[order]
    begins = np.flatnonzero(np.concatenate([[True], value[1:] != value[:-1]]))[: len(value)]
    rank = np.arange(len(value)) - np.repeat(begins, np.diff(begins, append=len(value)))
    is_kept = (rank < reach) & (position >= start)
    before = np.where(is_kept, rank, 0)
    later = np.repeat(np.arange(len(value)), before)
    earlier = later - 1 - np.arange(len(later)) + np.repeat(np.cumsum(before) - before, before)
    return position[is_kept], value[is_kept], position[earlier] << POSITION_BITS | position[later]
