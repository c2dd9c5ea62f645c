"""The models of customers who have bought, and the baseline behind each, with one face: learned from days, held against a day, asked what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.churn import ChurnDay, ChurnModel, measure_churn, score_churn, train_churn
from ml.next_order import NextOrderModel, days_to_order, measure_next_order, train_next_order, without_trees
from ml.season import NO_SEASON, Season
from ml.signals import Yardstick, take_yardstick
from ml.value import ValueDay, ValueModel, Values, expected_value, measure_value, score_value, train_value

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """The champion of the first day: BG/NBD P(no purchase), BG/NBD x Gamma-Gamma value. Nothing is learned but the yardstick of the
    day.
    """

    horizon_days: int
    columns: tuple[str, ...]
    season: Season = NO_SEASON


Learned = ChurnModel | ValueModel | NextOrderModel
Day = ChurnDay | ValueDay | Yardstick


def fit(
    name: str,
    snapshots: pa.Table,
    labels: pa.Table,
    columns: tuple[str, ...],
    horizon_days: int,
    churn: ChurnModel | None = None,
    seeds: int = 2,
) -> Learned:
    """The model called `name`, from order features and the labels of the days that teach it."""
    if name == "churn":
        return train_churn(snapshots, labels, columns, horizon_days, seeds)
    if name == "value":
        return train_value(snapshots, labels, columns, horizon_days, churn, seeds)
    if name == "next_order":
        longest = max(labels["horizon_days"].to_pylist())
        return train_next_order(snapshots, days_to_order(labels, longest), columns, longest)
    raise ValueError(f"no model is called {name}; there are churn, value and next_order")


def baseline_of(name: str, horizon_days: int, learned_days: int, columns: tuple[str, ...]) -> Baseline | NextOrderModel:
    """What needs no training: BG/NBD, at the asked horizon, or for the wait at the one that can be learned."""
    return without_trees(columns, learned_days) if name == "next_order" else Baseline(horizon_days, columns)


def measure_day(model: Learned | Baseline, features: pa.Table) -> Day:
    """The distributions of a day, from the order features of all its customers."""
    if isinstance(model, ChurnModel):
        return measure_churn(model, features)
    if isinstance(model, ValueModel):
        return measure_value(model, features)
    if isinstance(model, NextOrderModel):
        return measure_next_order(model, features)
    return take_yardstick(features, model.columns, model.horizon_days)


def churn_probability(model: object, day: Day, features: pa.Table) -> Vector:
    """P(no purchase within the model's horizon) of each row."""
    if isinstance(model, ChurnModel) and isinstance(day, ChurnDay):
        return score_churn(model, day, features)
    if isinstance(model, Baseline) and isinstance(day, Yardstick):
        return 1.0 / (1.0 + np.exp(day.view(features).log_odds_buys + model.season.horizon))
    raise TypeError(f"no churn score from {type(model).__name__} with {type(day).__name__}")


def value_mean(model: object, day: Day, features: pa.Table) -> Vector:
    """The expected net revenue within the model's horizon of each row."""
    if isinstance(model, ValueModel) and isinstance(day, ValueDay):
        return expected_value(model, day, features)
    if isinstance(model, Baseline) and isinstance(day, Yardstick):
        return day.view(features).value_expected * np.exp(model.season.horizon)
    raise TypeError(f"no value from {type(model).__name__} with {type(day).__name__}")


def values_of(model: object, day: Day, features: pa.Table, horizons: Sequence[int]) -> list[Values]:
    """Mean, median and range within each horizon; the baseline knows no range (NaN)."""
    if isinstance(model, ValueModel) and isinstance(day, ValueDay):
        return score_value(model, day, features, horizons)
    mean = value_mean(model, day, features)
    unknown = np.full(len(mean), np.nan)
    means = [_carried(mean, model, day, features, horizon) for horizon in horizons]
    return [Values(mean=one, median=unknown, low=unknown, high=unknown) for one in means]


def _carried(mean: Vector, model: object, day: Day, features: pa.Table, horizon_days: int) -> Vector:
    """A baseline's mean value within another horizon."""
    if not isinstance(model, Baseline) or not isinstance(day, Yardstick) or horizon_days == model.horizon_days:
        return mean
    return mean * day.purchases_ratio(features, horizon_days) * np.exp(model.season.year - model.season.horizon)
