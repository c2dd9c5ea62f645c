"""The re-ranker: trained on what customers did in the horizon before, abstaining where there is too little.

Training rows are the candidates as they stood one and one and a half horizons before the moment; the label is
whether the customer took the product within the horizon that followed. Nothing at or after the moment is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from ml.boosting import Binned, Classifier, in_bins
from ml.recommendations.candidates import COLUMN, Candidates, Items, Sources, gather, prepare, relate
from ml.recommendations.history import Bools, History, Ints, distinct, places
from ml.recommendations.largest import largest_first
from ml.recommendations.moment import measure
from ml.recommendations.tables import Tables, as_tables

LEAVES = 8
BINS = 64


@dataclass(frozen=True)
class Settings:
    """How to rank. Days where the name says so; ``snapshots`` are multiples of the horizon back from the moment."""

    horizon_days: float = 30.0
    penalty: float = 200.0
    max_products: int = 10_000
    candidates: int = 30
    new_candidates: int = 40
    snapshots: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    iterations: int = 30
    max_training_rows: int = 40_000
    min_customers: int = 50

    def candidates_of(self, new_only: bool) -> int:
        """Where only new products count, nothing of one's own competes, and the search goes wider."""
        return self.new_candidates if new_only else self.candidates


@dataclass(frozen=True)
class Ranker:
    """``trees`` is None when it abstained; ``reason`` then says why and the formula ranks.

    ``check`` holds the NDCG@10 of model and formula on training customers the check model did not see.
    """

    new_only: bool
    trees: Tables | None
    reason: str
    check: dict[str, float]

    def score(self, found: Candidates) -> NDArray[np.float32]:
        """Higher is better; comparable within one customer only."""
        return formula(found) if self.trees is None else self.trees.score(found.features)


def formula(found: Candidates) -> NDArray[np.float32]:
    """What ranks without a model: the decayed habit, then EASE and recent popularity, each in its own range."""
    return found.features[:, COLUMN["formula"]]


def sources_at(settings: Settings, content: sparse.csr_matrix | None = None) -> Callable[[History, float, Ints], Sources]:
    """What a history before a day says of some customers; the item models are fitted once a day. ``content`` is the likeness of the products'
    texts, where there are texts.
    """
    fitted: dict[float, Items] = {}

    def at(past: History, day: float, customers: Ints) -> Sources:
        moment = measure(past, day, settings.horizon_days, customers)
        if day not in fitted:
            fitted[day] = relate(moment, settings.penalty, settings.max_products, content)
        return prepare(moment, fitted[day])

    return at


def fit_ranker(
    history: History, day: float, settings: Settings, new_only: bool, known_at: Callable[[History, float, Ints], Sources] | None = None
) -> Ranker:
    """Train on the horizons before ``day``; only customers who took something in them can teach an order.

    ``known_at`` is ``sources_at``, where more than one ranker is fitted to the history.
    """
    known_at = known_at or sources_at(settings)
    known = history.before(day)
    parts: list[tuple[Candidates, Bools]] = []
    room = settings.max_training_rows
    for back in settings.snapshots:
        part = _training_part(known, day - back * settings.horizon_days, room, settings, new_only, known_at)
        if part is not None:
            parts.append(part)
            room -= len(part[1])
        if room < settings.max_training_rows // 10:
            break
    if not parts or sum(len(np.unique(part[0].customer[part[1]])) for part in parts) < settings.min_customers:
        return Ranker(new_only, None, "too few customers with a horizon of history to learn from", {})
    features = np.concatenate([found.features for found, _ in parts])
    labels = np.concatenate([label for _, label in parts])
    columns = tuple(j for j in range(features.shape[1]) if _varies(features[:, j]))
    rows = in_bins(features[:, columns].astype(float), BINS)
    check = _check(parts, rows, labels, columns, settings)
    if check["model"] < check["formula"]:
        return Ranker(new_only, None, "the model did not beat the formula on customers it had not seen", check)
    return Ranker(new_only, _fit(rows, labels, columns, settings.seeds, settings), "", check)


def in_blocks(sources: Sources, customers: Ints, settings: Settings, new_only: bool) -> Iterator[Candidates]:
    """Candidates of customers (ascending codes), a bounded number of customers at a time."""
    for start in range(0, len(customers), sources.block):
        yield gather(sources, customers[start : start + sources.block], settings.candidates_of(new_only), new_only)


def _training_part(
    known: History, day: float, room: int, settings: Settings, new_only: bool, known_at: Callable[[History, float, Ints], Sources]
) -> tuple[Candidates, Bools] | None:
    past = known.before(day)
    taken = known.between(day, day + settings.horizon_days).target_events().pair_keys()
    width = max(known.product_count, 1)
    if new_only:
        taken = taken[places(past.target_events().pair_keys(), taken) < 0]
    customers = distinct(taken // width)
    customers = customers[past.starts[customers + 1] > past.starts[customers]]
    if not len(customers):
        return None
    limit = max(room // settings.candidates_of(new_only), 1)
    if len(customers) > limit:
        chosen = np.random.default_rng(0).choice(len(customers), size=limit, replace=False)
        customers = customers[np.sort(chosen)]
    sources = known_at(past, day, customers)
    chunks = list(in_blocks(sources, customers, settings, new_only))
    found = Candidates(
        np.concatenate([chunk.customer for chunk in chunks]),
        np.concatenate([chunk.product for chunk in chunks]),
        np.concatenate([chunk.seen for chunk in chunks]),
        np.concatenate([chunk.features for chunk in chunks]),
    )
    label = places(taken, found.customer * width + found.product) >= 0
    return (found, label) if label.any() else None


def _varies(column: NDArray[np.float32]) -> bool:
    finite = column[np.isfinite(column)]
    return bool(len(finite)) and bool((finite != finite[0]).any())


def _fit(rows: Binned, labels: Bools, columns: tuple[int, ...], seeds: tuple[int, ...], settings: Settings) -> Tables:
    models = []
    # One thread: several sum the gradients in an order that changes from run to run.
    with threadpool_limits(1):
        for seed in seeds:
            model = Classifier(
                learning_rate=0.15,
                max_iter=settings.iterations,
                max_bins=BINS,
                max_leaf_nodes=LEAVES,
                min_samples_leaf=100,
                l2_regularization=10.0,
                max_features=0.3,
                early_stopping=False,
                random_state=seed,
            )
            model.given = rows
            models.append(model.fit(rows.matrix, labels))
    return as_tables(models, columns)


def _check(
    parts: list[tuple[Candidates, Bools]], rows: Binned, labels: Bools, columns: tuple[int, ...], settings: Settings
) -> dict[str, float]:
    """NDCG@10 of a model fitted on even customers, and of the formula, both on the odd ones."""
    even = np.concatenate([found.customer % 2 == 0 for found, _ in parts])
    if not labels[even].any() or labels[even].all():
        return {"model": 0.0, "formula": 0.0}
    trees = _fit(rows.where(even), labels[even], columns, settings.seeds[:1], settings)
    found, label = parts[0]
    odd = found.customer % 2 == 1
    held = found.where(np.flatnonzero(odd))
    return {
        "model": candidate_ndcg(held, trees.score(held.features), label[odd]),
        "formula": candidate_ndcg(held, formula(held), label[odd]),
    }


def candidate_ndcg(found: Candidates, score: NDArray[np.float32], label: Bools, top: int = 10) -> float:
    """Mean NDCG among candidates; customers none of whose candidates was taken are left out."""
    order = np.lexsort((found.product, -score, found.customer))
    customer, hit = found.customer[order], label[order]
    starts = np.flatnonzero(np.r_[True, np.diff(customer) != 0]) if len(customer) else np.empty(0, dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(customer)])
    rank = np.arange(len(customer)) - np.repeat(starts, lengths)
    discount = np.where(rank < top, 1.0 / np.log2(rank + 2.0), 0.0)
    if not len(starts):
        return 0.0
    gained = np.add.reduceat(hit * discount, starts)
    possible = np.minimum(np.add.reduceat(hit.astype(np.int64), starts), top)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, top + 2)))])[possible]
    return float((gained[possible > 0] / ideal[possible > 0]).mean()) if (possible > 0).any() else 0.0


def top_products(found: Candidates, score: NDArray[np.float32], count: int) -> tuple[Ints, Ints, Ints]:
    """Customer, rank from 1 and product of the best ``count`` per customer; ties go to the smaller code."""
    starts = np.flatnonzero(np.r_[True, np.diff(found.customer) != 0]) if len(score) else np.empty(0, dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(score)])
    product, row, rank = largest_first(score, lengths, found.product, count)
    return found.customer[starts][row], rank + 1, product
