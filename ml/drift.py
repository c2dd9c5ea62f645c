"""How far the customers of a day are from those a model learned from: the population stability index of each column.

PSI compares the shares of ten groups, cut at the tenths of the reference, with missing as a group of its own: below 0.1 nothing moved, above
0.25 the population is another one.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.signals import numbers

Vector = NDArray[np.float64]

SHIFTED = 0.25
GROUPS = 10
# An empty group counts as half a customer of ten thousand: its logarithm stays finite.
LEAST_SHARE = 5e-5


def population_stability(reference: Vector, today: Vector) -> float:
    """The index of one column; 0 where either side has nobody."""
    if not len(reference) or not len(today):
        return 0.0
    known = reference[~np.isnan(reference)]
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, GROUPS + 1)[1:-1])) if len(known) else np.zeros(0)
    before, now = _shares(reference, cuts), _shares(today, cuts)
    return round(float(((now - before) * np.log(now / before)).sum()), 6)


def stabilities(reference: pa.Table, today: pa.Table, columns: Sequence[str]) -> dict[str, float]:
    """The index of every column that both days have."""
    have = set(reference.column_names) & set(today.column_names)
    return {name: population_stability(numbers(reference, name), numbers(today, name)) for name in columns if name in have}


def _shares(values: Vector, cuts: Vector) -> Vector:
    missing = np.isnan(values)
    groups = np.where(missing, len(cuts) + 1, np.searchsorted(cuts, np.where(missing, 0.0, values), side="left"))
    return np.maximum(np.bincount(groups, minlength=len(cuts) + 2) / len(values), LEAST_SHARE)
