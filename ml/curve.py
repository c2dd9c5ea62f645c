"""A level for an order: the scores of one day that ranks best take the values of another that is right on average."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

KNOTS = 2001
# The last ones are kept one by one: there a step between neighbours is large.
TAIL = 200


@dataclass(frozen=True)
class Curve:
    """A rising line through knots: `at` the order score, `level` what it is worth."""

    at: Vector
    level: Vector

    def of(self, order: Vector) -> Vector:
        """The level of each order score; beyond the knots the ends."""
        return np.interp(order, self.at, self.level)


def fit_curve(order: Vector, level: Vector) -> Curve:
    """The day's levels, sorted, laid along the day's order. Equal orders get the mean of their levels; the sum of the levels is kept."""
    distinct, counts = np.unique(order, return_counts=True)
    sorted_levels = np.sort(level)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    sums = np.concatenate([[0.0], np.cumsum(sorted_levels)])
    means = (sums[bounds[1:]] - sums[bounds[:-1]]) / counts
    if len(distinct) > KNOTS + TAIL:
        picked = np.unique(
            np.concatenate([np.linspace(0, len(distinct) - 1, KNOTS).astype(int), np.arange(len(distinct) - TAIL, len(distinct))])
        )
        distinct, means = distinct[picked], means[picked]
    return Curve(at=distinct, level=means)
