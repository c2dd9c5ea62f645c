"""Records in, people out: exact rules, then the model, then clusters that respect what people decided.

records -> normalised -> exact edges + weighed pairs -> clusters, and pairs for review
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Constraints, Positions, cluster
from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import RULES, Rule, find_edges
from dagster_project.identity.splink_model import KEEP_WEIGHT, weigh

MODEL_RULE = "model"
NO_CONSTRAINTS = Constraints()
# Pairs kept apart are listed for a person from this weight on: a relative weighs less, a typo too many weighs more.
REVIEW_WEIGHT = KEEP_WEIGHT


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


@dataclass(frozen=True)
class Resolution:
    """What `resolve` found: `Compared`'s edges and shared values, clusters (one row per record: record_id, cluster_id), and review (one
    row per pair that is between same and different: edge columns and reason)."""

    edges: pa.Table
    clusters: pa.Table
    review: pa.Table
    shared: pa.Table


def resolve(
    records: pa.Table,
    model: str | None,
    rules: tuple[Rule, ...] = RULES,
    constraints: Constraints = NO_CONSTRAINTS,
    *,
    only_new: list[str] | None = None,
    known_edges: pa.Table | None = None,
    default_country: str = "GB",
    one_to_one: bool = False,
) -> Resolution:
    """Group `records` (see `normalise`) into people.

    `model` is JSON from `train`, or None for exact rules alone. `only_new` names the records that are new: only they are weighed,
    and `known_edges`, the edges of the run before, stand for the rest. `one_to_one` links files (`source`) that hold each person
    once. A cluster's id is its first record by (known_at, record_id). Constraints about records that are not here are ignored.
    """
    found = compare(
        records, model, rules, only_new=only_new, known_edges=known_edges, default_country=default_country, one_to_one=one_to_one
    )
    edges = found.edges.filter(pc.is_null(found.edges["known_until"]))
    ids = found.owners["record_id"].to_pylist()
    position = {record: number for number, record in enumerate(ids)}
    sources = None
    if one_to_one:
        sources = np.unique(np.array([source or "" for source in found.owners["source"].to_pylist()]), return_inverse=True)[1]
    left = np.array([position[record] for record in edges["record_a"].to_pylist()], dtype=np.int64)
    right = np.array([position[record] for record in edges["record_b"].to_pylist()], dtype=np.int64)
    first = grouped(
        len(ids), edges, left, right, rules, _positions(constraints.must, position), _positions(constraints.cannot, position), sources
    )
    clusters = pa.table({"record_id": pa.array(ids, pa.string()), "cluster_id": pa.array([ids[number] for number in first], pa.string())})
    return Resolution(edges, clusters, review_of(edges, first[left] != first[right], constraints), found.shared)


def compare(
    records: pa.Table,
    model: str | None,
    rules: tuple[Rule, ...] = RULES,
    *,
    only_new: list[str] | None = None,
    known_edges: pa.Table | None = None,
    default_country: str = "GB",
    one_to_one: bool = False,
) -> Compared:
    """Compare records (see `resolve`). An edge is a function of the model, of its two records and of those known before them, so
    comparing day by day finds what comparing all at once finds."""
    with duckdb.connect() as con:
        normalise(con, records, default_country)
        exact, shared = find_edges(con, rules)
        if one_to_one:
            exact = _across_sources(con, exact)
        weighed = weigh(con, model, only_new, one_to_one) if model else None
        edges = _gathered(con, exact, weighed, known_edges if model else None)
        owners = con.execute(
            "select owner as record_id, min(source) as source, min(known_at) as known_at from normalised group by owner order by known_at, record_id"
        ).to_arrow_table()
    return Compared(edges, owners, shared)


def grouped(
    records: int,
    edges: pa.Table,
    left: Positions,
    right: Positions,
    rules: tuple[Rule, ...],
    must: list[tuple[int, int]],
    cannot: list[tuple[int, int]],
    sources: Positions | None = None,
    cut: float = CUT,
) -> Positions:
    """For each record's position the smallest of its cluster, from edges between positions `left` and `right`; `cut` as in `cluster`."""
    by_rule = edges["rule"].to_numpy(zero_copy_only=False)
    by_model = by_rule == MODEL_RULE
    is_sure = np.isin(by_rule, [rule.name for rule in rules if rule.conflict == "never"])
    careful = ~by_model & ~is_sure
    weights = edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64)
    return cluster(
        records,
        left[by_model],
        right[by_model],
        weights[by_model],
        exact=zip(left[careful].tolist(), right[careful].tolist(), strict=True),
        sure=zip(left[is_sure].tolist(), right[is_sure].tolist(), strict=True),
        must=must,
        cannot=cannot,
        sources=sources,
        cut=cut,
    )


def _positions(pairs: tuple[tuple[str, str], ...], position: dict[str, int]) -> list[tuple[int, int]]:
    return sorted((position[one], position[other]) for one, other in pairs if one in position and other in position)


def _across_sources(con: duckdb.DuckDBPyConnection, exact: pa.Table) -> pa.Table:
    """The exact edges between different sources."""
    return con.execute(
        """
        select exact.* from exact
        inner join normalised as l on exact.record_a = l.record_id
        inner join normalised as r on exact.record_b = r.record_id
        where l.source <> r.source
        order by exact.rule, l.position, r.position
        """
    ).to_arrow_table()


def _gathered(con: duckdb.DuckDBPyConnection, exact: pa.Table, weighed: pa.Table | None, known: pa.Table | None) -> pa.Table:
    """One table of edges, the model's of earlier runs among records that are still here included, strongest rule first.

    Records have several statements, so a rule may link two of them in several spans of time, and the model may weigh them several
    times: a later weighing replaces the one before where it is higher.
    """
    parts = [f"select *, '{MODEL_RULE}' as rule from weighed"] if weighed is not None else []
    if known is not None:
        con.register("known_edges", known)
        parts.append(f"select * exclude (known_until) from known_edges where rule = '{MODEL_RULE}'")
    weights = (
        " union all by name ".join(parts)
        if parts
        else "select null::double as match_weight, * exclude (known_until) from exact where false"
    )
    return con.execute(
        f"""
        with
        firsts as (select owner, row_number() over (order by min(known_at), owner) as position from normalised group by owner),
        spans as (
            select record_a, record_b, rule, match_probability, min(known_at) as known_at, known_until
            from exact group by record_a, record_b, rule, match_probability, known_until
        ),
        weights as ({weights}),
        risen as (
            select * from weights
            qualify match_weight > coalesce(max(match_weight) over (
                partition by least(record_a, record_b), greatest(record_a, record_b)
                order by known_at, match_weight desc, record_a, record_b rows between unbounded preceding and 1 preceding
            ), -1000)
        ),
        replaced as (
            select *, lead(known_at) over (partition by least(record_a, record_b), greatest(record_a, record_b) order by known_at) as known_until
            from risen
        ),
        every as (select * from spans union all by name select * from replaced)
        select every.*
        from every
        inner join firsts as l on every.record_a = l.owner
        inner join firsts as r on every.record_b = r.owner
        order by every.match_probability desc, every.rule, l.position, r.position, every.known_at
        """
    ).to_arrow_table()


def review_of(edges: pa.Table, is_apart: np.ndarray, constraints: Constraints) -> pa.Table:
    """Pairs somebody should look at, the likeliest first: found to be near, and not in one cluster."""
    decided = {frozenset(pair) for pair in constraints.cannot}
    weights = edges["match_weight"].to_pylist()
    rules = edges["rule"].to_pylist()
    firsts, seconds = edges["record_a"].to_pylist(), edges["record_b"].to_pylist()
    rows = [
        row
        for row in np.flatnonzero(is_apart).tolist()
        if frozenset((firsts[row], seconds[row])) not in decided and (rules[row] != MODEL_RULE or weights[row] >= REVIEW_WEIGHT)
    ]
    rows.sort(key=lambda row: (rules[row] == MODEL_RULE, -(weights[row] or 0.0), row))
    reasons = ["kept apart by a constraint or by one record a file" if rules[row] != MODEL_RULE else "near, and no cluster" for row in rows]
    return edges.take(pa.array(rows, pa.int64())).append_column("reason", pa.array(reasons, pa.string()))
