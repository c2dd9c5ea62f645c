"""Records in, people out: exact rules, then the model, then clusters that respect what people decided.

records -> normalised -> exact edges + weighed pairs -> clusters, and pairs for review
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Constraints, Positions, cluster
from dagster_project.identity.comparing import MODEL_RULE, Compared, compare
from dagster_project.identity.rules import RULES, Rule
from dagster_project.identity.splink_model import KEEP_WEIGHT

NO_CONSTRAINTS = Constraints()
# Pairs kept apart are listed for a person from this weight on: a relative weighs less, a typo too many weighs more.
REVIEW_WEIGHT = KEEP_WEIGHT


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
    default_country: str = "GB",
    one_to_one: bool = False,
) -> Resolution:
    """Group `records` (see `normalise`) into people.

    `model` is JSON from `train`, or None for exact rules alone. `one_to_one` links files (`source`) that hold each person once. A cluster's id
    is its first record by (known_at, record_id). Constraints about records that are not here are ignored.
    """
    return clustered(compare(records, model, rules, default_country=default_country, one_to_one=one_to_one), rules, constraints, one_to_one)


def clustered(
    found: Compared, rules: tuple[Rule, ...] = RULES, constraints: Constraints = NO_CONSTRAINTS, one_to_one: bool = False
) -> Resolution:
    """Group what was compared into people (see `resolve`)."""
    edges = found.edges.filter(pc.is_null(found.edges["known_until"]))
    ids = found.owners["record_id"].combine_chunks()
    left, right = places_of(edges["record_a"], ids), places_of(edges["record_b"], ids)
    sources = None
    if one_to_one:
        sources = np.unique(np.array([source or "" for source in found.owners["source"].to_pylist()]), return_inverse=True)[1]
    position = {record: number for number, record in enumerate(ids.to_pylist())} if constraints != NO_CONSTRAINTS else {}
    first = grouped(
        len(ids), edges, left, right, rules, _positions(constraints.must, position), _positions(constraints.cannot, position), sources
    )
    clusters = pa.table({"record_id": ids, "cluster_id": ids.take(pa.array(first))})
    return Resolution(edges, clusters, review_of(edges, first[left] != first[right], constraints), found.shared)


def places_of(records: pa.ChunkedArray, among: pa.Array) -> Positions:
    """The place of each record id in `among`; -1 where it is not there."""
    return np.asarray(pc.fill_null(pc.index_in(records, value_set=among), -1).to_numpy(), dtype=np.int64)


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


def review_of(edges: pa.Table, is_apart: np.ndarray, constraints: Constraints) -> pa.Table:
    """Pairs somebody should look at, the likeliest first: found to be near, and not in one cluster."""
    decided = {frozenset(pair) for pair in constraints.cannot}
    is_exact = pc.not_equal(edges["rule"], MODEL_RULE)
    is_near = pc.or_(is_exact, pc.fill_null(pc.greater_equal(edges["match_weight"], REVIEW_WEIGHT), False))
    rows = edges.filter(pc.and_(pa.array(is_apart, pa.bool_()), is_near))
    if decided:
        pairs = zip(rows["record_a"].to_pylist(), rows["record_b"].to_pylist(), strict=True)
        rows = rows.filter(pa.array([frozenset(pair) not in decided for pair in pairs], pa.bool_()))
    is_exact = pc.not_equal(rows["rule"], MODEL_RULE)
    by = {"is_model": pc.invert(is_exact), "weight": rows["match_weight"]}
    order = pc.sort_indices(
        pa.table({**by, "record_a": rows["record_a"], "record_b": rows["record_b"], "rule": rows["rule"], "known_at": rows["known_at"]}),
        sort_keys=[
            ("is_model", "ascending"),
            ("weight", "descending"),
            *((name, "ascending") for name in ("record_a", "record_b", "rule", "known_at")),
        ],
    )
    reason = pc.if_else(is_exact, "kept apart by a constraint or by one record a file", "near, and no cluster")
    return rows.append_column("reason", reason).take(order)
