"""The probability of an outcome from any numeric columns: purchase in 30 days, VIP, first purchase of prospects, click.

An L2 logistic and small boosted trees on ranks within the day. The outcome is given from outside, so the same code serves people who
bought (order features) and people who never did (web, e-mail, source, enrichment).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray
from scipy.special import expit

from ml.abstention import Abstained, too_few_customers, too_one_sided
from ml.boosting import Trees, fit_trees
from ml.linear import Linear, fit_logistic
from ml.ranks import Ranks, fit_ranks
from ml.signals import KEYS, numbers
from ml.validation import auc, log_loss

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Bools = NDArray[np.bool_]

VIP_SHARE = 0.1


@dataclass(frozen=True)
class PropensityModel:
    """`used` marks the columns that had values in training. `auc` and `log_loss` are of the newest snapshot, which the judged model never
    saw; `base_log_loss` is that of saying everyone's rate.
    """

    outcome: str
    columns: tuple[str, ...]
    used: Bools
    linear: Linear
    trees: Trees
    auc: float
    log_loss: float
    base_log_loss: float


@dataclass(frozen=True)
class PropensityDay:
    """The distributions of a scored day."""

    ranks: Ranks


def train_propensity(
    outcome: str, snapshots: Sequence[pa.Table], happened: Sequence[Vector], columns: tuple[str, ...] | None = None
) -> PropensityModel | Abstained:
    """Learn from snapshots, oldest first, one row per customer, with 1 where the outcome followed.

    The newest snapshot is held back, predicted from the older ones, and the model abstains unless it beats everyone's rate there; then it
    learns from all.
    """
    if not snapshots:
        return Abstained(f"no past day shows yet who {outcome}")
    abstained = too_few_customers(len(snapshots[-1])) or too_one_sided(np.concatenate(list(happened)) > 0, outcome)
    if abstained:
        return abstained
    columns = columns or numeric_columns(snapshots[0])
    ranked = [_ranked(snapshot, columns, fit_ranks(_matrix(snapshot, columns))) for snapshot in snapshots]
    if len(snapshots) < 2:
        return Abstained("one past day is too few to learn from one and check on another")
    if too_one_sided(np.concatenate(list(happened[:-1])) > 0, outcome) or too_one_sided(happened[-1] > 0, outcome):
        return Abstained(f"too few {outcome} on the day held back for the check")
    used, linear, trees = _fit(ranked[:-1], happened[:-1])
    checked = expit(_raw(ranked[-1][:, used], linear, trees))
    order, loss = auc(happened[-1], checked), log_loss(happened[-1], checked)
    rate = np.full(len(happened[-1]), float(np.concatenate(list(happened[:-1])).mean()))
    base = log_loss(happened[-1], rate)
    if order <= 0.5 or loss >= base:
        return Abstained(f"on the newest past day the model (log-loss {loss:.4f}) is no better than everyone's rate ({base:.4f})")
    used, linear, trees = _fit(ranked, happened)
    return PropensityModel(outcome, columns, used, linear, trees, order, loss, base)


def measure_propensity(model: PropensityModel, features: pa.Table) -> PropensityDay:
    """The distributions of a day, from all who are scored on it."""
    return PropensityDay(fit_ranks(_matrix(features, model.columns)))


def score_propensity(model: PropensityModel, day: PropensityDay, features: pa.Table) -> Vector:
    """The probability of the outcome of each row, alone or in the batch."""
    probability: Vector = expit(_raw(_ranked(features, model.columns, day.ranks)[:, model.used], model.linear, model.trees))
    return probability


def is_vip(value: Vector) -> Vector:
    """1 for the tenth of customers with the highest value in the horizon (only above zero), ties included."""
    return ((value >= np.quantile(value, 1.0 - VIP_SHARE)) & (value > 0)).astype(np.float64)


def numeric_columns(features: pa.Table) -> tuple[str, ...]:
    """What a model may learn from: numbers and yes/no, not keys."""
    return tuple(
        field.name
        for field in features.schema
        if field.name not in KEYS
        and (types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type) or types.is_boolean(field.type))
    )


def _matrix(features: pa.Table, columns: tuple[str, ...]) -> Matrix:
    return np.column_stack([numbers(features, name) for name in columns])


def _ranked(features: pa.Table, columns: tuple[str, ...], ranks: Ranks) -> Matrix:
    return ranks.of(_matrix(features, columns))


def _fit(ranked: Sequence[Matrix], happened: Sequence[Vector]) -> tuple[Bools, Linear, Trees]:
    ranks, outcome = np.concatenate(list(ranked)), np.concatenate(list(happened))
    used = ~np.isnan(ranks).all(axis=0)
    return used, fit_logistic(ranks[:, used], outcome), fit_trees(ranks[:, used], outcome, "log_loss")


def _raw(ranks: Matrix, linear: Linear, trees: Trees) -> Vector:
    return (linear.raw(ranks) + trees.raw(ranks)) / 2.0
