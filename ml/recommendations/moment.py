"""What a shop knew at a moment: statistics of customers, products and their pairs.

Everything is measured against one horizon (days): the time a recommendation is meant to work in. Half-lives and
windows are multiples of it, so that a shop visited weekly and a site visited hourly get the same treatment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml.recommendations.history import Floats, History, Ints, distinct

HALF_LIVES = (1 / 3, 1.0, 4.0)
PAIR_NAMES = (
    "count", "rate_short", "rate_middle", "rate_long", "age_last", "age_first", "mean_gap", "due_ratio",
    "basket_share", "baskets_since", "quantity", "view_rate", "view_age",
)  # fmt: skip
PRODUCT_NAMES = (
    "buyers_short", "buyers_middle", "buyers_long", "buyers_ever", "trend", "repeat_share", "typical_gap",
    "product_age", "product_idle", "rebought",
)  # fmt: skip
CUSTOMER_NAMES = (
    "baskets", "baskets_middle", "tenure", "since_last", "products", "basket_size", "customer_gap", "customer_rebought",
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """Pairs are sorted by customer, then product; ``starts`` is their row pointer per customer.

    Ages are days before the moment; rates are event counts decayed by the half-lives; buyers are distinct.
    """

    history: History
    day: float
    horizon: float
    pair_customer: Ints
    pair_product: Ints
    starts: Ints
    pairs: NDArray[np.float32]
    products: NDArray[np.float32]
    customers: NDArray[np.float32]
    bought: NDArray[np.bool_]

    @cached_property
    def pair_keys(self) -> Ints:
        """Sorted ``customer * product_count + product``."""
        return self.pair_customer * self.history.product_count + self.pair_product

    def find(self, customer: Ints, product: Ints) -> tuple[NDArray[np.bool_], Ints]:
        """Whether each pair exists, and where (0 where it does not)."""
        if not len(self.pair_customer):
            return np.zeros(len(customer), dtype=bool), np.zeros(len(customer), dtype=np.int64)
        wanted = customer * self.history.product_count + product
        at = np.minimum(np.searchsorted(self.pair_keys, wanted), len(self.pair_customer) - 1)
        found = self.pair_keys[at] == wanted
        return found, np.where(found, at, 0)


def measure(history: History, day: float, horizon: float) -> Moment:
    """Statistics of everything strictly before ``day``."""
    known = history.before(day)
    target = known.target_events()
    product_count = max(known.product_count, 1)
    keys = known.customer * product_count + known.product
    # Events come sorted by customer and product: a new pair starts where the key changes.
    starts_pair = np.r_[True, keys[1:] != keys[:-1]] if len(keys) else np.empty(0, dtype=bool)
    pair_keys, of_event = keys[starts_pair], np.cumsum(starts_pair) - 1
    pair_customer, pair_product = np.divmod(pair_keys, product_count)
    is_target = known.target
    count = len(pair_keys)
    del keys, starts_pair, pair_keys

    pairs = np.empty((count, len(PAIR_NAMES)), dtype=np.float32)

    def put(**columns: Floats) -> None:
        """Keep columns in 32 bits as they are made: in 64, those of a million customers' pairs would be gigabytes."""
        for name, column in columns.items():
            pairs[:, PAIR_NAMES.index(name)] = column

    of_target = of_event if is_target.all() else of_event[is_target]
    bought, last, first, rates = _recency(of_target, target.days, count, day, horizon)
    put(count=bought, rate_short=rates[0], rate_middle=rates[1], rate_long=rates[2], age_last=last, age_first=first)
    del rates
    gap = np.where(bought > 1, (first - last) / np.maximum(bought - 1, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        put(mean_gap=gap, due_ratio=np.where(gap > 0, last / gap, np.nan))
    del last, first
    quantity = np.bincount(of_target, weights=target.quantity, minlength=count)
    put(quantity=np.where(bought > 0, quantity / np.maximum(bought, 1), np.nan))
    del quantity
    view_rate, view_age = _views(known, of_event, ~is_target, count, day, horizon)
    put(view_rate=view_rate, view_age=view_age)
    del view_rate, view_age
    basket_of_event, basket_customer, basket_day = _baskets(target)
    baskets = np.bincount(basket_customer, minlength=known.customer_count).astype(float)
    put(basket_share=bought / np.maximum(baskets[pair_customer], 1))
    put(baskets_since=_baskets_since(basket_of_event, of_target, basket_customer, pair_customer, count))
    del basket_of_event, of_target, of_event
    starts = np.searchsorted(pair_customer, np.arange(known.customer_count + 1))
    older, again = _rebought(target, day, horizon)
    old_customer, old_product = np.divmod(older, product_count)
    products = np.column_stack(
        [
            _product_statistics(target, day, horizon, pair_product, bought, gap),
            _shrunken_share(old_product, again, known.product_count),
        ]
    )
    customers = np.column_stack(
        [
            _customer_statistics(known, target, day, horizon, basket_customer, basket_day, pair_customer, bought),
            _shrunken_share(old_customer, again, known.customer_count),
        ]
    )
    return Moment(
        known, day, horizon, pair_customer, pair_product, starts,
        pairs, products.astype(np.float32), customers.astype(np.float32), bought > 0,
    )  # fmt: skip


def _baskets(target: History) -> tuple[Ints, Ints, Floats]:
    """Basket (customer and second) of each event, and each basket's customer and day, in order of both."""
    seconds = np.round(target.days * 86_400).astype(np.int64)
    begin, span = (seconds.min(), np.ptp(seconds) + 1) if len(seconds) else (0, 1)
    key = target.customer * span + (seconds - begin)
    order = np.argsort(key)
    ordered = key[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]] if len(order) else np.empty(0, dtype=bool)
    basket = np.empty(len(order), dtype=np.int64)
    basket[order] = np.cumsum(first) - 1
    customer, second = np.divmod(ordered[first], span)
    return basket, customer, (second + begin) / 86_400


def _recency(pair: Ints, days: Floats, count: int, day: float, horizon: float) -> tuple[Floats, ...]:
    age = day - days
    events = np.bincount(pair, minlength=count).astype(float)
    last = np.full(count, np.inf)
    np.minimum.at(last, pair, age)
    first = np.full(count, -np.inf)
    np.maximum.at(first, pair, age)
    rates = [np.bincount(pair, weights=np.exp2(-age / (half * horizon)), minlength=count) for half in HALF_LIVES]
    none = events == 0
    last[none] = np.nan
    first[none] = np.nan
    return events, last, first, rates  # type: ignore[return-value]


def _baskets_since(basket: Ints, pair: Ints, basket_customer: Ints, pair_customer: Ints, count: int) -> Floats:
    """Baskets the customer had after the last one with this product."""
    newest = np.full(count, -1, dtype=np.int64)
    np.maximum.at(newest, pair, basket)
    end = np.searchsorted(basket_customer, pair_customer, side="right") - 1
    return np.where(newest >= 0, end - newest, np.nan)


def _views(known: History, pair: Ints, mask: NDArray[np.bool_], count: int, day: float, horizon: float) -> list[Floats]:
    if not mask.any():
        return [np.full(count, np.nan), np.full(count, np.nan)]
    events, last, _, rates = _recency(pair[mask], known.days[mask], count, day, horizon)
    return [np.where(events > 0, rates[1], 0.0), last]


def _product_statistics(target: History, day: float, horizon: float, pair_product: Ints, bought: Floats, gap: Floats) -> Floats:
    count = target.product_count
    buyers = [buyers_since(target, day - horizon * share) for share in (0.25, 1.0, 3.0)]
    pairs = np.bincount(pair_product[bought > 0], minlength=count)
    repeats = np.bincount(pair_product[bought > 1], minlength=count)
    with_gap = bought > 1
    gaps = np.bincount(pair_product[with_gap], weights=gap[with_gap], minlength=count)
    first_day = np.full(count, np.inf)
    np.minimum.at(first_day, target.product, target.days)
    last_day = np.full(count, -np.inf)
    np.maximum.at(last_day, target.product, target.days)
    overall = (repeats.sum() + 0.5) / (pairs.sum() + 1.0)
    return np.column_stack(
        [
            *buyers,
            pairs,
            (buyers[1] + 1.0) / (buyers[2] / 3.0 + 1.0),
            (repeats + 5.0 * overall) / (pairs + 5.0),
            np.where(repeats > 0, gaps / np.maximum(repeats, 1), np.nan),
            np.where(np.isfinite(first_day), day - first_day, np.nan),
            np.where(np.isfinite(last_day), day - last_day, np.nan),
        ]
    )


def buyers_since(target: History, start: float) -> Floats:
    """Distinct customers per product from ``start`` on."""
    recent = target.days >= start
    keys = distinct(target.customer[recent] * max(target.product_count, 1) + target.product[recent])
    return np.asarray(np.bincount(keys % max(target.product_count, 1), minlength=target.product_count), dtype=float)


def _rebought(target: History, day: float, horizon: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Keys of the pairs older than the newest horizon, and which of them came again within it."""
    old = target.before(day - horizon).pair_keys()
    new = target.between(day - horizon, day).pair_keys()
    again = np.zeros(len(old), dtype=bool)
    if len(old):
        at = np.minimum(np.searchsorted(old, new), len(old) - 1)
        again[at[old[at] == new]] = True
    return old, again


def _shrunken_share(group: Ints, hit: NDArray[np.bool_], size: int) -> Floats:
    """Share of hits per group, shrunken to the mean."""
    total = np.bincount(group, minlength=size)
    hits = np.bincount(group[hit], minlength=size)
    overall = (hit.sum() + 0.5) / (len(group) + 1.0)
    return np.asarray((hits + 10.0 * overall) / (total + 10.0))


def _customer_statistics(
    known: History, target: History, day: float, horizon: float,
    basket_customer: Ints, basket_day: Floats, pair_customer: Ints, bought: Floats,
) -> Floats:  # fmt: skip
    count = known.customer_count
    baskets = np.bincount(basket_customer, minlength=count).astype(float)
    recent = np.bincount(basket_customer[basket_day >= day - horizon], minlength=count)
    last = np.full(count, np.inf)
    np.minimum.at(last, basket_customer, day - basket_day)
    tenure = np.full(count, -np.inf)
    np.maximum.at(tenure, basket_customer, day - basket_day)
    none = baskets == 0
    last[none] = np.nan
    tenure[none] = np.nan
    products = np.bincount(pair_customer[bought > 0], minlength=count)
    events = np.bincount(target.customer, minlength=count)
    gap = np.where(baskets > 1, (tenure - last) / np.maximum(baskets - 1, 1), np.nan)
    return np.column_stack(
        [
            baskets, recent, tenure, last, products, events / np.maximum(baskets, 1), gap,
        ]
    )  # fmt: skip
