"""How good scores are: metrics, and paired bootstrap intervals of differences over customers.

Churn metrics take `happened` (no purchase: true) and a probability or any order; value metrics take the value that followed and a
prediction.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Vector = NDArray[np.float64]
Metric = Callable[[Vector, Vector], float]


def auc(happened: Vector, score: Vector) -> float:
    """The share of pairs (happened, did not) that the score orders rightly; ties count half."""
    yes = happened > 0
    positives, negatives = int(yes.sum()), int((~yes).sum())
    if not positives or not negatives:
        return float("nan")
    return float((rankdata(score)[yes].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def pr_auc(happened: Vector, score: Vector) -> float:
    """Average precision: the precision at each score, weighted by what it adds to recall."""
    if not happened.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(happened[order] > 0)
    # Of equal scores only the last row is a place to stop at.
    stops = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    added = np.diff(found[stops], prepend=0)
    return float((added * found[stops] / (stops + 1)).sum() / found[-1])


def log_loss(happened: Vector, probability: Vector) -> float:
    """Mean negative log-likelihood."""
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.mean(happened * np.log(clipped) + (1 - happened) * np.log(1 - clipped)))


def brier(happened: Vector, probability: Vector) -> float:
    """Mean squared error of a probability."""
    return float(np.mean((happened - probability) ** 2))


def spearman(value: Vector, score: Vector) -> float:
    """Rank correlation."""
    if np.ptp(value) == 0 or np.ptp(score) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(value), rankdata(score))[0, 1])


def normalised_gini(value: Vector, score: Vector) -> float:
    """The area between the money gained going down the score and chance, over that of the perfect order. Equal scores share their
    money.
    """
    perfect = _gain(value, value)
    return _gain(value, score) / perfect if perfect > 0 else float("nan")


def mean_absolute_error(value: Vector, prediction: Vector) -> float:
    """In the unit of the value; a median does well here, a mean does not."""
    return float(np.mean(np.abs(value - prediction)))


def bias(value: Vector, prediction: Vector) -> float:
    """The predicted total over the true one, less 1."""
    return float(prediction.sum() / value.sum() - 1.0) if value.sum() > 0 else float("nan")


def _gain(value: Vector, score: Vector) -> float:
    _, groups, counts = np.unique(-score, return_inverse=True, return_counts=True)
    shared = np.bincount(groups, weights=value) / counts
    gained = np.cumsum(np.repeat(shared, counts))
    return float(np.mean(gained / gained[-1]) - (len(value) + 1) / (2 * len(value))) if gained[-1] else 0.0


@dataclass(frozen=True)
class Measure:
    """A metric with its direction: `better` is +1 when more is better, -1 when less is, 0 when nearer to zero is."""

    of: Metric
    better: int


CHURN = {
    "churn_auc": Measure(auc, 1),
    "churn_pr_auc": Measure(pr_auc, 1),
    "churn_log_loss": Measure(log_loss, -1),
    "churn_brier": Measure(brier, -1),
}
VALUE = {
    "clv_spearman": Measure(spearman, 1),
    "clv_gini": Measure(normalised_gini, 1),
    "clv_mae": Measure(mean_absolute_error, -1),
    "clv_bias": Measure(bias, 0),
}


def difference(measure: Measure, truth: Vector, ours: Vector, other: Vector, draws: int = 300, seed: int = 0) -> tuple[float, float, float]:
    """Ours less the other's (of sizes, where nearer to zero is better), with the 95 % interval of a paired bootstrap over customers."""

    def gap(rows: NDArray[np.int64] | slice) -> float:
        pair = measure.of(truth[rows], ours[rows]), measure.of(truth[rows], other[rows])
        return abs(pair[0]) - abs(pair[1]) if measure.better == 0 else pair[0] - pair[1]

    generator = np.random.default_rng(seed)
    gaps = [gap(generator.integers(0, len(truth), len(truth))) for _ in range(draws)]
    low, high = np.nanquantile(gaps, [0.025, 0.975])
    return gap(slice(None)), float(low), float(high)


def interval(measure: Measure, truth: Vector, score: Vector, draws: int = 300, seed: int = 0) -> tuple[float, float, float]:
    """The metric with the 95 % interval of a bootstrap over customers."""
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        rows = generator.integers(0, len(truth), len(truth))
        drawn.append(measure.of(truth[rows], score[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return measure.of(truth, score), float(low), float(high)


def deciles(truth: Vector, prediction: Vector) -> list[tuple[float, float]]:
    """Ten groups from the lowest to the highest prediction: (mean predicted, mean true) of each."""
    order = np.argsort(prediction, kind="stable")
    return [(float(prediction[rows].mean()), float(truth[rows].mean())) for rows in np.array_split(order, 10) if len(rows)]
