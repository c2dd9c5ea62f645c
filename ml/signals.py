"""What a model sees of a customer: the order features, ratios of them, and what BG/NBD and Gamma-Gamma fitted on the same snapshot say.

All of it becomes ranks within the snapshot. `Yardstick` is what a snapshot's rows are measured with; with a day's yardstick at hand one
customer's features give the same ranks alone as in the whole day.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray
from scipy.special import logit

from ml.buy_till_you_die import Purchasing, Spending, fit_purchasing, fit_spending
from ml.ranks import Ranks, fit_ranks

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

KEYS = ("as_of", "customer_id", "history_days")
RATIOS = (
    "purchase_rate",
    "gap_variation",
    "recency_over_expected_gap",
    "recency_over_longest_gap",
    "orders_trend_15_to_120d",
    "orders_trend_45_to_120d",
    "net_trend_15_to_120d",
)
FROM_BUY_TILL_YOU_DIE = ("p_alive", "log_odds_buys", "log_purchases_expected", "log_order_value_expected", "log_value_expected")


@dataclass(frozen=True)
class View:
    """A snapshot's rows as models see them; one entry per row everywhere. Money in the shop's currency."""

    ranks: Matrix
    log_odds_buys: Vector
    value_expected: Vector


@dataclass(frozen=True)
class Yardstick:
    """One snapshot's distributions: `columns` are the feature columns used, `horizon_days` the days that BG/NBD looks ahead."""

    columns: tuple[str, ...]
    horizon_days: int
    purchasing: Purchasing
    spending: Spending
    ranks: Ranks
    # The rows that were measured last, and their view: an order, its level and its reasons all look at the same.
    latest: list[tuple[pa.Table, View]] = field(default_factory=list, init=False, repr=False, compare=False, metadata={"stored": False})

    def view(self, features: pa.Table) -> View:
        """Measure rows of `features.order_features` (buyers only)."""
        if self.latest and self.latest[0][0] is features:
            return self.latest[0][1]
        # Let go of the old one first: of a large shop it is half a gigabyte.
        self.latest.clear()
        signals, log_odds, value = _signals(features, self.columns, self.horizon_days, self.purchasing, self.spending)
        view = View(ranks=self.ranks.of(signals), log_odds_buys=log_odds, value_expected=value)
        self.latest[:] = [(features, view)]
        return view

    def log_survival_ratio(self, features: pa.Table, horizon_days: int) -> Vector:
        """log P(no purchase in `horizon_days`) over log P(no purchase in the own horizon), by BG/NBD: carries a probability to another
        horizon.
        """
        history = _history(features)
        near = np.log1p(-np.minimum(self.purchasing.buys_probability(*history, self.horizon_days), 1 - 1e-9))
        far = np.log1p(-np.minimum(self.purchasing.buys_probability(*history, horizon_days), 1 - 1e-9))
        return far / np.minimum(near, -1e-12)

    def purchases_ratio(self, features: pa.Table, horizon_days: int) -> Vector:
        """Expected purchases in `horizon_days` over those in the own horizon, by BG/NBD: carries a value to another horizon."""
        history = _history(features)
        near = self.purchasing.purchases_expected(*history, self.horizon_days)
        return self.purchasing.purchases_expected(*history, horizon_days) / np.maximum(near, 1e-12)


def feature_columns(features: pa.Table) -> tuple[str, ...]:
    """The numeric columns of a feature table, which are what models learn from."""
    return tuple(
        field.name
        for field in features.schema
        if field.name not in KEYS and (types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type))
    )


def take_yardstick(features: pa.Table, columns: tuple[str, ...], horizon_days: int) -> Yardstick:
    """Fit BG/NBD, Gamma-Gamma and the rank distributions to all buyers of one snapshot."""
    frequency, recency, age = _history(features)
    purchasing = fit_purchasing(frequency, recency, age)
    spending = fit_spending(frequency, _repeat_value(features))
    signals, _, _ = _signals(features, columns, horizon_days, purchasing, spending)
    return Yardstick(columns, horizon_days, purchasing, spending, fit_ranks(signals))


def signal_names(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns of `View.ranks`."""
    return columns + RATIOS + FROM_BUY_TILL_YOU_DIE


def numbers(features: pa.Table, name: str) -> Vector:
    """A column as doubles; null is NaN."""
    return np.asarray(features[name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _history(features: pa.Table) -> tuple[Vector, Vector, Vector]:
    return numbers(features, "repeat_days_count"), numbers(features, "active_span_days"), numbers(features, "tenure_days")


def _repeat_value(features: pa.Table) -> Vector:
    return np.nan_to_num(numbers(features, "repeat_day_value_cents")) / 100.0


def _signals(
    features: pa.Table, columns: tuple[str, ...], horizon_days: int, purchasing: Purchasing, spending: Spending
) -> tuple[Matrix, Vector, Vector]:
    history = _history(features)
    buys = np.clip(purchasing.buys_probability(*history, horizon_days), 1e-9, 1 - 1e-9)
    purchases = np.maximum(purchasing.purchases_expected(*history, horizon_days), 1e-9)
    order_value = np.maximum(spending.value_expected(history[0], _repeat_value(features)), 1e-2)

    def of(name: str) -> Vector:
        return numbers(features, name)

    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [
            (of("repeat_days_count") + 1.0) / (of("tenure_days") + 1.0),
            of("gap_deviation_days") / of("gap_mean_days"),
            of("recency_days") / of("gap_expected_days"),
            of("recency_days") / of("gap_max_days"),
            of("orders_decayed_15d") / of("orders_decayed_120d"),
            of("orders_decayed_45d") / of("orders_decayed_120d"),
            of("net_decayed_15d_cents") / np.maximum(of("net_decayed_120d_cents"), 1.0),
        ]
    models = [purchasing.p_alive(*history), logit(buys), np.log(purchases), np.log(order_value), np.log(purchases * order_value)]
    signals = np.column_stack([of(name) for name in columns] + ratios + models)
    signals[~np.isfinite(signals)] = np.nan
    return signals, np.clip(logit(buys), -12.0, 12.0), purchases * order_value
