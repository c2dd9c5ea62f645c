"""What moves a score, overall and for one person, in words: the columns a model sees, gathered into drivers that a marketer knows.

A driver's effect on a person is what the score would lose if that driver were as in the middle of the day's customers, everything else
their own. Overall importance is what the order loses on the back-test when the driver's columns are dealt out anew among the customers.
Models of several parts are explained by the linear model and the trees of their longest horizon, which carry most of the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit, logit

from ml.boosting import Trees
from ml.brought import BroughtDay, BroughtModel, moved_by
from ml.churn import ChurnDay, ChurnModel
from ml.linear import Linear, centred
from ml.propensity import PropensityDay, PropensityModel, ranks_of
from ml.signals import signal_names
from ml.validation import auc, spearman
from ml.value import ValueDay, ValueModel
from ml.words import grouped, told_of

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Ints = NDArray[np.int64]

REASONS = 3
# Rows whose effects are worked out at once: a copy of their ranks is made per driver.
CHUNK = 50_000


@dataclass(frozen=True)
class Reasons:
    """The three drivers that move each row's score most: the driver's name, what is so of this person, and by how much it moves the
    score (in the score's own unit, signed). One entry per row and rank; rank 1 moves most.
    """

    row: Ints
    rank: Ints
    driver: list[str]
    told: list[str]
    effect: Vector


def importance(model: object, day: object, features: pa.Table, truth: Vector) -> dict[str, float]:
    """Per driver what the order loses (AUC of an event, Spearman of a value) when the driver's columns are dealt out anew among the rows.
    Empty where the model is not one that learns.
    """
    seen = _seen(model, day, features)
    if seen is None:
        return {}
    ranks, linear, trees, columns = seen
    measure = auc if np.isin(truth, (0.0, 1.0)).all() else spearman
    whole = (linear.raw(ranks) + trees.raw(ranks)) / 2.0
    # An event's model may say how likely its opposite is: the order that is right is the one that loses.
    sign = 1.0 if measure(truth, whole) >= measure(truth, -whole) else -1.0
    right = measure(truth, sign * whole)
    lost, order = {}, np.random.default_rng(0).permutation(len(ranks))
    into = grouped(columns)
    for driver, positions in zip(into.drivers, into.positions, strict=True):
        dealt = ranks.copy()
        dealt[:, positions] = ranks[order][:, positions]
        lost[driver.name] = round(right - measure(truth, sign * (linear.raw(dealt) + trees.raw(dealt)) / 2.0), 6)
    return dict(sorted(lost.items(), key=lambda entry: (-entry[1], entry[0])))


def reasons(model: object, day: object, features: pa.Table, score: Vector, is_opposite: bool = False) -> Reasons | None:
    """The three reasons behind each row's score; None where the model is not one that learns. `score` is what was published;
    `is_opposite`: it says how likely the opposite is of what the model is named for (a churn model's purchase).
    """
    if isinstance(model, BroughtModel) and isinstance(day, BroughtDay) and len(features):
        into = grouped(model.columns)
        moved = moved_by(model, day, features, list(into.positions))
        row, rank, number = _strongest(moved)
        told = [into.drivers[n].name for n in number]
        return Reasons(row, rank, told, told_of(into, features, row, number), np.round(moved[row, number], 6))
    seen = _seen(model, day, features)
    if seen is None or not len(features):
        return None
    ranks, linear, trees, columns = seen
    into = grouped(columns)
    added = np.concatenate([_added(ranks[start : start + CHUNK], linear, trees, into.positions) for start in range(0, len(ranks), CHUNK)])
    row, rank, number = _strongest(added)
    effect = _in_own_unit(model, score[row], added[row, number], is_opposite)
    return Reasons(row, rank, [into.drivers[n].name for n in number], told_of(into, features, row, number), np.round(effect, 6))


def _strongest(added: Matrix) -> tuple[Ints, Ints, Ints]:
    """Row, rank from 1 and driver of the three that move each row most."""
    strongest = np.argsort(-np.abs(added), axis=1, kind="stable")[:, :REASONS]
    rows, ranked = np.indices(strongest.shape)
    return rows.ravel(), ranked.ravel() + 1, strongest.ravel()


def _seen(model: object, day: object, features: pa.Table) -> tuple[Matrix, Linear, Trees, tuple[str, ...]] | None:
    """The ranks that the explained part of a model sees, that part, and the names of the columns."""
    if isinstance(model, PropensityModel) and isinstance(day, PropensityDay):
        names = np.asarray(model.columns)[model.used]
        return ranks_of(model, day, features), model.linear, model.trees, tuple(names)
    if isinstance(model, ChurnModel) and isinstance(day, ChurnDay):
        churn = model.parts[0]
        names = np.asarray(signal_names(model.columns))[churn.used]
        return day.yardsticks[0].view(features).ranks[:, churn.used], churn.linear, churn.trees, tuple(names)
    if isinstance(model, ValueModel) and isinstance(day, ValueDay):
        value = model.parts[0]
        names = np.asarray(signal_names(model.columns))[value.used]
        return day.yardsticks[0].view(features).ranks[:, value.used], value.tweedie, value.mean_trees, tuple(names)
    return None


def _added(ranks: Matrix, linear: Linear, trees: Trees, positions: Sequence[Ints]) -> Matrix:
    middle = centred(ranks)
    flat = np.column_stack([np.einsum("ij,j->i", middle[:, at], linear.weights[at]) for at in positions])
    return np.asarray((flat + trees.added_by(ranks, positions)) / 2.0, dtype=np.float64)


def _in_own_unit(model: object, score: Vector, added: Vector, is_opposite: bool) -> Vector:
    """An effect on the log-odds (or the log of the money) as what it does to the published score."""
    if isinstance(model, ValueModel):
        return np.asarray(score * -np.expm1(-added), dtype=np.float64)
    # A churn model's parts say how likely a purchase is; a score that is high where they are low is turned.
    turned = -added if isinstance(model, ChurnModel) and not is_opposite else added
    return np.asarray(score - expit(logit(np.clip(score, 1e-6, 1 - 1e-6)) - turned), dtype=np.float64)
