"""Average linkage, constraints and one-to-one files on pairs with given weights."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.identity import clustering
from dagster_project.identity.clustering import Cut, cluster

Pairs = list[tuple[int, int, float]]


def clusters(records: int, pairs: Pairs, **options: object) -> list[int]:
    left, right, weights = zip(*pairs, strict=True) if pairs else ((), (), ())
    found = cluster(records, np.array(left, np.int64), np.array(right, np.int64), np.array(weights, np.float64), **options)  # type: ignore[arg-type]
    return [int(first) for first in found]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0, 1, 8.0)], [0, 0, 2]),
        ([(0, 1, 0.5)], [0, 1, 2]),
        # a chain: 1 is like both, and 0 and 2 were never found near each other
        ([(0, 1, 4.0), (1, 2, 3.0)], [0, 0, 2]),
        # the same chain with a strong enough second link
        ([(0, 1, 9.0), (1, 2, 9.0)], [0, 0, 0]),
        # compared, and clearly two people: the mean falls below the cut
        ([(0, 1, 9.0), (1, 2, 9.0), (0, 2, -10.0)], [0, 0, 2]),
        ([(1, 2, 5.0), (0, 2, 5.0)], [0, 1, 0]),
    ],
)
def test_groups_merge_by_the_mean_of_all_their_pairs(pairs: Pairs, expected: list[int]) -> None:
    assert clusters(3, pairs) == expected


def test_a_cannot_link_is_respected_along_every_path() -> None:
    pairs = [(0, 1, 20.0), (1, 2, 20.0), (0, 2, 20.0), (2, 3, 20.0)]
    assert clusters(4, pairs) == [0, 0, 0, 0]
    found = clusters(4, pairs, exact=[(0, 1), (2, 3)], cannot=[(0, 3)])
    assert found[0] != found[3]
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_the_cannot_link_check_above_would_notice_a_clustering_that_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering._Groups, "may_join", lambda self, left, right: True)
    found = clusters(4, [(0, 1, 20.0), (1, 2, 20.0), (0, 2, 20.0), (2, 3, 20.0)], exact=[(0, 1), (2, 3)], cannot=[(0, 3)])
    assert found[0] == found[3]


def test_a_must_link_joins_what_nothing_else_joins() -> None:
    assert clusters(3, [], must=[(0, 2)]) == [0, 1, 0]


def test_a_must_link_across_a_cannot_link_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot-link"):
        clusters(3, [], must=[(0, 1), (1, 2)], cannot=[(0, 2)])


def test_two_clean_files_are_linked_one_to_one() -> None:
    sources = np.array([0, 0, 1, 1], np.int64)
    assert clusters(4, [(0, 2, 9.0), (1, 2, 8.0), (0, 3, 7.0), (1, 3, 6.0)], sources=sources) == [0, 1, 0, 1]


def test_the_order_of_pairs_does_not_change_a_cluster() -> None:
    random = np.random.default_rng(7)
    pairs = [
        (int(a), int(b), float(w)) for a, b, w in zip(*random.integers(0, 60, (2, 200)), random.integers(-3, 9, 200), strict=True) if a != b
    ]
    once = clusters(60, pairs)
    for _ in range(5):
        shuffled = [
            pairs[number] if random.random() < 0.5 else (pairs[number][1], pairs[number][0], pairs[number][2])
            for number in random.permutation(len(pairs))
        ]
        assert clusters(60, shuffled) == once


def test_a_component_too_big_keeps_its_strong_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "BIG_COMPONENT", 3)
    chain = [(0, 1, 20.0), (1, 2, 1.5), (2, 3, 20.0)]
    assert clusters(4, chain) == [0, 0, 2, 2]


def test_a_record_that_knows_little_says_little_against_what_another_knows() -> None:
    """Two accounts with a login each: the records with an address agree on all of it, those without know two names and two mailboxes."""
    pairs = [(0, 2, 10.0), (0, 3, -3.0), (1, 2, -3.0), (1, 3, -3.0)]
    exact = [(0, 1), (2, 3)]
    assert clusters(4, pairs, exact=exact, cut=Cut(5.0)) == [0, 0, 2, 2]
    assert clusters(4, pairs, exact=exact, cut=Cut(5.0, best=0.5)) == [0, 0, 0, 0]
    assert f"{Cut(5.0)}, {Cut(5.0, best=0.5)}" == "+5.0 on average, +5.0, 50% of it on average and 50% by the best pair"
    # Of two records alone the best pair is the only one.
    assert clusters(2, [(0, 1, 4.9)], cut=Cut(5.0, best=0.5)) == [0, 1]
    assert clusters(4, [(0, 2, 8.0), (0, 3, -3.0), (1, 2, -3.0), (1, 3, -3.0)], exact=exact, cut=Cut(5.0, best=0.5)) == [0, 0, 2, 2]


@pytest.mark.parametrize("cut", [Cut(4.0), Cut(4.0, best=0.5)])
def test_what_lies_between_two_neighbourhoods_changes_neither(monkeypatch: pytest.MonkeyPatch, cut: Cut) -> None:
    """Pairs along which nothing can merge are left out of sight; looked at or not, the clusters are the same."""
    random = np.random.default_rng(7)
    for _ in range(50):
        left, right = np.triu_indices(30, 1)
        some = random.random(len(left)) < 0.2
        pairs = [
            (int(a), int(b), round(float(w), 3)) for a, b, w in zip(left[some], right[some], random.normal(0, 6, some.sum()), strict=True)
        ]
        exact = [(int(a), int(b)) for a, b in random.integers(0, 30, (3, 2)) if a < b]
        near = clusters(30, pairs, exact=exact, cut=cut)
        with monkeypatch.context() as all_in_sight:
            all_in_sight.setattr(clustering, "_neighbours", lambda records, sizes, pairs, needed: pairs)
            assert clusters(30, pairs, exact=exact, cut=cut) == near
        assert len(set(near)) < 30
