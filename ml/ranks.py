"""Features as percentile ranks within their own snapshot, which takes out the drift between training days and the day that is scored.

A snapshot's distribution is kept as knots, so that one customer's row gets the same rank alone as within the whole snapshot.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

# Beyond this many distinct values the distribution is kept at this many quantiles: a rank is then right to 1/2,000.
MAX_KNOTS = 2001


@dataclass(frozen=True)
class Ranks:
    """Per column: ascending distinct values, and the mid-rank (0 to 1) of each. A column without values has no knots."""

    values: tuple[NDArray[np.float64], ...]
    positions: tuple[NDArray[np.float64], ...]

    def of(self, matrix: Matrix) -> Matrix:
        """The ranks of each row; between knots linear, beyond them the ends, missing stays missing (NaN)."""
        ranked = np.full(matrix.shape, np.nan)
        for column, (values, positions) in enumerate(zip(self.values, self.positions, strict=True)):
            if len(values):
                ranked[:, column] = np.interp(matrix[:, column], values, positions)
        ranked[np.isnan(matrix)] = np.nan
        return ranked


def fit_ranks(matrix: Matrix) -> Ranks:
    """The distribution of every column of one snapshot. Equal values share the middle of their ranks."""
    values, positions = [], []
    for column in matrix.T:
        known = column[~np.isnan(column)]
        distinct, counts = np.unique(known, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2.0) / max(len(known), 1)
        if len(distinct) > MAX_KNOTS:
            picked = np.unique(np.searchsorted(middle, np.linspace(middle[0], middle[-1], MAX_KNOTS)))
            distinct, middle = distinct[picked], middle[picked]
        values.append(distinct)
        positions.append(middle)
    return Ranks(values=tuple(values), positions=tuple(positions))
