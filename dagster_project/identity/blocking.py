"""Which pairs of records are worth comparing: keys that two records of one person are likely to share.

Recall of these keys is the ceiling of everything after them, so there are many, narrow ones for typos and wide ones (birth
date alone, postcode alone) for what the narrow ones miss. A key costs at most its budget of pairs: its most frequent values
are dropped until it fits, and a narrower key covers those.
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
    BlockingKey("mailbox", ("email",), "case when length(mailbox) > 4 then mailbox end", "the same mailbox at another provider, or a typo in it"),
    BlockingKey("email start", ("email",), "case when length(email) > 7 then substr(email, 1, 6) || substr(split_part(email, '@', -1), 1, 2) end", "a typo late in an e-mail"),
    BlockingKey("email end", ("email", "given"), "case when length(email) > 12 then right(email, 11) || substr(given, 1, 1) end", "a typo early in an e-mail"),
    BlockingKey("phone start", ("phone",), "case when length(phone) > 9 then left(phone, -3) end", "a typo in the last digits"),
    BlockingKey("phone end", ("phone",), "case when length(phone) > 9 then right(phone, 6) end", "a typo or another prefix in the first digits"),
    BlockingKey("national id start", ("national_id",), "case when length(national_id) > 5 then left(national_id, 5) end", "a typo in the last digits"),
    BlockingKey("national id end", ("national_id",), "case when length(national_id) > 5 then right(national_id, 5) end", "a typo in the first digits"),
    BlockingKey("street and house", ("street",), "street_key", "one address, any name"),
    BlockingKey("birth date and family", ("birth_date", "family"), "birth_date || family_skeleton", "narrow twin of birth date alone"),
    BlockingKey("birth date and given", ("birth_date", "given"), "birth_date || given_skeleton", "narrow twin of birth date alone, after a marriage"),
    BlockingKey("birth date and postcode", ("birth_date", "postcode"), "birth_date || postcode", "both names wrong"),
    BlockingKey("birth date", ("birth_date",), "birth_date", "wide: names wrong or missing, no contact"),
    BlockingKey("postcode", ("postcode",), "postcode", "wide: everything else mistyped"),
    BlockingKey("postcode and family", ("postcode", "family"), "postcode || family_skeleton", "narrow twin of postcode alone"),
    BlockingKey("postcode and given", ("postcode", "given"), "postcode || given_skeleton", "narrow twin of postcode alone"),
    BlockingKey("family and birth year", ("family", "birth_date"), "family_skeleton || left(birth_date, 4)", "a mistyped birth date and given name"),
    BlockingKey("given and birth year", ("given", "birth_date"), "given_skeleton || left(birth_date, 4)", "a mistyped birth date and family name"),
    BlockingKey("family and birthday", ("family", "birth_date"), "family_skeleton || right(birth_date, 4)", "a mistyped year"),
    BlockingKey("given and birthday", ("given", "birth_date"), "given_skeleton || right(birth_date, 4)", "a mistyped year"),
    BlockingKey("city and family", ("city", "family"), "city || family_skeleton", "few fields known"),
    BlockingKey("city and given", ("city", "given"), "city || given_skeleton", "few fields known"),
    BlockingKey("family", ("family",), "family_skeleton", "wide: rare family names"),
    BlockingKey("given", ("given",), "given_skeleton", "wide: rare given names"),
)

# A key may cost this many pairs a record, but always SMALL_FILE pairs: a file with no more pairs than that is compared all with all.
PAIRS_A_RECORD = 3
SMALL_FILE = 500_000


def usable_keys(columns: set[str]) -> list[BlockingKey]:
    """The keys whose columns all carry values."""
    return [key for key in KEYS if set(key.columns) <= columns]


def write_pairs(
    con: duckdb.DuckDBPyConnection, columns: set[str], only_new: bool = False, across_sources: bool = False
) -> int:
    """Write temp table `pairs` (left_position < right_position, each once) from `normalised`; return how many.

    With `only_new`, temp table `new_positions(position)` names the records of which a pair must hold at least one; the cost is
    theirs. With `across_sources`, both records of a pair come from different sources.
    """
    records = (con.execute("select count(*) from normalised").fetchone() or (0,))[0]
    budget = max(SMALL_FILE, PAIRS_A_RECORD * records)
    different = "and l.source <> r.source" if across_sources else ""
    everything = BlockingKey("everything", (), "''", "a small file")
    keys = usable_keys(columns) if records * (records - 1) // 2 > SMALL_FILE else [everything]
    con.execute("create or replace temp table found_pairs (left_position bigint, right_position bigint)")
    for key in keys:
        con.execute(
            f"""
            create or replace temp table keyed as
            with
            valued as (select position, source, {key.sql} as value from normalised),
            counted as (select value, count(*) as records from valued where value is not null group by value having count(*) > 1),
            sized as (select records, sum(records * (records - 1) // 2) as cost from counted group by records),
            fitting as (select records, sum(cost) over (order by records) as total from sized)
            select valued.position, valued.source, valued.value
            from valued
            inner join counted on valued.value = counted.value
            where counted.records <= (select coalesce(max(records), 0) from fitting where total <= {budget})
            """
        )
        if only_new:
            con.execute(
                f"""
                insert into found_pairs
                select least(l.position, r.position), greatest(l.position, r.position)
                from (select keyed.* from keyed semi join new_positions on keyed.position = new_positions.position) as l
                inner join keyed as r on l.value = r.value and l.position <> r.position {different}
                """
            )
        else:
            con.execute(
                f"""
                insert into found_pairs
                select l.position, r.position from keyed as l
                inner join keyed as r on l.value = r.value and l.position < r.position {different}
                """
            )
    con.execute("create or replace temp table pairs as select distinct * from found_pairs; drop table found_pairs; drop table keyed")
    count = con.execute("select count(*) from pairs").fetchone()
    return count[0] if count else 0
