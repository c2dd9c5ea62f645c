"""What ties records to each other at a close: the edges that are there, and what people decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dagster_project.identity.clustering import Cut, Positions
from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.link_lists import Decision
from dagster_project.identity.resolve import grouped, places_of
from dagster_project.identity.rules import Rule

Bools = NDArray[np.bool_]
BY_HAND = "linked by hand"
FIRST = "first record"


@dataclass(frozen=True)
class Ties:
    """Edges by the places of their records. `begins` and `ends` are the closes between which each is there (begins <= close < ends), `strength` is
    its place by how much it says, 0 the most, and along those that `may_merge` two customers can become one."""

    said: pa.Table
    left: Positions
    right: Positions
    begins: Positions
    ends: Positions
    strength: Positions
    may_merge: Bools
    rules: tuple[Rule, ...]
    cut: Cut

    @classmethod
    def of(cls, edges: pa.Table, ids: pa.Array, closes: Sequence[datetime], rules: tuple[Rule, ...], cut: Cut) -> "Ties":
        """The edges between the records `ids`, whose places are theirs."""
        moments = np.array(closes, dtype="datetime64[us]")
        ends = np.searchsorted(moments, edges["known_until"].to_numpy(zero_copy_only=False).astype("datetime64[us]"))
        ends[edges["known_until"].is_null().to_numpy(zero_copy_only=False)] = len(closes)
        return cls(
            said=edges.select(["rule", "match_probability", "match_weight"]),
            left=places_of(edges["record_a"], ids),
            right=places_of(edges["record_b"], ids),
            begins=np.searchsorted(moments, edges["known_at"].to_numpy().astype("datetime64[us]")),
            ends=ends,
            strength=_strength(edges, rules),
            may_merge=can_merge(edges, cut),
            rules=rules,
            cut=cut,
        )

    def among(self, kept: Bools) -> "Ties":
        """Some of the edges."""
        return replace(
            self,
            said=self.said.filter(pa.array(kept)),
            left=self.left[kept],
            right=self.right[kept],
            begins=self.begins[kept],
            ends=self.ends[kept],
            strength=self.strength[kept],
            may_merge=self.may_merge[kept],
        )

    def at(self, close: int) -> "Ties":
        """The edges that are there at a close."""
        return self.among((self.begins <= close) & (close < self.ends))

    def stirred(self, close: int, label: Positions) -> Positions:
        """The records of the edges that begin or end at a close and speak for or against a merge of those that hang together (`label`)."""
        changes = (self.begins == close) & (close < self.ends) | (self.ends == close) & (self.begins < close)
        changes &= self.may_merge | (label[self.left] == label[self.right])
        return np.concatenate([self.left[changes], self.right[changes]])

    def anchors(self, inside: Positions, records: int, must: list[tuple[int, int]], cannot: list[tuple[int, int]]) -> Positions:
        """The anchors of the records `inside`, out of so many, clustered among themselves."""
        place = np.full(records, -1, dtype=np.int64)
        place[inside] = np.arange(len(inside))
        here = self.among((place[self.left] >= 0) & (place[self.right] >= 0))
        joined, apart = ([(int(place[a]), int(place[b])) for a, b in listed if min(place[a], place[b]) >= 0] for listed in (must, cannot))
        return inside[grouped(len(inside), here.said, place[here.left], place[here.right], self.rules, joined, apart, cut=self.cut)]

    def strongest(self, records: Positions, anchors: Positions) -> Positions:
        """For each record its strongest edge within its customer; -1 where there is none, and for those who are not among `records`."""
        wanted = np.zeros(len(anchors), dtype=bool)
        wanted[records] = True
        rows = np.flatnonzero((anchors[self.left] == anchors[self.right]) & (wanted[self.left] | wanted[self.right]))
        rows = rows[np.argsort(self.strength[rows])]
        best = np.full(len(anchors), len(rows), dtype=np.int64)
        for side in (self.left, self.right):
            np.minimum.at(best, side[rows], np.arange(len(rows)))
        return np.where(wanted, np.append(rows, -1)[best], -1)

    def brought(self, records: Positions, anchors: Positions, best: Positions, by_hand: Positions) -> tuple[Any, Any]:
        """What brought records to their customers: rule and probability."""
        is_first = anchors[records] == records
        by_edge = pa.array(best[records], mask=is_first | np.isin(records, by_hand) | (best[records] < 0))
        rule = pc.coalesce(self.said["rule"].take(by_edge), pc.if_else(pa.array(is_first), FIRST, BY_HAND))
        return rule, pc.fill_null(self.said["match_probability"].take(by_edge), 1.0)


@dataclass(frozen=True)
class Decided:
    """The decisions in force at a close, by the places of their two records."""

    by_pair: dict[tuple[int, int], Decision]

    def pairs(self, verdict: str) -> list[tuple[int, int]]:
        """The pairs that were linked, or unlinked."""
        return [pair for pair, decision in self.by_pair.items() if decision.verdict == verdict]

    def changed(self, before: "Decided") -> list[tuple[int, int]]:
        """The pairs about which something else was in force."""
        return [pair for pair in sorted({*before.by_pair, *self.by_pair}) if before.by_pair.get(pair) != self.by_pair.get(pair)]


def _strength(edges: pa.Table, rules: tuple[Rule, ...]) -> Positions:
    """The place of each edge by how much it says: rules in their order, then the model by weight."""
    names = pa.array([rule.name for rule in rules], pa.string())
    ranks = pc.fill_null(pc.index_in(edges["rule"], value_set=names), len(rules)).to_numpy()
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=0.0)
    places = np.empty(len(ranks), dtype=np.int64)
    places[np.lexsort((-weights, ranks))] = np.arange(len(ranks))
    return places


def can_merge(edges: pa.Table, cut: Cut) -> Bools:
    """Which edges can make one customer of two (`clustering._neighbours`): exact ones, and weights that reach the cut."""
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=-np.inf)
    return np.asarray(pc.not_equal(edges["rule"], MODEL_RULE).to_numpy(zero_copy_only=False), dtype=bool) | (weights >= cut.weight)
