"""Records in, people out: exact rules, then the model, then clusters that respect what people decided.

records -> normalised -> exact edges + weighed pairs -> clusters
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Constraints, Cut, Positions, cluster
from dagster_project.identity.comparing import MODEL_RULE, Compared, compare
from dagster_project.identity.rules import RULES, Rule

NO_CONSTRAINTS = Constraints()


@dataclass(frozen=True)
class Resolution:
    """What `resolve` found: `Compared`'s edges and shared values, and clusters (one row per record: record_id, cluster_id)."""

    edges: pa.Table
    clusters: pa.Table
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
    return Resolution(edges, clusters, found.shared)


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
    cut: Cut = CUT,
) -> Positions:
    """For each record's position the smallest of its cluster, from edges between positions `left` and `right`; `cut` as in `cluster`."""
    by_model = pc.equal(edges["rule"], MODEL_RULE).to_numpy()
    is_sure = pc.is_in(edges["rule"], pa.array([rule.name for rule in rules if rule.conflict == "never"], pa.string())).to_numpy()
    careful = ~by_model & ~is_sure
    weights = edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64)
    return cluster(
        records,
        left[by_model],
        right[by_model],
        weights[by_model],
        exact=np.column_stack([left, right])[careful],
        sure=np.column_stack([left, right])[is_sure],
        must=must,
        cannot=cannot,
        sources=sources,
        cut=cut,
    )


def _positions(pairs: tuple[tuple[str, str], ...], position: dict[str, int]) -> list[tuple[int, int]]:
    return sorted((position[one], position[other]) for one, other in pairs if one in position and other in position)
