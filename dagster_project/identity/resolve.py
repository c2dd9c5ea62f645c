"""Records in, people out: exact rules, then the model, then clusters that respect what people decided.

records -> normalised -> exact edges + weighed pairs -> clusters, and pairs for review
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.identity.clustering import Constraints, cluster
from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import RULES, Rule, find_edges
from dagster_project.identity.splink_model import KEEP_WEIGHT, weigh

MODEL_RULE = "model"
NO_CONSTRAINTS = Constraints()
# Pairs kept apart are listed for a person from this weight on: a relative weighs less, a typo too many weighs more.
REVIEW_WEIGHT = KEEP_WEIGHT


@dataclass(frozen=True)
class Resolution:
    """What `resolve` found.

    edges: one row per pair and rule (record_a, record_b, rule, match_probability, known_at, match_weight, weight_<comparison>;
    the weights are null for exact rules). clusters: one row per record (record_id, cluster_id). review: one row per pair that is
    between same and different (edge columns and reason). shared: one row per identifier value that stopped linking.
    """

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

    `model` is JSON from `train`, or None for exact rules alone. `only_new` names the records that are new: only they are compared,
    and `known_edges`, the edges of the run before, stand for the rest. `one_to_one` links files (`source`) that hold each person
    once. A cluster's id is its first record by (known_at, record_id). Constraints about records that are not here are ignored.
    """
    with duckdb.connect() as con:
        normalise(con, records, default_country)
        if only_new is not None:
            con.register("new_ids", pa.table({"record_id": pa.array(only_new, pa.string())}))
            con.execute("create or replace temp table new_positions as select position from normalised semi join new_ids using (record_id)")
        exact, shared = find_edges(con, rules, only_new is not None)
        if one_to_one:
            exact = _across_sources(con, exact)
        weighed = weigh(con, model, only_new, one_to_one) if model else None
        edges = _gathered(con, exact, weighed, known_edges)
        ordered = con.execute("select record_id, source from normalised order by position").to_arrow_table()
    ids = ordered["record_id"].to_pylist()
    position = {record: number for number, record in enumerate(ids)}
    sources = None
    if one_to_one:
        sources = np.unique(np.array([source or "" for source in ordered["source"].to_pylist()]), return_inverse=True)[1]
    left = np.array([position[record] for record in edges["record_a"].to_pylist()], dtype=np.int64)
    right = np.array([position[record] for record in edges["record_b"].to_pylist()], dtype=np.int64)
    by_model = np.array([rule == MODEL_RULE for rule in edges["rule"].to_pylist()], dtype=bool)
    weights = edges["match_weight"].to_numpy(zero_copy_only=False)
    first = cluster(
        len(ids),
        left[by_model],
        right[by_model],
        weights[by_model].astype(np.float64),
        exact=zip(left[~by_model].tolist(), right[~by_model].tolist(), strict=True),
        must=_positions(constraints.must, position),
        cannot=_positions(constraints.cannot, position),
        sources=sources,
    )
    clusters = pa.table({"record_id": pa.array(ids, pa.string()), "cluster_id": pa.array([ids[number] for number in first], pa.string())})
    return Resolution(edges, clusters, _review(edges, first[left] != first[right], left, right, constraints), shared)


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
    """One table of edges, those of earlier runs among records that are still here included, strongest rule first."""
    parts = ["select 0 as age, exact.* from exact"]
    if weighed is not None:
        con.register("weighed_pairs", weighed)
        parts.append(f"select 0 as age, *, '{MODEL_RULE}' as rule from weighed_pairs")
    else:
        parts.append("select 0 as age, null::double as match_weight where false")
    if known is not None:
        con.register("known_edges", known)
        parts.append("select 1 as age, * from known_edges")
    return con.execute(
        f"""
        with every as ({" union all by name ".join(parts)})
        select every.* exclude (age)
        from every
        inner join normalised as l on every.record_a = l.record_id
        inner join normalised as r on every.record_b = r.record_id
        qualify row_number() over (partition by record_a, record_b, rule order by age) = 1
        order by match_probability desc, rule, l.position, r.position
        """
    ).to_arrow_table()


def _review(edges: pa.Table, is_apart: np.ndarray, left: np.ndarray, right: np.ndarray, constraints: Constraints) -> pa.Table:
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
    rows.sort(key=lambda row: (rules[row] == MODEL_RULE, -(weights[row] or 0.0), left[row], right[row]))
    reasons = ["kept apart by a constraint or by one record a file" if rules[row] != MODEL_RULE else "near, and no cluster" for row in rows]
    return edges.take(pa.array(rows, pa.int64())).append_column("reason", pa.array(reasons, pa.string()))
