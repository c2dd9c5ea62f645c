"""How the columns of a model are told to a person: gathered into drivers that a marketer knows, and in words.

A text column is told by value (`main_device=desktop`: "main device is desktop", or is not). What a value says is somebody's own text and is put
into no template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.propensity import IS
from ml.signals import numbers

Vector = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """How one column is told: `{}` in `many` is its value over `per`; `one` and `none` are said of 1 and 0, word for word. Without `many` nothing
    else is told.
    """

    column: str
    many: str = ""
    one: str = ""
    per: float = 1.0
    none: str = ""

    def can_tell(self, values: Vector) -> NDArray[np.bool_]:
        """Which values there are words for."""
        known = ~np.isnan(values)
        if self.many:
            return known
        return np.asarray(known & (((values == 1.0) & bool(self.one)) | ((values == 0.0) & bool(self.none))))

    def tell(self, values: Vector) -> NDArray[np.object_]:
        """One phrase per value; there are words for all of them."""
        shown = np.round(values / self.per, 0 if self.per == 1.0 and ":.0f" in self.many else 6)
        distinct, place = np.unique(shown, return_inverse=True)
        told = [self._phrase(value) for value in distinct.tolist()]
        return np.array(told, dtype=object)[place]

    def _phrase(self, value: float) -> str:
        if value == 1.0 and self.one:
            return self.one
        return self.none if value == 0.0 and self.none else self.many.format(value)


@dataclass(frozen=True)
class Driver:
    """Columns (shell patterns) that say the same thing, and how it is told: by the first of `words` that a person has a value for; by `without`
    where there is none.
    """

    name: str
    patterns: tuple[str, ...]
    words: tuple[Words, ...]
    without: str = ""


# Of who never ordered nothing is known of orders, because there is nothing to know.
NEVER_ORDERED = Words("orders_count", none="has not ordered yet")

DRIVERS = (
    Driver(
        "last order",
        ("recency_days", "recency_over_*", "p_alive"),
        (Words("recency_days", "last order {:.0f} days ago", "last order 1 day ago", none="last order today"), NEVER_ORDERED),
    ),
    Driver(
        "rhythm",
        ("gap_*", "purchase_rate", "log_odds_buys", "log_purchases_expected"),
        (
            Words("gap_mean_days", "orders every {:.0f} days", "orders every day"),
            Words("recency_days", "has ordered on one day only"),
            NEVER_ORDERED,
        ),
    ),
    Driver(
        "orders of late",
        ("orders_?d_count", "orders_??d_count", "orders_???d_count", "orders_decayed_*", "orders_trend_*"),
        (
            Words(
                "orders_90d_count", "{:.0f} orders in the last 90 days", "1 order in the last 90 days", none="no order in the last 90 days"
            ),
            Words(
                "orders_30d_count", "{:.0f} orders in the last 30 days", "1 order in the last 30 days", none="no order in the last 30 days"
            ),
            NEVER_ORDERED,
        ),
    ),
    Driver(
        "orders in all",
        ("orders_count", "purchase_days_count", "repeat_days_count"),
        (Words("orders_count", "{:.0f} orders so far", "1 order so far", none="has not ordered yet"),),
    ),
    Driver(
        "spend",
        ("net_*", "bought_cents", "log_value_expected"),
        (Words("net_cents", "spent {:.0f} so far", per=100.0), NEVER_ORDERED, Words("net_amount", "spent {:.0f} so far")),
    ),
    Driver(
        "order value",
        ("order_value_*", "repeat_day_value_cents", "log_order_value_expected"),
        (Words("order_value_mean_cents", "{:.0f} an order", per=100.0), NEVER_ORDERED),
    ),
    Driver(
        "time as a customer",
        ("tenure_days", "active_span_days", "customer_age_days"),
        (
            Words("tenure_days", "first order {:.0f} days ago", "first order 1 day ago"),
            Words("customer_age_days", "known for {:.0f} days", "known for 1 day"),
        ),
    ),
    Driver(
        "returns", ("return*",), (Words("return_share", "sent back {:.0%} of what was ordered", none="sent nothing back"), NEVER_ORDERED)
    ),
    Driver(
        "discounts",
        ("discount_share",),
        (Words("discount_share", "{:.0%} off on average", none="never bought at a discount"), NEVER_ORDERED),
    ),
    Driver(
        "basket",
        ("lines_*", "units_*", "products_count"),
        (Words("products_count", "{:.0f} different products so far", "1 product so far"), NEVER_ORDERED),
    ),
    Driver(
        "when they order",
        ("weekend_share", "hour_mean", "usual_open_hour", "main_daypart*"),
        (
            Words("weekend_share", "{:.0%} of orders at weekends", none="never orders at weekends"),
            Words("usual_open_hour", "opens mails at about {:.0f}:00"),
            NEVER_ORDERED,
        ),
    ),
    Driver(
        "visits",
        ("visit_recency_days", "sessions_*", "product_views_*", "searches_*"),
        (Words("visit_recency_days", "last visit {:.0f} days ago", "last visit 1 day ago", none="last visit today"),),
        "no visit seen",
    ),
    Driver(
        "carts",
        ("cart_adds_*",),
        (
            Words(
                "cart_adds_30d_count",
                "put {:.0f} things in the cart in 30 days",
                "put 1 thing in the cart in 30 days",
                none="put nothing in the cart in 30 days",
            ),
        ),
    ),
    Driver(
        "mails read",
        ("open_*", "click_*", "emails_opened_*", "emails_clicked_*"),
        (Words("open_rate", "opens {:.0%} of the mails", none="opens no mail"),),
        "no mail received",
    ),
    Driver(
        "mails received",
        ("emails_received_*",),
        (Words("emails_received_90d_count", "{:.0f} mails in 90 days", "1 mail in 90 days", none="no mail in 90 days"),),
    ),
    Driver(
        "taste",
        ("favourite_*", "second_category*"),
        (Words("favourite_category_share", "{:.0%} of the interest in one category", none="no favourite category"),),
    ),
    Driver(
        "mails left unopened",
        ("emails_unread_count",),
        (Words("emails_unread_count", "{:.0f} mails in a row not opened", "1 mail not opened", none="opened the newest mail"),),
        "no mail received",
    ),
    Driver(
        "stores",
        ("store_visit*",),
        (
            Words(
                "store_visit_recency_days",
                "last bought in a store {:.0f} days ago",
                "last bought in a store 1 day ago",
                none="last bought in a store today",
            ),
            Words("store_visits_count", none="never bought in a store"),
        ),
        "never bought in a store",
    ),
    Driver("age", ("age_years",), (Words("age_years", "{:.0f} years old"),)),
    Driver("household", ("household_size",), (Words("household_size", "{:.0f} people in the household", "lives alone"),)),
)


@dataclass(frozen=True)
class Grouped:
    """The drivers that a model's columns belong to, with the positions of those columns."""

    drivers: tuple[Driver, ...]
    positions: tuple[Ints, ...]


def grouped(columns: Sequence[str]) -> Grouped:
    """Put each column to its driver; a column of no known driver is one of its own."""
    found: dict[str, tuple[Driver, list[int]]] = {}
    for position, column in enumerate(columns):
        own = next((d for d in DRIVERS if any(fnmatchcase(column, pattern) for pattern in d.patterns)), None) or _own(column)
        found.setdefault(own.name, (own, []))[1].append(position)
    drivers = sorted(found.values(), key=lambda entry: entry[0].name)
    return Grouped(tuple(driver for driver, _ in drivers), tuple(np.array(positions, dtype=np.int64) for _, positions in drivers))


def _own(column: str) -> Driver:
    """The driver of a column that nobody wrote words for."""
    text, is_value, value = column.partition(IS)
    name = text.replace("_", " ")
    if is_value:
        words = Words(column, one=f"{name} is {value}", none=f"{name} is not {value}")
    elif text.startswith(("has_", "is_")):
        verb, _, what = name.partition(" ")
        words = Words(column, one=name, none=f"{verb} {'no' if verb == 'has' else 'not'} {what}")
    else:
        words = Words(column, f"{name} is {{:.4g}}")
    return Driver(f"{name} {value}".strip(), (column,), (words,), f"{name} not known")


def told_of(into: Grouped, features: pa.Table, row: Ints, number: Ints) -> list[str]:
    """What is so of the person of each entry."""
    told = np.full(len(row), "", dtype=object)
    have = set(features.column_names)
    for place, driver in enumerate(into.drivers):
        left = np.flatnonzero(number == place)
        for words in driver.words:
            column = words.column.partition(IS)[0]
            if column not in have or not len(left):
                continue
            values = _values(features, words.column)[row[left]]
            known = words.can_tell(values)
            if known.any():
                told[left[known]] = words.tell(values[known])
            left = left[~known]
        told[left] = driver.without or f"nothing known: {driver.name}"
    return list(told.tolist())


def _values(features: pa.Table, column: str) -> Vector:
    name, is_value, value = column.partition(IS)
    if not is_value:
        return numbers(features, name)
    return np.array([np.nan if one is None else float(one == value) for one in features[name].to_pylist()])
