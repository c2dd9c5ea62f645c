"""From weighed pairs to people: average linkage on match weights, with exact links, constraints and one-to-one files.

Connected components chain: A is like B, B like C, and A and C are two people. Average linkage merges two groups by the mean
weight of *all* pairs between them, where a pair that was never found counts MISSING_WEIGHT. Groups merge best pair first until
no mean reaches the cut. Weights are whole thousandths and ties end with the position of a group's first record, so neither the
order of rows nor of runs changes a cluster.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

MISSING_WEIGHT = -4.0
# Compared, and rather two people: such a pair counts its own weight, down to the floor.
DIFFERENT_WEIGHT = -2.0
FLOOR_WEIGHT = -12.0
SCALE = 1000
# A component above this size keeps only its stronger pairs, floor by floor, until it falls apart or the last floor is reached.
BIG_COMPONENT = 5_000
FLOORS = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0)

Positions = NDArray[np.int64]
# One row a pair.
Pairs = Positions | Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Cut:
    """What a merge of two groups needs: a mean weight. Between groups that exact links made the best pair counts for a share `best` of it (0 to 1)
    and the mean for the rest: a record that knows little of somebody says little against what another knows."""

    weight: float
    best: float = 0.0

    def __str__(self) -> str:
        mean = " on average" if self.best == 0 else f", {1 - self.best:.0%} of it on average and {self.best:.0%} by the best pair"
        return f"{self.weight:+.1f}{mean}"


CUT = Cut(1.0)


@dataclass(frozen=True)
class Constraints:
    """Pairs of record ids a person decided: `must` are one customer, `cannot` are two, whatever the data say."""

    must: tuple[tuple[str, str], ...] = ()
    cannot: tuple[tuple[str, str], ...] = ()


@dataclass
class _Groups:
    """Disjoint groups of positions, each named by its smallest; `apart` holds the groups a group may not join."""

    parent: list[int]
    apart: dict[int, set[int]] = field(default_factory=dict)

    def find(self, position: int) -> int:
        while self.parent[position] != position:
            self.parent[position] = self.parent[self.parent[position]]
            position = self.parent[position]
        return position

    def may_join(self, left: int, right: int) -> bool:
        return right not in self.apart.get(left, ())

    def join(self, left: int, right: int) -> None:
        keep, gone = min(left, right), max(left, right)
        self.parent[gone] = keep
        for other in self.apart.pop(gone, ()):
            self.apart[other].discard(gone)
            self.forbid(keep, other)

    def forbid(self, left: int, right: int) -> None:
        self.apart.setdefault(left, set()).add(right)
        self.apart.setdefault(right, set()).add(left)


def cluster(
    records: int,
    left: Positions,
    right: Positions,
    weights: NDArray[np.float64],
    exact: Pairs = (),
    sure: Pairs = (),
    must: Pairs = (),
    cannot: Pairs = (),
    sources: Positions | None = None,
    cut: Cut = CUT,
) -> Positions:
    """Return for each of `records` positions the smallest position of its cluster.

    `left`, `right`, `weights` are the weighed pairs; `sure` pairs join unless a constraint forbids it, `exact` pairs unless the data
    do, both in the given order; `must` and `cannot` always hold. With `sources` (a small number per record) no cluster holds two records of one source.
    Raises ValueError when must-links join a cannot-link pair.
    """
    exact, sure, must, cannot = (np.asarray(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (exact, sure, must, cannot))
    against = np.column_stack([left, right])[weights < DIFFERENT_WEIGHT]
    label, parent, is_disputed = _undisputed(records, np.concatenate([must, sure, exact]), np.concatenate([cannot, against]))
    if sources is not None:
        parent, is_disputed = np.arange(records), np.ones(records, dtype=bool)
    exact, sure = exact[is_disputed[exact[:, 0]]], sure[is_disputed[sure[:, 0]]]
    against = against[label[against[:, 0]] == label[against[:, 1]]]
    groups = _Groups(parent.tolist())
    for one, other in must.tolist():
        a, b = groups.find(one), groups.find(other)
        if a != b:
            groups.join(a, b)
    for one, other in cannot.tolist():
        a, b = groups.find(one), groups.find(other)
        if a == b:
            raise ValueError(f"must-links join records {one} and {other}, which a cannot-link keeps apart")
        groups.forbid(a, b)
    held = [{int(source)} for source in sources] if sources is not None else None
    if held is not None:
        for position in range(records):
            held[groups.find(position)] |= held[position]
    for one, other in sure.tolist():
        a, b = groups.find(one), groups.find(other)
        if a == b or not groups.may_join(a, b) or (held is not None and held[a] & held[b]):
            continue
        groups.join(a, b)
        if held is not None:
            held[min(a, b)] |= held[max(a, b)]
    # What the data say against a merge stops an exact link, though not a person's decision and not the average.
    careful = _Groups(list(groups.parent), {group: set(others) for group, others in groups.apart.items()})
    for one, other in against.tolist():
        a, b = careful.find(one), careful.find(other)
        if a != b:
            careful.forbid(a, b)
    for one, other in exact.tolist():
        a, b = careful.find(one), careful.find(other)
        if a == b or not careful.may_join(a, b) or (held is not None and held[a] & held[b]):
            continue
        careful.join(a, b)
        groups.join(groups.find(one), groups.find(other))
        if held is not None:
            held[min(a, b)] |= held[max(a, b)]
    root = np.array(groups.parent, dtype=np.int64)
    while not np.array_equal(root, root[root]):
        root = root[root]
    sizes = np.bincount(root, minlength=records)
    sums = _summed(root[left], root[right], weights, sizes, cut.best)
    merged = _linked(records, sizes, sums, groups, held, cut.weight)
    return merged[root]


def _undisputed(records: int, links: Positions, apart: Positions) -> tuple[Positions, Positions, NDArray[np.bool_]]:
    """A label per position for what hangs together by `links`; the first position of its group where no pair of `apart` lies inside, so that no link
    needs to be looked at by itself, else its own; and whether one does."""
    label = components(records, links[:, 0], links[:, 1])
    _, first = np.unique(label, return_index=True)
    inside = label[apart[:, 0]]
    is_disputed = np.zeros(len(first), dtype=bool)
    is_disputed[inside[inside == label[apart[:, 1]]]] = True
    return label, np.where(is_disputed[label], np.arange(records), first[label]), is_disputed[label]


def _summed(
    left: Positions, right: Positions, weights: NDArray[np.float64], sizes: Positions, best: float
) -> tuple[Positions, Positions, Positions]:
    """Sum, per pair of groups, each pair's weight above a missing pair, in thousandths; left < right, ordered. For a share `best` of the sum each
    pair counts as the best one does."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    between = low != high
    above = np.rint((np.maximum(weights[between], FLOOR_WEIGHT) - MISSING_WEIGHT) * SCALE).astype(np.int64)
    width = int(high.max(initial=0)) + 1
    pairs, which = np.unique(low[between] * width + high[between], return_inverse=True)
    totals = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(totals, which, above)
    left, right = pairs // width, pairs % width
    if best:
        most = np.full(len(pairs), np.iinfo(np.int64).min)
        np.maximum.at(most, which, above)
        totals = np.rint((1 - best) * totals + best * most * sizes[left] * sizes[right]).astype(np.int64)
    return left, right, totals


def components(nodes: int, left: Positions, right: Positions) -> Positions:
    """A label per position, the same for all that hang together by the ties between `left` and `right`."""
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _neighbours(
    records: int, sizes: Positions, pairs: tuple[Positions, Positions, Positions], needed: float
) -> tuple[Positions, Positions, Positions]:
    """The pairs that can matter. A mean of means is not above all of them, so groups merge only along pairs that reach the cut; what is found
    between two such neighbourhoods changes neither.
    """
    left, right, totals = pairs
    reaches = totals >= needed * sizes[left] * sizes[right]
    label = components(records, left[reaches], right[reaches])
    near = label[left] == label[right]
    return left[near], right[near], totals[near]


def _thinned(records: int, sizes: Positions, pairs: tuple[Positions, Positions, Positions]) -> tuple[Positions, Positions, Positions]:
    """Drop the weaker pairs of components that are too big to be one neighbourhood of people."""
    left, right, totals = pairs
    for floor in FLOORS:
        label = components(records, left, right)
        big = np.bincount(label, minlength=records) > BIG_COMPONENT
        inside = big[label[left]]
        if not inside.any():
            break
        mean = totals / (sizes[left] * sizes[right]) / SCALE + MISSING_WEIGHT
        keep = ~inside | (mean >= floor)
        left, right, totals = left[keep], right[keep], totals[keep]
    return left, right, totals


def _linked(
    records: int,
    sizes: Positions,
    pairs: tuple[Positions, Positions, Positions],
    groups: _Groups,
    held: list[set[int]] | None,
    cut: float,
) -> Positions:
    """Average linkage over the groups: for each position its group's smallest."""
    needed = (cut - MISSING_WEIGHT) * SCALE
    left, right, totals = _thinned(records, sizes, _neighbours(records, sizes, pairs, needed))
    degree = np.bincount(left, minlength=records) + np.bincount(right, minlength=records)
    alone = (degree[left] == 1) & (degree[right] == 1)
    result = np.arange(records, dtype=np.int64)
    # Most components are one pair of groups: no queue needed.
    for a, b, total in zip(left[alone].tolist(), right[alone].tolist(), totals[alone].tolist(), strict=True):
        if total >= needed * int(sizes[a]) * int(sizes[b]) and groups.may_join(a, b) and not (held and held[a] & held[b]):
            result[b] = a
    size: dict[int, int] = {}
    near: dict[int, dict[int, int]] = {}
    for a, b, total in zip(left[~alone].tolist(), right[~alone].tolist(), totals[~alone].tolist(), strict=True):
        near.setdefault(a, {})[b] = total
        near.setdefault(b, {})[a] = total
        size[a], size[b] = int(sizes[a]), int(sizes[b])
    version = dict.fromkeys(near, 0)
    queue = [(-total / (size[a] * size[b]), a, b, 0, 0) for a, around in near.items() for b, total in around.items() if a < b]
    heapq.heapify(queue)
    into: dict[int, int] = {}
    while queue:
        mean, a, b, version_a, version_b = heapq.heappop(queue)
        if -mean < needed:
            break
        if version.get(a) != version_a or version.get(b) != version_b:
            continue
        if not groups.may_join(a, b) or (held is not None and held[a] & held[b]):
            continue
        groups.join(a, b)
        if held is not None:
            held[a] |= held[b]
        into[b] = a
        size[a] += size.pop(b)
        version[a] += 1
        del version[b], near[a][b]
        around = near.pop(b)
        del around[a]
        for other, total in around.items():
            del near[other][b]
            near[a][other] = near[other][a] = near[a].get(other, 0) + total
        for other, total in near[a].items():
            first, second = min(a, other), max(a, other)
            heapq.heappush(queue, (-total / (size[a] * size[other]), first, second, version[first], version[second]))
    for gone in sorted(into):
        keep = into[gone]
        while keep in into:
            keep = into[keep]
        result[gone] = keep
    return result
