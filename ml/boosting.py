"""Boosted trees as plain arrays: fitted by scikit-learn, stored as numbers, evaluated by scikit-learn's own tree code (bit-equal to the
estimator).

Fitting uses one thread: with several, scikit-learn sums gradients in an order that changes from run to run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from threadpoolctl import threadpool_limits

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Loss = Literal["log_loss", "squared_error", "poisson"]

# The settings of the recipe: small trees, slow steps and heavy leaves, for shops of 300 to a few hundred thousand customers. Twice as many
# steps of half the size, and four times as many bins, cost twice the time and give the same (docs/scores.md).
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.1,
    "max_iter": 60,
    "max_bins": 64,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 60,
    "l2_regularization": 10.0,
    "max_features": 0.3,
    "early_stopping": False,
}
# Ranks are rounded to this many steps: as fine as the trees' own bins, which then need no quantiles (slow with weights).
STEPS = 62
# Below this many rows a second thread costs more than it brings.
ROWS_PER_THREAD = 50_000
NO_CATEGORIES = np.zeros((0, 8), dtype=np.uint32)
NO_FEATURES = np.zeros(0, dtype=np.uint32)


@dataclass(frozen=True)
class Trees:
    """The sum of trees of several seeds, divided by their number: logits for log_loss, logs for poisson, values for squared_error.

    `nodes` holds every tree's nodes one after another, tree t at starts[t] to starts[t + 1].
    """

    nodes: NDArray[np.void]
    starts: NDArray[np.int64]
    baseline: float
    seeds: int

    def raw(self, ranks: Matrix) -> Vector:
        """The prediction before the link function, one per row. Missing values (NaN) follow the branch they had in training."""
        matrix, threads = stepped(ranks), 2 if len(ranks) > ROWS_PER_THREAD else 1
        total = np.zeros(len(ranks))
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            tree = TreePredictor(self.nodes[start:end], NO_CATEGORIES, NO_CATEGORIES)
            total += tree.predict(matrix, NO_CATEGORIES, NO_FEATURES, threads)
        return self.baseline + total / self.seeds

    def added_by(self, ranks: Matrix, groups: Sequence[NDArray[np.int64]]) -> Matrix:
        """What each group of columns adds to the prediction of each row: the prediction less that of the same row with the group at the
        middle (0.5). One column per group.
        """
        # A small tree is a table: a row's answers to its few questions, read as the bits of a number, say the leaf; a group at the middle
        # has other bits there. That is a look-up per tree and group where walking each tree per group takes twenty times as long.
        columns = np.asfortranarray(stepped(ranks))
        of_column = np.full(columns.shape[1], -1)
        for number, group in enumerate(groups):
            of_column[group] = number
        added = np.zeros((len(groups), len(columns)))
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            nodes = self.nodes[start:end]
            questions = np.flatnonzero(nodes["is_leaf"] == 0)
            answers, middle = np.zeros(len(columns), dtype=np.int64), 0
            for bit, node in enumerate(nodes[questions]):
                asked = columns[:, node["feature_idx"]]
                goes_left = (asked <= node["num_threshold"]) | (np.isnan(asked) & bool(node["missing_go_to_left"]))
                answers |= goes_left.astype(np.int64) << bit
                middle |= int(node["num_threshold"] >= 0.5) << bit
            values = values_by_answers(nodes, questions)
            every = np.arange(len(values))
            number_of = of_column[nodes["feature_idx"][questions]]
            for number in np.unique(number_of[number_of >= 0]):
                mask = int(np.sum(1 << np.flatnonzero(number_of == number)))
                added[number] += (values - values[(every & ~mask) | (middle & mask)])[answers]
        return np.ascontiguousarray(added.T / self.seeds)


def values_by_answers(nodes: NDArray[np.void], questions: NDArray[np.int64]) -> Vector:
    """The value a tree gives for every combination of answers to its questions (bit set: the row goes left), one per number."""
    every = np.arange(1 << len(questions))
    bit_of = {int(node): bit for bit, node in enumerate(questions)}

    def below(at: int) -> Any:
        node = nodes[at]
        if node["is_leaf"]:
            return node["value"]
        return np.where(every >> bit_of[at] & 1, below(int(node["left"])), below(int(node["right"])))

    return np.broadcast_to(np.asarray(below(0), dtype=np.float64), len(every))


def stepped(ranks: Matrix) -> Matrix:
    return np.round(ranks * STEPS) / STEPS


@dataclass(frozen=True)
class Binned:
    """Ranks in the trees' bins, found once for all models that learn from the same rows."""

    matrix: Matrix
    mapper: _BinMapper
    bins: NDArray[np.uint8]


def binned(ranks: Matrix) -> Binned:
    """Ranks (0 to 1) in bins. They have fewer distinct values than there are bins, so no weight and no chance decides where one ends."""
    matrix = stepped(ranks)
    mapper = _BinMapper(n_bins=SETTINGS["max_bins"] + 1, n_threads=1)
    return Binned(matrix, mapper, mapper.fit_transform(matrix))


class GivenBins:
    """Of scikit-learn's estimators: the bins of what is learned from are given; each fit would find the same ones again, a quarter of its time."""

    given: Binned

    def _bin_data(self, X: Matrix, sample_weight: Vector | None, is_training_data: bool) -> NDArray[np.uint8]:
        self._bin_mapper = self.given.mapper
        return self.given.bins


class Classifier(GivenBins, HistGradientBoostingClassifier):  # type: ignore[misc]
    pass


class Regressor(GivenBins, HistGradientBoostingRegressor):  # type: ignore[misc]
    pass


def fit_trees(ranks: Binned, target: Vector, loss: Loss, seeds: int = 2, weight: Vector | None = None, **changed: Any) -> Trees:
    """Fit `seeds` estimators that differ in the features each split may see, and average them."""
    kind: Any = Classifier if loss == "log_loss" else Regressor
    nodes, baseline = [], 0.0
    with threadpool_limits(1):
        for seed in range(seeds):
            model = kind(loss=loss, random_state=seed, **(SETTINGS | changed))
            model.given = ranks
            model.fit(ranks.matrix, target, sample_weight=weight)
            baseline += float(np.ravel(model._baseline_prediction)[0]) / seeds
            nodes += [tree.nodes for (tree,) in model._predictors]
    starts = np.concatenate([[0], np.cumsum([len(tree) for tree in nodes])]).astype(np.int64)
    return Trees(nodes=np.concatenate(nodes), starts=starts, baseline=baseline, seeds=seeds)
