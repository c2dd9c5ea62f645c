"""Exact rules: two records that carry the same identifier are one person, unless the identifier is shared or the names say no.

A rule is data. Its guards are what makes it safe: a value used by too many people or records stops linking and is reported
(info@, a till's account), and two records with clearly different given names (or, beside it, birth dates) are not linked by a
shared phone or mailbox: they are left to the model and to review. Where a value has such a conflict, nameless records stay out.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dagster_project.identity.normalise import normalise


@dataclass(frozen=True)
class Rule:
    """Records with the same value in `column` of `normalised` are one person, surer the higher `match_probability`.

    The value stops linking above `max_people` (told apart by the initial of the given name) or `max_records`. `conflict` is
    `names` (different given names or birth dates stop a link), `both` (only both together do) or `never` (logins: one account). What
    `never` conflicts links whatever the model says too; only a person's decision keeps it apart.
    """

    name: str
    column: str
    match_probability: float
    max_people: int = 4
    max_records: int = 25
    conflict: str = "names"


RULES = (
    Rule("national_id", "national_id", 0.999, max_people=3, max_records=50, conflict="both"),
    Rule("email", "email", 0.995),
    Rule("phone", "phone", 0.98),
)


def vendor_rule(column: str) -> Rule:
    """A rule for a vendor's own customer id or a login, carried by records under `column`."""
    return Rule(column, column, 0.999, max_people=6, max_records=100, conflict="never")


_OTHER_GIVEN = """
    coalesce(
        length(l.given) > 1 and length(r.given) > 1
        and not list_has_any(l.given_roots, r.given_roots)
        and jaro_winkler_similarity(l.given, r.given) < 0.8
        and l.given_first <> r.given_first
        and coalesce(jaro_winkler_similarity(l.given, r.family) < 0.88, true)
        and coalesce(jaro_winkler_similarity(l.family, r.given) < 0.88, true),
        false
    )
"""
_OTHER_BIRTH_DATE = """
    coalesce(
        damerau_levenshtein(l.birth_date, r.birth_date) > 2
        and (substr(l.birth_date, 1, 4) = substr(r.birth_date, 1, 4))::int
            + (substr(l.birth_date, 5, 2) = substr(r.birth_date, 5, 2))::int
            + (substr(l.birth_date, 7, 2) = substr(r.birth_date, 7, 2))::int < 2,
        false
    )
"""
# Nothing but the identifier: one given name is unknown and the family names are not alike.
_NO_NAME_AGREES = """
    (l.given is null or r.given is null)
    and coalesce(l.family <> r.family and jaro_winkler_similarity(l.family, r.family) < 0.8, false)
"""
CONFLICTS = {
    "names": f"({_OTHER_GIVEN} or {_OTHER_BIRTH_DATE} or ({_NO_NAME_AGREES}))",
    "both": f"({_OTHER_GIVEN} and {_OTHER_BIRTH_DATE})",
    "never": "false",
}


def exact_edges(records: pa.Table, rules: tuple[Rule, ...] = RULES, default_country: str = "GB") -> tuple[pa.Table, pa.Table]:
    """Apply `rules` to `records` (see `normalise`); return (edges, shared) as `find_edges` does."""
    with duckdb.connect() as con:
        normalise(con, records, default_country)
        return find_edges(con, rules)


def find_edges(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> tuple[pa.Table, pa.Table]:
    """Apply `rules` to table `normalised`; return (edges, shared).

    edges: one row per rule and pair it links (record_a, record_b, rule, match_probability, known_at: when the later of the two became
    known, known_until: when the value turned out shared or contested, null while it has not). shared: one row per rule and value
    that stopped linking (rule, value_hash, records, people, known_at).
    """
    known = {row[0] for row in con.execute("describe normalised").fetchall()}
    con.execute(
        """
        create or replace temp table edges_found (
            left_position bigint, right_position bigint, rank int, rule varchar, match_probability double, known_at timestamp,
            known_until timestamp
        );
        create or replace temp table shared_found (rule varchar, value_hash varchar, records bigint, people bigint, known_at timestamp);
        """
    )
    for rank, rule in enumerate(rules):
        if rule.column not in known:
            continue
        con.execute(_valued(rule))
        con.execute(
            "insert into shared_found select ?, left(sha256(value), 16), records, people, shared_at from valued where shared_at is not null",
            [rule.name],
        )
        con.execute(_found(rule, rank), [rule.name])
    edges = con.execute(
        """
        select
            l.owner as record_a,
            r.owner as record_b,
            found.rule,
            found.match_probability,
            found.known_at,
            found.known_until
        from edges_found as found
        inner join normalised as l on found.left_position = l.position
        inner join normalised as r on found.right_position = r.position
        order by found.rank, found.left_position, found.right_position
        """
    ).to_arrow_table()
    shared = con.execute("select * from shared_found order by rule, records desc, value_hash").to_arrow_table()
    return edges, shared


def _valued(rule: Rule) -> str:
    """SQL: temp table `valued`, one row per value that several records carry; `shared_at` is when it got a record or a person too many."""
    return f"""
    create or replace temp table valued as
    with
    carried as (select {rule.column} as value, owner, left(given, 1) as initial, known_at from normalised where {rule.column} is not null),
    counted as (
        select value, count(distinct owner) as records, count(distinct initial) as people
        from carried group by value having count(distinct owner) > 1
    ),
    crowded as (
        select carried.* from carried
        semi join (select value from counted where people > {rule.max_people} or records > {rule.max_records}) as many
            on carried.value = many.value
    ),
    initials as (select value, min(known_at) as known_at from crowded where initial is not null group by value, initial),
    owners as (select value, min(known_at) as known_at from crowded group by value, owner),
    limits as (
        select value, known_at from initials qualify row_number() over (partition by value order by known_at) = {rule.max_people + 1}
        union all
        select value, known_at from owners qualify row_number() over (partition by value order by known_at) = {rule.max_records + 1}
    )
    select counted.value, counted.records, counted.people, min(limits.known_at) as shared_at
    from counted
    left join limits on counted.value = limits.value
    group by counted.value, counted.records, counted.people
    """


def _found(rule: Rule, rank: int) -> str:
    """SQL: the rule's edges among the records that carried a value before it was shared, the rule's name as parameter."""
    return f"""
    insert into edges_found
    with
    usable as (
        select normalised.*, valued.shared_at
        from normalised
        inner join valued on normalised.{rule.column} = valued.value
        where valued.shared_at is null or normalised.known_at < valued.shared_at
    ),
    paired as (
        select
            l.position as left_position,
            r.position as right_position,
            greatest(l.known_at, r.known_at) as known_at,
            l.shared_at,
            {CONFLICTS[rule.conflict]} as is_conflict,
            l.given is not null and r.given is not null as is_named,
            min(case when is_conflict then greatest(l.known_at, r.known_at) end) over (partition by l.{rule.column}) as contested_at
        from usable as l
        inner join usable as r on l.{rule.column} = r.{rule.column} and l.position < r.position and l.owner <> r.owner
    ),
    dated as (select *, least(shared_at, case when not is_named then contested_at end) as known_until from paired where not is_conflict)
    select left_position, right_position, {rank}, ?, {rule.match_probability}, known_at, known_until
    from dated
    where known_until is null or known_at < known_until
    """
