"""Boosted trees as plain arrays: fitted by scikit-learn, stored as numbers, evaluated as tables (the estimator's numbers to 1e-12, one row like all).

Fitting uses one thread: with several, scikit-learn sums gradients in an order that changes from run to run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
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
MISSING = 255
# Rows predicted at once: their bytes stay in the processor's cache.
BLOCK = 1 << 15


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
        codes = codes_of(ranks)
        total = np.zeros(len(ranks))
        for start in range(0, len(ranks), BLOCK):
            block, sums = codes[:, start : start + BLOCK], total[start : start + BLOCK]
            for table in self.tables:
                sums += table.values.take(table.answers(block))
        return self.baseline + total / self.seeds

    def added_by(self, ranks: Matrix, groups: Sequence[NDArray[np.int64]]) -> Matrix:
        """What each group of columns adds to the prediction of each row: the prediction less that of the same row with the group at the
        middle (0.5). One column per group.
        """
        codes = codes_of(ranks)
        of_column = np.full(codes.shape[0], -1)
        for number, group in enumerate(groups):
            of_column[group] = number
        added = np.zeros((len(groups), codes.shape[1]))
        for table in self.tables:
            every = np.arange(len(table.values))
            number_of = of_column[table.columns]
            moved = {
                int(number): table.values - table.values[(every & ~mask) | (table.middle & mask)]
                for number in np.unique(number_of[number_of >= 0])
                for mask in [int(np.sum(1 << np.flatnonzero(number_of == number)))]
            }
            for start in range(0, codes.shape[1], BLOCK):
                answers = table.answers(codes[:, start : start + BLOCK])
                for number, values in moved.items():
                    added[number, start : start + BLOCK] += values.take(answers)
        return np.ascontiguousarray(added.T / self.seeds)

    @cached_property
    def tables(self) -> tuple["Table", ...]:
        """The trees as they are evaluated, made once."""
        return tuple(Table.of(self.nodes[start:end]) for start, end in zip(self.starts[:-1], self.starts[1:], strict=True))


@dataclass(frozen=True)
class Table:
    """A small tree as a table: a row's answers to its few questions, read as the bits of a number, say the leaf. Comparing whole columns of
    bytes and one look-up takes a fifth of the time of walking every row down the tree; a group of columns at the middle has other bits there.
    """

    columns: NDArray[np.int64]
    steps: tuple[int, ...]
    missing_left: tuple[bool, ...]
    middle: int
    values: Vector

    @staticmethod
    def of(nodes: NDArray[np.void]) -> "Table":
        questions = np.flatnonzero(nodes["is_leaf"] == 0)
        asked = nodes[questions]
        # The last step that goes left: the comparison of doubles that scikit-learn would make, made once.
        steps = np.searchsorted(np.arange(STEPS + 1) / STEPS, asked["num_threshold"], side="right") - 1
        middle = int(np.sum((asked["num_threshold"] >= 0.5).astype(np.int64) << np.arange(len(questions))))
        return Table(
            columns=asked["feature_idx"].astype(np.int64),
            steps=tuple(int(step) for step in steps),
            missing_left=tuple(bool(left) for left in asked["missing_go_to_left"]),
            middle=middle,
            values=values_by_answers(nodes, questions),
        )

    def answers(self, codes: NDArray[np.uint8]) -> NDArray[Any]:
        """The number of each row's leaf, from a block of `codes_of`."""
        kind: Any = np.uint8 if len(self.columns) <= 8 else np.uint32
        found: NDArray[Any] = np.zeros(codes.shape[1], dtype=kind)
        # From the highest bit down: doubling is a tenth of the time of shifting every answer to its place.
        for column, step, missing_left in zip(self.columns[::-1], self.steps[::-1], self.missing_left[::-1], strict=True):
            left = codes[column] <= step if step >= 0 else np.zeros(codes.shape[1], dtype=bool)
            if missing_left:
                left |= codes[column] == MISSING
            np.add(found, found, out=found)
            np.bitwise_or(found, left.view(np.uint8), out=found)
        return found


def codes_of(ranks: Matrix) -> NDArray[np.uint8]:
    """Ranks as the steps they are rounded to, columns x rows, a byte each; MISSING where there is none."""
    codes = np.empty((ranks.shape[1], len(ranks)), dtype=np.uint8)
    for column, values in zip(codes, ranks.T, strict=True):
        missing = np.isnan(values)
        column[:] = np.clip(np.round(np.where(missing, 0.0, values) * STEPS), 0, STEPS)
        column[missing] = MISSING
    return codes


def values_by_answers(nodes: NDArray[np.void], questions: NDArray[np.int64]) -> Vector:
    """The value a tree gives for every combination of answers to its questions (bit set: the row goes left), one per number."""
    every = np.arange(1 << len(questions))
    bit_of = {int(node): bit for bit, node in enumerate(questions)}
    # Plain numbers: reading a field of a record takes longer than all else here.
    is_leaf, value, left, right = (nodes[name].tolist() for name in ("is_leaf", "value", "left", "right"))

    def below(at: int) -> Any:
        if is_leaf[at]:
            return value[at]
        return np.where(every >> bit_of[at] & 1, below(left[at]), below(right[at]))

    return np.array(np.broadcast_to(np.asarray(below(0), dtype=np.float64), len(every)))


def stepped(ranks: Matrix) -> Matrix:
    return np.round(ranks * STEPS) / STEPS


@dataclass(frozen=True)
class Binned:
    """A matrix in the trees' bins, found once for all models that learn from the same rows."""

    matrix: Matrix
    mapper: _BinMapper
    bins: NDArray[np.uint8]

    def where(self, rows: NDArray[np.bool_]) -> "Binned":
        """Some of the rows, in the bins of all."""
        return Binned(self.matrix[rows], self.mapper, np.asfortranarray(self.bins[rows]))


def in_bins(matrix: Matrix, most: int) -> Binned:
    """A matrix in at most so many bins a column."""
    mapper = _BinMapper(n_bins=most + 1, n_threads=1)
    return Binned(matrix, mapper, mapper.fit_transform(matrix))


def binned(ranks: Matrix) -> Binned:
    """Ranks (0 to 1) in bins. They have fewer distinct values than there are bins, so no weight and no chance decides where one ends."""
    return in_bins(stepped(ranks), SETTINGS["max_bins"])


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
