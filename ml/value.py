"""The net revenue of a customer within a horizon: the mean (for totals), the median and an 80 % range (for the person).

Ordered by a blend of regressions on ranks at two horizons, from models of the log (right for most) to models of the mean (right at the
top) and a little of what was spent so far; at the level of boosted trees that correct BG/NBD x Gamma-Gamma.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit, logit

from ml.boosting import Trees, binned, fit_trees
from ml.churn import ChurnDay, ChurnModel, measure_churn, score_churn
from ml.curve import Curve, fit_curve
from ml.linear import Linear, fit_tweedie
from ml.parallel import side_by_side
from ml.season import NO_SEASON, Season
from ml.signals import View, Yardstick, numbers, take_yardstick
from ml.snapshots import Sample, gather

Vector = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Shares of the blend, in spreads of the models of the mean, which carry it; flat around these values on every shop tried.
LOG_SHARE = 0.5
PAST_SHARE = 0.10
CAP_QUANTILE = 0.995
RANGE = (0.1, 0.5, 0.9)
SPREAD_KNOTS = np.linspace(0.005, 0.995, 100)


@dataclass(frozen=True)
class ValuePart:
    """What was learned at one horizon; money over `unit`, the mean value in training. `log_scale` brings the spread of the log model to
    that of the models of the mean: a shop where few come back has small logs.
    """

    horizon_days: int
    used: Bools
    unit: float
    log_trees: Trees
    log_scale: float
    tweedie: Linear
    mean_trees: Trees
    offset_trees: Trees

    def log_mean(self, view: View) -> Vector:
        """The log of the expected value, three models averaged."""
        ranks = view.ranks[:, self.used]
        return (self.tweedie.raw(ranks) + self.mean_trees.raw(ranks) + np.log(self.corrected(view) / self.unit)) / 3.0

    def mean_log(self, view: View) -> Vector:
        """The expected log1p of the value, in the spread of `log_mean`."""
        return self.log_scale * self.log_trees.raw(view.ranks[:, self.used])

    def corrected(self, view: View) -> Vector:
        """BG/NBD x Gamma-Gamma times what the trees learned about its errors."""
        return np.maximum(view.value_expected * np.exp(self.offset_trees.raw(view.ranks[:, self.used])), 1e-6)


@dataclass(frozen=True)
class ValueModel:
    """Parts from the longest horizon to the shortest; with a churn model beside them also how buyers' values spread around their
    expectation, which is what medians and ranges need. `season` moves the level.
    """

    horizon_days: int
    columns: tuple[str, ...]
    parts: tuple[ValuePart, ...]
    churn: ChurnModel | None
    log_spread: Vector
    season: Season = NO_SEASON


@dataclass(frozen=True)
class ValueDay:
    """What the customers of a scored day are measured with."""

    yardsticks: tuple[Yardstick, ...]
    level: Curve
    churn: ChurnDay | None


@dataclass(frozen=True)
class Values:
    """One entry per row, in the shop's currency: mean, median and the bounds between which four of five end."""

    mean: Vector
    median: Vector
    low: Vector
    high: Vector


def train_value(
    snapshots: pa.Table, labels: pa.Table, columns: tuple[str, ...], horizon_days: int, churn: ChurnModel | None, seeds: int = 2
) -> ValueModel:
    """Learn from every horizon that `labels` holds; `churn` is the churn model of the same snapshots and labels."""
    horizons = sorted(set(labels["horizon_days"].to_pylist()), reverse=True)
    samples = {horizon: gather(snapshots, labels, columns, horizon) for horizon in horizons}
    parts = side_by_side(lambda horizon: _fit_part(samples[horizon], horizon, seeds), horizons)
    spread = _log_spread(parts[0], churn, samples[horizons[0]]) if churn else np.zeros(0)
    return ValueModel(horizon_days=horizon_days, columns=columns, parts=parts, churn=churn, log_spread=spread)


def measure_value(model: ValueModel, features: pa.Table) -> ValueDay:
    """The distributions of a day, from all its buyers."""
    churn = measure_churn(model.churn, features) if model.churn else None
    taken = {(one.columns, one.horizon_days): one for one in (churn.yardsticks if churn else ())}
    wanted = [(model.columns, part.horizon_days) for part in model.parts]
    yardsticks = tuple(taken[one] if one in taken else take_yardstick(features, *one) for one in wanted)
    views = [yardstick.view(features) for yardstick in yardsticks]
    level = model.parts[0].corrected(views[0]) * np.exp(model.season.horizon)
    if yardsticks[0].horizon_days != model.horizon_days:
        level = level * yardsticks[0].purchases_ratio(features, model.horizon_days)
    capped = np.minimum(level, np.quantile(level, CAP_QUANTILE))
    curve = fit_curve(_order(model, views, features), capped * (level.sum() / max(capped.sum(), 1e-9)))
    return ValueDay(yardsticks=yardsticks, level=curve, churn=churn)


def expected_value(model: ValueModel, day: ValueDay, features: pa.Table) -> Vector:
    """The mean value of each row within the model's horizon."""
    return day.level.of(_order(model, [yardstick.view(features) for yardstick in day.yardsticks], features))


def score_value(model: ValueModel, day: ValueDay, features: pa.Table, horizons: Sequence[int]) -> list[Values]:
    """The value of each row within the model's horizon, or carried to others by BG/NBD's expected purchases."""
    if model.churn is None or day.churn is None:
        raise ValueError("a value model without a churn model knows no median")
    mean = expected_value(model, day, features)
    churn = score_churn(model.churn, day.churn, features)
    return [_carried(model, day.yardsticks[0], features, mean, churn, horizon) for horizon in horizons]


def _carried(model: ValueModel, yardstick: Yardstick, features: pa.Table, mean: Vector, churn: Vector, horizon_days: int) -> Values:
    if horizon_days != model.horizon_days:
        # A year has every season in it, the horizon only one.
        mean = mean * np.exp(model.season.year - model.season.horizon)
        mean = mean * yardstick.purchases_ratio(features, horizon_days) / yardstick.purchases_ratio(features, model.horizon_days)
        survival = yardstick.log_survival_ratio(features, horizon_days) / yardstick.log_survival_ratio(features, model.horizon_days)
        churn = expit(logit(np.clip(churn, 1e-9, 1 - 1e-9)) + (model.churn.season.horizon if model.churn else 0.0))
        churn = np.exp(np.log(churn) * survival)
    low, median, high = (_quantile(share, mean, churn, model.log_spread) for share in RANGE)
    return Values(mean=mean, median=median, low=low, high=high)


def _fit_part(sample: Sample, horizon_days: int, seeds: int) -> ValuePart:
    used = sample.used()
    ranks, unit = sample.ranks[:, used], max(float(sample.value.mean()), 1e-6)
    bins = binned(ranks)
    value, logs, expected = sample.value / unit, np.log1p(sample.value), sample.value_expected / unit
    part = ValuePart(
        horizon_days=horizon_days,
        used=used,
        unit=unit,
        log_scale=1.0,
        log_trees=fit_trees(bins, logs, "squared_error", seeds),
        tweedie=fit_tweedie(ranks, value),
        mean_trees=fit_trees(bins, value, "poisson", seeds),
        # A Poisson model of value / expected weighted by expected is one of value with log(expected) as offset.
        offset_trees=fit_trees(bins, value / expected, "poisson", seeds, weight=expected),
    )
    view = sample.view()
    return replace(part, log_scale=float(part.log_mean(view).std() / max(part.mean_log(view).std(), 1e-9)))


def _order(model: ValueModel, views: Sequence[View], features: pa.Table) -> Vector:
    log_mean = np.mean([part.log_mean(view) for part, view in zip(model.parts, views, strict=True)], axis=0)
    mean_log = np.mean([part.mean_log(view) for part, view in zip(model.parts, views, strict=True)], axis=0)
    past = np.log(np.maximum(numbers(features, "net_cents") / 100.0, 1.0))
    return np.asarray(log_mean + LOG_SHARE * mean_log + PAST_SHARE * past, dtype=np.float64)


def _log_spread(part: ValuePart, churn: ChurnModel, sample: Sample) -> Vector:
    """Quantiles (at SPREAD_KNOTS) of log(value / expected value given a purchase) over the buyers of the training rows."""
    view = sample.view()
    buys = 1.0 / (1.0 + np.exp(-churn.parts[0].logit_buys(view)))
    bought = (sample.orders > 0) & (sample.value > 0)
    residual = np.log(sample.value[bought]) - np.log(part.corrected(view)[bought] / buys[bought])
    return np.quantile(residual, SPREAD_KNOTS) if bought.any() else np.zeros(len(SPREAD_KNOTS))


def _quantile(share: float, mean: Vector, churn: Vector, log_spread: Vector) -> Vector:
    """The quantile of a value that is nothing with probability `churn` and else spreads around mean / (1 - churn)."""
    buys = np.maximum(1.0 - churn, 1e-9)
    among_buyers = (share - churn) / buys
    value = mean / buys * np.exp(np.interp(among_buyers, SPREAD_KNOTS, log_spread))
    return np.where(among_buyers > 0, value, 0.0)
