"""Small trees as tables of their answers, read for a block of rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from ml.boosting import values_by_answers


@dataclass(frozen=True)
class Question:
    """Is the column at most the threshold, or, where nan goes with what is, ``above`` it? The answer for nan is no."""

    column: int
    threshold: np.float32
    above: bool


@dataclass(frozen=True)
class Tables:
    """Small trees as tables: a row's answers to the (at most eight) questions of a tree, read as the bits of a number, say the leaf.

    A column is compared once for a whole block of rows, which takes a tenth of the time of walking every row down every tree. Two trees share a
    table, whose values are the sums of theirs: looking up is the dearest step. ``pairs`` holds the positions of the questions of both and the
    value for every combination of answers, those of the second in the higher bits.
    """

    questions: tuple[Question, ...]
    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...], NDArray[np.float32]], ...]

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over seeds of the trees' sums, one per row: logits up to a constant."""
        columns = {number: np.ascontiguousarray(features[:, number]) for number in {question.column for question in self.questions}}
        answers = [_answer(columns[question.column], question) for question in self.questions]
        total = np.zeros(len(features), dtype=np.float32)
        for first, second, values in self.pairs:
            leaves = _number(answers, second, len(features)).astype(np.uint16)
            leaves *= np.uint16(1 << len(first))
            leaves += _number(answers, first, len(features))
            total += values.take(leaves)
        return total


def _answer(column: NDArray[np.float32], question: Question) -> NDArray[np.uint8]:
    # Every comparison with nan is false.
    compare = np.greater if question.above else np.less_equal
    return compare(column, question.threshold).view(np.uint8)


def _number(answers: list[NDArray[np.uint8]], asked: tuple[int, ...], rows: int) -> NDArray[np.uint8]:
    """The answers to some questions as the bits of a number, the first the lowest."""
    number = np.zeros(rows, dtype=np.uint8)
    # From the highest bit down: doubling is a tenth of the time of shifting every answer to its place.
    for question in reversed(asked):
        np.add(number, number, out=number)
        np.bitwise_or(number, answers[question], out=number)
    return number


def as_tables(models: list[HistGradientBoostingClassifier], columns: tuple[int, ...]) -> Tables:
    """``columns`` are those of the features that the models were fitted on."""
    numbers: dict[Question, int] = {}
    trees: list[tuple[tuple[int, ...], NDArray[np.float64]]] = []
    for nodes in (tree.nodes for model in models for (tree,) in model._predictors):
        splits = np.flatnonzero(nodes["is_leaf"] == 0)
        asked = [
            Question(columns[node["feature_idx"]], _at_most(node["num_threshold"]), bool(node["missing_go_to_left"]))
            for node in nodes[splits]
        ]
        above = sum(1 << bit for bit, question in enumerate(asked) if question.above)
        # The values are by who goes left: whoever is not above.
        values = values_by_answers(nodes, splits)[np.arange(1 << len(asked)) ^ above] / len(models)
        trees.append((tuple(numbers.setdefault(question, len(numbers)) for question in asked), values))
    pairs = zip_longest(trees[::2], trees[1::2], fillvalue=((), np.zeros(1)))
    joined = [(first[0], second[0], np.add.outer(second[1], first[1]).ravel().astype(np.float32)) for first, second in pairs]
    return Tables(tuple(numbers), tuple(joined))


def _at_most(threshold: float) -> np.float32:
    """The largest number of 32 bits that is not above the threshold: numbers of 32 bits give the same answer to both."""
    near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))
