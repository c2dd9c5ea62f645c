"""Exact rules: two records that carry the same identifier are one person, unless the identifier is shared or the names say no.

A rule is data. Its guards are what makes it safe: a value used by too many people or records stops linking and is reported
(info@, a till's account), and two records with clearly different given names (or, beside it, birth dates) are not linked by a
shared phone or mailbox: they are left to the model and to review. Where a value has such a conflict, nameless records stay out.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb


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


# Cases, because DuckDB works out every part of an `and`; the distances are asked of the few pairs that need them.
_OTHER_GIVEN = """
    case
        when l.given is null or r.given is null or l.given_first = r.given_first then false
        when length(l.given) = 1 or length(r.given) = 1 or list_has_any(l.given_roots, r.given_roots) then false
        when jaro_winkler_similarity(l.given, r.given) >= 0.8 then false
        when jaro_winkler_similarity(l.given, r.family) >= 0.88 then false
        when jaro_winkler_similarity(l.family, r.given) >= 0.88 then false
        else true
    end
"""
_OTHER_BIRTH_DATE = """
    case
        when l.birth_date is null or r.birth_date is null or l.birth_date = r.birth_date then false
        -- A year or an age alone: ages grow from file to file.
        when strlen(l.birth_date) <= 4 or strlen(r.birth_date) <= 4
            then coalesce(abs(try_cast(left(l.birth_date, 4) as int) - try_cast(left(r.birth_date, 4) as int)) > 3, false)
        when (substr(l.birth_date, 1, 4) = substr(r.birth_date, 1, 4))::int
            + (substr(l.birth_date, 5, 2) = substr(r.birth_date, 5, 2))::int
            + (substr(l.birth_date, 7, 2) = substr(r.birth_date, 7, 2))::int >= 2 then false
        else damerau_levenshtein(l.birth_date, r.birth_date) > 2
    end
"""
# Nothing but the identifier: one given name is unknown and the family names are not alike.
_NO_NAME_AGREES = """
    case
        when l.given is not null and r.given is not null or l.family is null or r.family is null or l.family = r.family then false
        else jaro_winkler_similarity(l.family, r.family) < 0.8
    end
"""
CONFLICTS = {
    "names": f"({_OTHER_GIVEN} or {_OTHER_BIRTH_DATE} or ({_NO_NAME_AGREES}))",
    "both": f"({_OTHER_GIVEN} and {_OTHER_BIRTH_DATE})",
    "never": "false",
}


# What a rule reads of a record, beside the value it carries.
READ = ("position", "owner", "known_at", "given", "given_first", "given_roots", "family", "birth_date")


def find_edges(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], start: int = 0) -> None:
    """Apply `rules` to table `normalised`: what the records from position `start` on change, all of it when 0.

    Temp tables: `exact_found`, one row per rule and pair it links (record_a, record_b, rule, match_probability, known_at: when the later of the
    two became known, known_until: when the value turned out shared or contested, null while it has not); `exact_touched` (rule, owner): the
    records whose links of a rule may have changed, of which `exact_found` holds all; `shared_found`, one row per rule and value that stopped
    linking (rule, value_hash, records, people, known_at), of the values in `shared_touched` (rule, value_hash).
    """
    known = {row[0] for row in con.execute("describe normalised").fetchall()}
    con.execute(
        """
        create or replace temp table exact_found (
            record_a varchar, record_b varchar, rule varchar, match_probability double, known_at timestamp, known_until timestamp
        );
        create or replace temp table exact_touched (rule varchar, owner varchar);
        create or replace temp table shared_found (rule varchar, value_hash varchar, records bigint, people bigint, known_at timestamp);
        create or replace temp table shared_touched (rule varchar, value_hash varchar);
        """
    )
    for rule in rules:
        if rule.column not in known:
            continue
        if start:
            con.execute(_touched(rule, start))
        con.execute(_valued(rule, bool(start)))
        con.execute(
            "insert into shared_found select ?, left(sha256(value), 16), records, people, shared_at from valued where shared_at is not null",
            [rule.name],
        )
        con.execute(_found(rule, bool(start)), [rule.name])


def _touched(rule: Rule, start: int) -> str:
    """SQL: the records that carry a value of the new ones, in `exact_touched`, all values that these carry, in temp table `touched_values`, and all
    rows that carry one of them, in temp table `carriers`."""
    columns = ", ".join(dict.fromkeys((*READ, rule.column)))
    carrying = f"select {columns} from normalised semi join {{0}} on normalised.{rule.column} = {{0}}.value"
    return f"""
    create or replace temp table touched_values as
    select distinct {rule.column} as value from normalised where position >= {start} and {rule.column} is not null;

    create or replace temp table carriers as {carrying.format("touched_values")};

    create or replace temp table touched_owners as select distinct owner from carriers;

    create or replace temp table further_values as
    select distinct {rule.column} as value from normalised
    semi join touched_owners using (owner)
    anti join touched_values on normalised.{rule.column} = touched_values.value
    where {rule.column} is not null;

    insert into carriers {carrying.format("further_values")};
    insert into touched_values select value from further_values;

    insert into exact_touched select '{rule.name}', owner from touched_owners;
    insert into shared_touched select '{rule.name}', left(sha256(value), 16) from touched_values;
    """


def _valued(rule: Rule, is_few: bool) -> str:
    """SQL: temp table `valued`, one row per value that several records carry; `shared_at` is when it got a record or a person too many."""
    return f"""
    create or replace temp table valued as
    with
    carried as materialized (
        select {rule.column} as value, owner, left(given, 1) as initial, known_at
        from {"carriers" if is_few else "normalised"} where {rule.column} is not null
    ),
    repeated as (select value from carried group by value having min(owner) <> max(owner)),
    counted as (
        select value, count(distinct owner) as records, count(distinct initial) as people
        from carried semi join repeated using (value) group by value
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


def _found(rule: Rule, is_few: bool) -> str:
    """SQL: the rule's edges among the records that carried a value before it was shared, the rule's name as parameter."""
    both = "semi join touched_owners on dated.record_a = touched_owners.owner" if is_few else ""
    other = "semi join touched_owners on left_touched.record_b = touched_owners.owner" if is_few else ""
    return f"""
    insert into exact_found
    with
    usable as (
        select {", ".join(f"carriers.{column}" for column in READ)}, valued.value, valued.shared_at
        from {"carriers" if is_few else "normalised as carriers"}
        inner join valued on carriers.{rule.column} = valued.value
        where valued.shared_at is null or carriers.known_at < valued.shared_at
    ),
    paired as materialized (
        select
            l.value,
            l.owner as record_a,
            r.owner as record_b,
            greatest(l.known_at, r.known_at) as known_at,
            l.shared_at,
            {CONFLICTS[rule.conflict]} as is_conflict,
            l.given is not null and r.given is not null as is_named
        from usable as l
        inner join usable as r on l.value = r.value and l.position < r.position and l.owner <> r.owner
    ),
    contested as (select value, min(known_at) as contested_at from paired where is_conflict group by value),
    dated as (
        select paired.*, least(paired.shared_at, case when not paired.is_named then contested.contested_at end) as known_until
        from paired
        left join contested on paired.value = contested.value
        where not paired.is_conflict
    ),
    left_touched as (select dated.* from dated {both}),
    both_touched as (select left_touched.* from left_touched {other})
    select record_a, record_b, ?, {rule.match_probability}, known_at, known_until
    from both_touched
    where known_until is null or known_at < known_until
    """
