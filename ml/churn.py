"""The probability of no purchase within a horizon, for customers who bought before.

Ordered by an L2 logistic and small boosted trees on ranks, at two horizons; at the level of these together with BG/NBD, which repairs
what the drift between training and today does to probabilities.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit

from ml.boosting import Trees, binned, fit_trees
from ml.curve import Curve, fit_curve
from ml.linear import Linear, fit_logistic
from ml.parallel import side_by_side
from ml.season import NO_SEASON, Season
from ml.signals import View, Yardstick, take_yardstick
from ml.snapshots import Sample, gather

Vector = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ChurnPart:
    """What was learned at one horizon. `used` marks the columns that had values when it was learned."""

    horizon_days: int
    used: Bools
    linear: Linear
    trees: Trees

    def logit_buys(self, view: View) -> Vector:
        """The logit of buying within the part's horizon, one per row."""
        ranks = view.ranks[:, self.used]
        return (self.linear.raw(ranks) + self.trees.raw(ranks)) / 2.0


@dataclass(frozen=True)
class ChurnModel:
    """Parts from the longest horizon to the shortest; `horizon_days` is the one that is asked for. `season` moves the level."""

    horizon_days: int
    columns: tuple[str, ...]
    parts: tuple[ChurnPart, ...]
    season: Season = NO_SEASON


@dataclass(frozen=True)
class ChurnDay:
    """What the customers of a scored day are measured with: a yardstick per part, and the level of their order."""

    yardsticks: tuple[Yardstick, ...]
    level: Curve


def train_churn(snapshots: pa.Table, labels: pa.Table, columns: tuple[str, ...], horizon_days: int, seeds: int = 2) -> ChurnModel:
    """Learn from every horizon that `labels` holds."""
    horizons = sorted(set(labels["horizon_days"].to_pylist()), reverse=True)
    parts = side_by_side(lambda horizon: _fit_part(gather(snapshots, labels, columns, horizon), horizon, seeds), horizons)
    return ChurnModel(horizon_days=horizon_days, columns=columns, parts=parts)


def measure_churn(model: ChurnModel, features: pa.Table) -> ChurnDay:
    """The distributions of a day, from all its buyers."""
    yardsticks = tuple(take_yardstick(features, model.columns, part.horizon_days) for part in model.parts)
    order, probability = _order_and_level(model, yardsticks, features)
    return ChurnDay(yardsticks=yardsticks, level=fit_curve(order, probability))


def score_churn(model: ChurnModel, day: ChurnDay, features: pa.Table) -> Vector:
    """P(no purchase within the horizon) of each row of order features."""
    return 1.0 - day.level.of(_order(model, _views(day.yardsticks, features)))


def _fit_part(sample: Sample, horizon_days: int, seeds: int) -> ChurnPart:
    used = sample.used()
    ranks, bought = sample.ranks[:, used], (sample.orders > 0).astype(np.float64)
    return ChurnPart(horizon_days, used, fit_logistic(ranks, bought), fit_trees(binned(ranks), bought, "log_loss", seeds))


def _views(yardsticks: tuple[Yardstick, ...], features: pa.Table) -> list[View]:
    return [yardstick.view(features) for yardstick in yardsticks]


def _order(model: ChurnModel, views: list[View]) -> Vector:
    logits = [part.logit_buys(view) for part, view in zip(model.parts, views, strict=True)]
    return np.asarray(np.mean(logits, axis=0), dtype=np.float64)


def level_logit(model: ChurnModel, view: View) -> Vector:
    """The logit of buying within the longest part's horizon: that part and BG/NBD two to one, as the season in training had it."""
    return np.asarray((2.0 * model.parts[0].logit_buys(view) + view.log_odds_buys) / 3.0, dtype=np.float64)


def _order_and_level(model: ChurnModel, yardsticks: tuple[Yardstick, ...], features: pa.Table) -> tuple[Vector, Vector]:
    """The order of the rows, and P(buys within the asked horizon): the longest part and BG/NBD as logits two to one, carried to the
    horizon.
    """
    views = _views(yardsticks, features)
    learned = expit(level_logit(model, views[0]) + model.season.horizon)
    if yardsticks[0].horizon_days != model.horizon_days:
        ratio = yardsticks[0].log_survival_ratio(features, model.horizon_days)
        learned = -np.expm1(np.log1p(-learned) * ratio)
    return _order(model, views), learned
