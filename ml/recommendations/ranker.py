"""The re-ranker: trained on what customers did in the horizon before, abstaining where there is too little.

Training rows are the candidates as they stood one and one and a half horizons before the moment; the label is
whether the customer took the product within the horizon that followed. Nothing at or after the moment is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from ml.recommendations.candidates import COLUMN, Breadth, Candidates, Sources, gather, prepare
from ml.recommendations.history import Bools, Floats, History, Ints
from ml.recommendations.moment import measure


@dataclass(frozen=True)
class Settings:
    """How to rank. Days where the name says so; ``snapshots`` are multiples of the horizon back from the moment."""

    horizon_days: float = 30.0
    penalty: float = 200.0
    max_products: int = 10_000
    breadth: Breadth = field(default_factory=Breadth)
    new_breadth: Breadth = field(default_factory=lambda: Breadth(own=60, ease=150, cosine=60, popular=60))
    shortlist: int = 40
    snapshots: tuple[float, ...] = (1.0, 1.5)
    seeds: tuple[int, ...] = (0, 1)
    iterations: int = 100
    max_training_rows: int = 200_000
    min_customers: int = 50
    chunk: int = 1_000

    def breadth_of(self, new_only: bool) -> Breadth:
        """Where only new products count, nothing of one's own competes, and the search goes wider."""
        return self.new_breadth if new_only else self.breadth


@dataclass(frozen=True)
class Ranker:
    """``models`` is empty when it abstained; ``reason`` then says why and the formula ranks.

    ``check`` holds the NDCG@10 of model and formula on training customers the check model did not see.
    """

    new_only: bool
    columns: tuple[int, ...]
    models: tuple[HistGradientBoostingClassifier, ...]
    sketch: Sketch | None
    reason: str
    check: dict[str, float]

    def score(self, found: Candidates) -> Floats:
        """Higher is better; comparable within one customer only."""
        if not self.models:
            return formula(found, self.new_only)
        return _vote(self.models, found.features[:, self.columns])

    def shorten(self, found: Candidates, count: int) -> Candidates:
        """The ``count`` candidates per customer that the sketch of the model likes best, in the order they came."""
        if self.sketch is None or not len(found.customer):
            return found
        score = self.sketch.score(found.features[:, self.columns])
        starts = np.flatnonzero(np.r_[True, np.diff(found.customer) != 0])
        lengths = np.diff(np.r_[starts, len(score)])
        group = np.repeat(np.arange(len(starts)), lengths)
        order = np.argsort(-score, kind="stable")
        narrow = group.astype(np.int16) if len(starts) < 32_000 else group
        order = order[np.argsort(narrow[order], kind="stable")]
        kept = np.sort(order[np.arange(len(order)) - np.repeat(starts, lengths) < count])
        return found.where(kept)


@dataclass(frozen=True)
class Sketch:
    """A linear copy of the trees on squeezed features: good enough to drop the hopeless, and nearly free."""

    middle: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Approximate logits up to a constant; summed column by column, the same with any number of threads."""
        total = np.zeros(len(features), dtype=np.float32)
        for column, weight in enumerate(self.weights):
            total += (_squeeze(features[:, column], self.middle[column]) / self.scale[column]) * weight
        return total


def _squeeze(column: NDArray[np.float32], middle: np.float32) -> NDArray[np.float32]:
    filled = np.where(np.isfinite(column), column, middle)
    return np.asarray(np.sign(filled) * np.log1p(np.abs(filled)), dtype=np.float32)


def _sketch(features: NDArray[np.float32], logits: Floats) -> Sketch:
    middle = np.array(
        [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in features.T],
        dtype=np.float32,
    )
    squeezed = np.column_stack([_squeeze(features[:, j], middle[j]) for j in range(features.shape[1])]).astype(float)
    scale = np.maximum(squeezed.std(axis=0), 1e-6)
    centred = (squeezed - squeezed.mean(axis=0)) / scale
    with threadpool_limits(limits=1, user_api="blas"):
        gram = centred.T @ centred + 1e-3 * len(centred) * np.eye(centred.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (logits - logits.mean()))
    return Sketch(middle, scale.astype(np.float32), weights.astype(np.float32))


def formula(found: Candidates, new_only: bool) -> Floats:
    """What ranks without a model: the decayed habit, then EASE and recent popularity, each in its own range."""
    features = found.features
    ease = np.nan_to_num(features[:, COLUMN["ease_share"]].astype(float))
    popular = features[:, COLUMN["popular"]].astype(float)
    popular = popular / max(float(popular.max(initial=0.0)), 1e-9)
    if new_only:
        cosine = np.nan_to_num(features[:, COLUMN["cosine_share"]].astype(float))
        return np.asarray(ease + 0.3 * popular + 0.3 * cosine)
    habit = np.nan_to_num(features[:, COLUMN["rate_long"]].astype(float))
    viewed = np.nan_to_num(features[:, COLUMN["view_rate"]].astype(float))
    return np.asarray(habit + 0.3 * viewed + 0.1 * ease + 0.1 * popular)


def fit_ranker(history: History, day: float, settings: Settings, new_only: bool, content: sparse.csr_matrix | None = None) -> Ranker:
    """Train on the horizons before ``day``; only customers who took something in them can teach an order.

    ``content`` is the likeness of the products' texts, where there are texts (see ``prepare``).
    """
    known = history.before(day)
    parts: list[tuple[Candidates, Bools]] = []
    room = settings.max_training_rows
    for back in settings.snapshots:
        part = _training_part(known, day - back * settings.horizon_days, room, settings, new_only, content)
        if part is not None:
            parts.append(part)
            room -= len(part[1])
        if room < settings.max_training_rows // 10:
            break
    if not parts or sum(len(np.unique(part[0].customer[part[1]])) for part in parts) < settings.min_customers:
        return Ranker(new_only, (), (), None, "too few customers with a horizon of history to learn from", {})
    features = np.concatenate([found.features for found, _ in parts])
    labels = np.concatenate([label for _, label in parts])
    columns = tuple(j for j in range(features.shape[1]) if _varies(features[:, j]))
    check = _check(parts, columns, settings, new_only)
    if check["model"] < check["formula"]:
        return Ranker(new_only, (), (), None, "the model did not beat the formula on customers it had not seen", check)
    models = tuple(_fit(features[:, columns], labels, seed, settings.iterations) for seed in settings.seeds)
    chosen = features[:, columns]
    return Ranker(new_only, columns, models, _sketch(chosen, _vote(models, chosen)), "", check)


def in_chunks(sources: Sources, customers: Ints, settings: Settings, new_only: bool) -> Iterator[Candidates]:
    """Candidates of customers (ascending codes), a bounded number of customers at a time."""
    for start in range(0, len(customers), settings.chunk):
        yield gather(sources, customers[start : start + settings.chunk], settings.breadth_of(new_only), new_only)


def _training_part(
    known: History, day: float, room: int, settings: Settings, new_only: bool, content: sparse.csr_matrix | None
) -> tuple[Candidates, Bools] | None:
    past = known.before(day).target_events()
    taken = known.between(day, day + settings.horizon_days).target_events().pair_keys()
    width = max(known.product_count, 1)
    if new_only:
        taken = taken[~np.isin(taken, past.pair_keys(), assume_unique=True)]
    customers = np.intersect1d(np.unique(taken // width), np.unique(known.before(day).customer))
    if not len(customers) or not len(past):
        return None
    breadth = settings.breadth_of(new_only)
    limit = max(room // (breadth.ease + breadth.cosine // 2 + breadth.popular // 2), 1)
    if len(customers) > limit:
        chosen = np.random.default_rng(0).choice(len(customers), size=limit, replace=False)
        customers = customers[np.sort(chosen)]
    sources = prepare(measure(known, day, settings.horizon_days), settings.penalty, settings.max_products, content)
    chunks = list(in_chunks(sources, customers, settings, new_only))
    found = Candidates(
        np.concatenate([chunk.customer for chunk in chunks]),
        np.concatenate([chunk.product for chunk in chunks]),
        np.concatenate([chunk.seen for chunk in chunks]),
        np.concatenate([chunk.features for chunk in chunks]),
    )
    label = np.isin(found.customer * width + found.product, taken)
    return (found, label) if label.any() else None


def _varies(column: NDArray[np.float32]) -> bool:
    finite = column[np.isfinite(column)]
    return bool(len(finite)) and bool((finite != finite[0]).any())


def _fit(features: NDArray[np.float32], labels: Bools, seed: int, iterations: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=iterations,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        l2_regularization=10.0,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    ).fit(features, labels)


def _vote(models: tuple[HistGradientBoostingClassifier, ...], features: NDArray[np.float32]) -> Floats:
    return np.asarray(np.mean([model.decision_function(features) for model in models], axis=0))


def _check(parts: list[tuple[Candidates, Bools]], columns: tuple[int, ...], settings: Settings, new_only: bool) -> dict[str, float]:
    """NDCG@10 of a model fitted on even customers, and of the formula, both on the odd ones."""
    train = [(found.features[even], label[even]) for found, label in parts for even in [found.customer % 2 == 0]]
    labels = np.concatenate([label for _, label in train])
    if not labels.any() or labels.all():
        return {"model": 0.0, "formula": 0.0}
    model = _fit(np.concatenate([rows for rows, _ in train])[:, columns], labels, 0, settings.iterations)
    found, label = parts[0]
    odd = found.customer % 2 == 1
    held = found.where(np.flatnonzero(odd))
    return {
        "model": candidate_ndcg(held, _vote((model,), held.features[:, columns]), label[odd]),
        "formula": candidate_ndcg(held, formula(held, new_only), label[odd]),
    }


def candidate_ndcg(found: Candidates, score: Floats, label: Bools, top: int = 10) -> float:
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


def top_products(found: Candidates, score: Floats, count: int) -> tuple[Ints, Ints, Ints, Floats]:
    """Customer, rank from 1, product and score of the best ``count`` per customer; ties go to the smaller code."""
    order = np.lexsort((found.product, -score, found.customer))
    customer = found.customer[order]
    rank = np.arange(len(order)) - np.searchsorted(customer, customer)
    keep = rank < count
    chosen = order[keep]
    return found.customer[chosen], rank[keep] + 1, found.product[chosen], score[chosen]
