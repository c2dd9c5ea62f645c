"""What links two records, or speaks against it: exact rules, then the model, each new record compared with all before it.

    records -> identity.normalised -> exact edges + weighed pairs -> identity.edges, identity.shared_identifiers

An edge is a function of the model, of its two records and of those known before them. So comparing day by day finds what comparing all at once
finds, and a day costs what its new records cost: their canonical forms, the pairs that share a blocking key with them, the rules' values they
carry. What the records before them left behind (`KEPT`) is read where the new ones meet it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import RULES, Rule, find_edges
from dagster_project.identity.weighing import weigh
from dagster_project.warehouse import exists

MODEL_RULE = "model"
KEPT = ("normalised", "blocking_keys", "edges", "shared_identifiers")


@dataclass(frozen=True)
class Compared:
    """What comparing records found.

    edges: one row per pair of records, rule and span of time (record_a, record_b, rule, match_probability, known_at, known_until,
    match_weight, weight_<comparison>; the weights are null for exact rules), strongest rule first. owners: one row per record
    (record_id, source, known_at), first known first. shared: one row per identifier value that stopped linking.
    """

    edges: pa.Table
    owners: pa.Table
    shared: pa.Table


def compare(
    records: pa.Table,
    model: str | None,
    rules: tuple[Rule, ...] = RULES,
    *,
    default_country: str = "GB",
    one_to_one: bool = False,
) -> Compared:
    """Compare records (see `normalise`) with each other: exact `rules`, then `model` (JSON from `train`), or None for the rules alone.
    `one_to_one` compares across files (`source`) only."""
    with duckdb.connect() as con:
        find_changed(con, records, model, rules, default_country=default_country, one_to_one=one_to_one)
        shared = con.execute("select * from shared_found order by rule, records desc, value_hash").to_arrow_table()
        return Compared(edges_of(con, edges="changed"), owners_of(con), shared)


def compare_new(
    con: duckdb.DuckDBPyConnection,
    records: pa.Table,
    model: str | None,
    rules: tuple[Rule, ...] = RULES,
    *,
    default_country: str = "GB",
    one_to_one: bool = False,
    day_first: bool | None = None,
    since: datetime | None = None,
) -> None:
    """Compare `records` with each other and with all that `con` keeps from earlier calls, which were known before them.

    What the model says counts from `since` on. Adds to the tables KEPT of schema `identity`; temp table `touched` (record_id) names the records
    whose edges changed, the new ones included, and `appeared` the edges that those before them do not have.
    """
    start = find_changed(
        con, records, model, rules, default_country=default_country, one_to_one=one_to_one, day_first=day_first, since=since
    )
    if not start:
        con.execute(
            "create or replace table identity.edges as select * from changed order by match_probability desc, rule, record_a, record_b"
        )
        con.execute("create or replace table identity.shared_identifiers as select * from shared_found")
        con.execute("create or replace temp table touched as select owner as record_id from new_owners")
    else:
        con.execute(REPLACED)
    con.execute("drop view normalised")


def find_changed(
    con: duckdb.DuckDBPyConnection,
    records: pa.Table,
    model: str | None,
    rules: tuple[Rule, ...],
    *,
    default_country: str,
    one_to_one: bool,
    day_first: bool | None = None,
    since: datetime | None = None,
) -> int:
    """What `compare_new` finds, before it is kept: temp tables `changed` (all edges of the pairs that `records` touch), `shared_found`. Returns how
    many records were there before."""
    start = kept_records(con)
    con.execute("create schema if not exists identity")
    normalise(con, records, default_country, day_first, first_position=start, into="arriving" if start else "identity.normalised")
    con.execute(
        f"""
        {"insert into identity.normalised select * from arriving; drop table arriving" if start else ""};
        create or replace temp table new_owners as select distinct owner from identity.normalised where position >= {start};
        create or replace temp view normalised as select * from identity.normalised;
        """
    )
    find_edges(con, rules, start)
    if one_to_one:
        con.execute(ACROSS_SOURCES)
    if model:
        weigh(con, model, across_sources=one_to_one, start=start)
        if since is not None:
            con.execute("update weighed set known_at = greatest(known_at, ?)", [since])
    else:
        con.execute(
            "create or replace temp table weighed as "
            "select record_a, record_b, match_probability, known_at, null::double as match_weight from exact_found where false"
        )
    con.execute(REWEIGHED if start else NOTHING_BEFORE)
    con.execute(CHANGED)
    return start


def kept_records(con: duckdb.DuckDBPyConnection) -> int:
    """How many records earlier calls of `compare_new` left on `con`."""
    row = con.execute("select count(*) from identity.normalised").fetchone() if exists(con, "identity.normalised") else None
    return int(row[0]) if row else 0


def edges_of(
    con: duckdb.DuckDBPyConnection, among: str | None = None, edges: str = "identity.edges", columns: str = "inside.*"
) -> pa.Table:
    """The edges that `con` keeps in table `edges` (those between records in table `among` alone), strongest rule first."""
    inside = (
        ""
        if among is None
        else (f"semi join {among} as l on edges.record_a = l.record_id semi join {among} as r on edges.record_b = r.record_id")
    )
    return con.execute(
        f"""
        with
        inside as (select edges.* from {edges} as edges {inside}),
        firsts as (
            select owner, min(position) as position from identity.normalised
            {"" if among is None else f"semi join {among} on normalised.owner = {among}.record_id"}
            group by owner
        )
        select {columns}
        from inside
        inner join firsts as l on inside.record_a = l.owner
        inner join firsts as r on inside.record_b = r.owner
        order by match_probability desc, rule, l.position, r.position, known_at, known_until nulls last
        """
    ).to_arrow_table()


def owners_of(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The records that `con` keeps: record_id, source, known_at, first known first."""
    return con.execute(
        "select owner as record_id, min(source) as source, min(known_at) as known_at from identity.normalised group by owner order by known_at, record_id"
    ).to_arrow_table()


ACROSS_SOURCES = """
delete from exact_found where (record_a, record_b) in (
    select (exact_found.record_a, exact_found.record_b)
    from exact_found
    inner join normalised as l on exact_found.record_a = l.owner
    inner join normalised as r on exact_found.record_b = r.owner
    where l.source = r.source
)
"""

# The earlier edges between records that may have other ones now, and those of the model that it has weighed again. Edges are read once: a day costs
# hardly more than such scans.
REWEIGHED = f"""
create or replace temp table nearby as
with
weighed_again as (select record_a as owner from weighed union select record_b from weighed),
suspects as (select owner from exact_touched union select owner from weighed_again)
select edges.*, edges.rowid as number
from identity.edges as edges
semi join suspects as l on edges.record_a = l.owner
semi join suspects as r on edges.record_b = r.owner;

create or replace temp table reweighed as
with pairs as (select distinct least(record_a, record_b) as one, greatest(record_a, record_b) as other from weighed)
select nearby.*, pairs.one, pairs.other
from nearby
inner join pairs on least(nearby.record_a, nearby.record_b) = pairs.one and greatest(nearby.record_a, nearby.record_b) = pairs.other
where nearby.rule = '{MODEL_RULE}'
"""
NOTHING_BEFORE = """
create or replace temp table reweighed as
select *, null::timestamp as known_until, '' as rule, 0 as number, record_a as one, record_b as other from weighed where false
"""

# Records have several statements, so a rule may link two of them in several spans of time, and the model may weigh them several times: a later
# weighing replaces the one before where it is higher. `changed` holds every edge of the pairs that the new records touch.
CHANGED = f"""
create or replace temp table changed as
with
spans as (
    select record_a, record_b, rule, match_probability, min(known_at) as known_at, known_until
    from exact_found group by record_a, record_b, rule, match_probability, known_until
),
weights as (
    select *, '{MODEL_RULE}' as rule, least(record_a, record_b) as one, greatest(record_a, record_b) as other, hash(one, other) as pair
    from weighed
    union all by name
    select * exclude (known_until, number), hash(one, other) as pair from reweighed
),
repeated as (select pair from weights group by pair having count(*) > 1),
single as (select * from weights anti join repeated using (pair)),
risen as (
    -- Of two that weigh the same the whole row decides, so that an explanation is the same whatever came in which order.
    select * from (select weights.* from weights semi join repeated using (pair)) as weighing
    qualify match_weight > coalesce(max(match_weight) over (
        partition by one, other
        order by known_at, match_weight desc, record_a, record_b, weighing rows between unbounded preceding and 1 preceding
    ), -1000)
),
replaced as (
    select *, null::timestamp as known_until from single
    union all by name
    select *, lead(known_at) over (partition by one, other order by known_at) as known_until from risen
)
select * from spans
union all by name
select * exclude (one, other, pair) from replaced
"""

# The edges of pairs that may have changed are held against those found now: where a rule says something else of a pair than before, its edges give
# way, and both records are touched. A commit costs what it writes, so edges that were found again as they were stay where they are.
REPLACED = """
create or replace temp table before as
with again as (
    select number from reweighed
    union
    select nearby.number
    from nearby
    semi join exact_touched as l on nearby.rule = l.rule and nearby.record_a = l.owner
    semi join exact_touched as r on nearby.rule = r.rule and nearby.record_b = r.owner
)
select * from nearby semi join again using (number);

create or replace temp table moved as
with
held as (
    select *, 1 as now from changed
    union all by name
    select * exclude (number), -1 as now from before
),
differing as (select * exclude (now) from held group by all having sum(now) <> 0)
select distinct record_a, record_b, rule from differing;

create or replace temp table appeared as select * from changed semi join moved using (record_a, record_b, rule);

create or replace temp table touched as
select record_a as record_id from moved
union
select record_b from moved
union
select owner from new_owners;

delete from identity.edges where rowid in (select number from before semi join moved using (record_a, record_b, rule));
insert into identity.edges by name select * from appeared order by match_probability desc, rule, record_a, record_b;
delete from identity.shared_identifiers where (rule, value_hash) in (select (rule, value_hash) from shared_touched);
insert into identity.shared_identifiers select * from shared_found
"""
