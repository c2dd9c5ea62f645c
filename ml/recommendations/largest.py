"""The largest of many short rows, by sorting whole numbers: a value and its place packed into one are sorted several times faster than
positions are, and no two are equal, so that ties always go to the smaller place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml.recommendations.history import Ints

# How often a long row is folded to find its largest values.
FOLD = 8
LEAST = np.finfo(np.float32).min
NONE = np.iinfo(np.int64).max
PLACE = np.int64(2**32 - 1)


def largest_cells(values: NDArray[np.float32], count: int) -> tuple[Ints, Ints, Ints]:
    """The ``count`` largest of each row, row by row, the largest first: flat position, row and rank from 0. -inf is no value; ties go to the
    smaller column.
    """
    rows, width = values.shape
    cells = _large_cells(values, count) if values.size else np.empty(0, dtype=np.int64)
    return largest_first(values.take(cells), np.bincount(cells // max(width, 1), minlength=rows), cells, count)


def _large_cells(values: NDArray[np.float32], count: int) -> Ints:
    """Ascending positions of cells among which the ``count`` largest of each row are, few others among them."""
    rows, width = values.shape
    size = width // FOLD
    # Folded, every place holds the largest of a few columns: at least ``count`` values of a row reach the one that ``count`` places reach.
    folded = values[:, : FOLD * size].reshape(rows, FOLD, size).max(axis=1) if size >= 2 * count else values
    reached = np.zeros(-(-values.size // 8) * 8, dtype=bool)
    np.greater_equal(values, _least_of(folded, count), out=reached[: values.size].reshape(rows, width))
    # Most are false: they are looked at eight at a time.
    eights = reached.view(np.uint64)
    some = np.flatnonzero(eights != 0)
    found = np.flatnonzero(eights.take(some).view(bool))
    return some.take(found >> 3) * 8 + (found & 7)


def _least_of(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The ``count``-th largest of each row (of fewer, the least), as a column; never -inf."""
    place = max(values.shape[1] - count, 0)
    # Values alone are partitioned several times faster than positions.
    return np.maximum(np.partition(values, place, axis=1)[:, place, None], LEAST)


def largest_first(values: NDArray[np.float32], lengths: Ints, numbers: Ints, count: int) -> tuple[Ints, Ints, Ints]:
    """Rows of values one after another, each value with a number below 2**32: of the ``count`` largest of each row, the largest first and ties to
    the smaller number, the number, the row and the rank from 0.
    """
    bits = (values + np.float32(0.0)).view(np.int32).astype(np.int64)
    # Whole numbers in the order of the values turned round: those of negative ones fall as their bits rise.
    keys = (np.where(bits < 0, bits & 0x7FFFFFFF, ~bits) << 32) | numbers
    there = np.arange(lengths.max(initial=0)) < lengths[:, None]
    table = np.full(there.shape, NONE)
    table[there] = keys
    table.sort(axis=1)
    row, rank = np.nonzero(there[:, :count])
    return table[row, rank] & PLACE, row, rank
