"""What moves a score, overall and for one person, in words: the columns a model sees, gathered into drivers that a marketer knows.

A driver's effect on a person is what the score would lose if that driver were as in the middle of the day's customers, everything else
their own. Overall importance is what the order loses on the back-test when the driver's columns are dealt out anew among the customers.
Models of several parts are explained by the linear model and the trees of their longest horizon, which carry most of the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit, logit

from ml.boosting import Trees
from ml.brought import BroughtDay, BroughtModel, moved_by
from ml.churn import ChurnDay, ChurnModel
from ml.linear import Linear, centred
from ml.propensity import PropensityDay, PropensityModel, ranks_of
from ml.signals import numbers, signal_names
from ml.validation import auc, spearman
from ml.value import ValueDay, ValueModel

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Ints = NDArray[np.int64]

REASONS = 3
# Rows whose effects are worked out at once: a copy of their ranks is made per driver.
CHUNK = 50_000


@dataclass(frozen=True)
class Words:
    """How one column is told: `{}` is its value over `per`; one and many where the noun bends."""

    column: str
    many: str
    one: str = ""
    per: float = 1.0

    def tell(self, values: Vector) -> NDArray[np.object_]:
        """One phrase per value; none of them is missing."""
        shown = np.round(values / self.per, 0 if self.per == 1.0 and ":.0f" in self.many else 6)
        distinct, place = np.unique(shown, return_inverse=True)
        told = [(self.one if value == 1.0 and self.one else self.many).format(value) for value in distinct.tolist()]
        return np.array(told, dtype=object)[place]


@dataclass(frozen=True)
class Driver:
    """Columns (shell patterns) that say the same thing, and how it is told: by the first of `words` that a person has a value for."""

    name: str
    patterns: tuple[str, ...]
    words: tuple[Words, ...]


DRIVERS = (
    Driver(
        "last order",
        ("recency_days", "recency_over_*", "p_alive"),
        (Words("recency_days", "last order {:.0f} days ago", "last order {:.0f} day ago"), Words("visit_recency_days", "no order yet")),
    ),
    Driver(
        "rhythm",
        ("gap_*", "purchase_rate", "log_odds_buys", "log_purchases_expected"),
        (
            Words("gap_mean_days", "orders every {:.0f} days", "orders every day"),
            Words("recency_days", "has ordered on one day only"),
        ),
    ),
    Driver(
        "orders of late",
        ("orders_?d_count", "orders_??d_count", "orders_???d_count", "orders_decayed_*", "orders_trend_*"),
        (
            Words("orders_90d_count", "{:.0f} orders in the last 90 days", "{:.0f} order in the last 90 days"),
            Words("orders_30d_count", "{:.0f} orders in the last 30 days", "{:.0f} order in the last 30 days"),
        ),
    ),
    Driver(
        "orders in all",
        ("orders_count", "purchase_days_count", "repeat_days_count"),
        (Words("orders_count", "{:.0f} orders so far", "{:.0f} order so far"),),
    ),
    Driver(
        "spend",
        ("net_*", "bought_cents", "log_value_expected"),
        (Words("net_cents", "spent {:.0f} so far", per=100.0), Words("net_amount", "spent {:.0f} so far")),
    ),
    Driver(
        "order value",
        ("order_value_*", "repeat_day_value_cents", "log_order_value_expected"),
        (Words("order_value_mean_cents", "{:.0f} an order", per=100.0),),
    ),
    Driver(
        "time as a customer",
        ("tenure_days", "active_span_days", "customer_age_days"),
        (
            Words("tenure_days", "first order {:.0f} days ago", "first order {:.0f} day ago"),
            Words("customer_age_days", "known for {:.0f} days", "known for {:.0f} day"),
        ),
    ),
    Driver("returns", ("return*",), (Words("return_share", "sent back {:.0%} of what was ordered"),)),
    Driver("discounts", ("discount_share",), (Words("discount_share", "{:.0%} off on average"),)),
    Driver(
        "basket",
        ("lines_*", "units_*", "products_count"),
        (Words("products_count", "{:.0f} different products so far", "{:.0f} product so far"),),
    ),
    Driver(
        "when they order",
        ("weekend_share", "hour_mean", "usual_open_hour", "main_daypart*"),
        (Words("weekend_share", "{:.0%} of orders at weekends"), Words("usual_open_hour", "opens mails at about {:.0f}:00")),
    ),
    Driver(
        "visits",
        ("visit_recency_days", "sessions_*", "product_views_*", "searches_*"),
        (Words("visit_recency_days", "last visit {:.0f} days ago", "last visit {:.0f} day ago"),),
    ),
    Driver(
        "carts",
        ("cart_adds_*",),
        (Words("cart_adds_30d_count", "put {:.0f} things in the cart in 30 days", "put {:.0f} thing in the cart in 30 days"),),
    ),
    Driver(
        "mails read",
        ("open_*", "click_*", "emails_opened_*", "emails_clicked_*"),
        (Words("open_rate", "opens {:.0%} of the mails"),),
    ),
    Driver(
        "mails received",
        ("emails_received_*",),
        (Words("emails_received_90d_count", "{:.0f} mails in 90 days", "{:.0f} mail in 90 days"),),
    ),
    Driver(
        "taste",
        ("favourite_*", "second_category*"),
        (Words("favourite_category_share", "{:.0%} of the interest in one category"),),
    ),
)


@dataclass(frozen=True)
class Grouped:
    """The drivers that a model's columns belong to, with the positions of those columns."""

    drivers: tuple[Driver, ...]
    positions: tuple[Ints, ...]


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


def grouped(columns: Sequence[str]) -> Grouped:
    """Put each column to its driver; a column of no known driver is one of its own."""
    found: dict[str, tuple[Driver, list[int]]] = {}
    for position, column in enumerate(columns):
        own = next((d for d in DRIVERS if any(fnmatchcase(column, pattern) for pattern in d.patterns)), None)
        own = own or Driver(
            column.replace("_", " ").replace("=", " "), (column,), (Words(column, f"{column.replace('_', ' ')}: {{:.4g}}"),)
        )
        found.setdefault(own.name, (own, []))[1].append(position)
    drivers = sorted(found.values(), key=lambda entry: entry[0].name)
    return Grouped(tuple(driver for driver, _ in drivers), tuple(np.array(positions, dtype=np.int64) for _, positions in drivers))


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
        return Reasons(row, rank, told, _told(into, features, row, number), np.round(moved[row, number], 6))
    seen = _seen(model, day, features)
    if seen is None or not len(features):
        return None
    ranks, linear, trees, columns = seen
    into = grouped(columns)
    added = np.concatenate([_added(ranks[start : start + CHUNK], linear, trees, into.positions) for start in range(0, len(ranks), CHUNK)])
    row, rank, number = _strongest(added)
    effect = _in_own_unit(model, score[row], added[row, number], is_opposite)
    return Reasons(row, rank, [into.drivers[n].name for n in number], _told(into, features, row, number), np.round(effect, 6))


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


def _told(into: Grouped, features: pa.Table, row: Ints, number: Ints) -> list[str]:
    """What is so of the person of each entry."""
    told = np.full(len(row), "", dtype=object)
    have = set(features.column_names)
    for place, driver in enumerate(into.drivers):
        left = np.flatnonzero(number == place)
        for words in driver.words:
            column = words.column.split("=")[0]
            if column not in have or not len(left):
                continue
            values = _values(features, words.column)[row[left]]
            known = ~np.isnan(values)
            if known.any():
                told[left[known]] = words.tell(values[known])
            left = left[~known]
        told[left] = f"nothing known: {driver.name}"
    return list(told.tolist())


def _values(features: pa.Table, column: str) -> Vector:
    name, is_value, value = column.partition("=")
    if not is_value:
        return numbers(features, name)
    return np.array([np.nan if one is None else float(one == value) for one in features[name].to_pylist()])
