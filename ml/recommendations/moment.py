"""What a shop knew at a moment: statistics of customers, products and their pairs.

Everything is measured against one horizon (days): the time a recommendation is meant to work in. Half-lives and
windows are multiples of it, so that a shop visited weekly and a site visited hourly get the same treatment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml.recommendations.history import Bools, Floats, History, Ints, places, ranges

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

    Ages are days before the moment; rates are event counts decayed by the half-lives; buyers are distinct. ``pairs`` and ``bought`` end with
    a row of nothing, so that position -1 is the pair of a customer and a product that had nothing to do with each other. Statistics are kept
    column by column, as they are made and read.
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
    bought: Bools

    @cached_property
    def pair_keys(self) -> Ints:
        """Sorted ``customer * product_count + product``."""
        return self.pair_customer * self.history.product_count + self.pair_product

    def find(self, customer: Ints, product: Ints) -> Ints:
        """The position of each pair, -1 where there is none."""
        return places(self.pair_keys, customer * self.history.product_count + product)


@dataclass(frozen=True)
class Runs:
    """The distinct pairs of some events: positions of the first and last event of each, how many, their ages in days and the mean gap."""

    starts: Ints
    ends: Ints
    customer: Ints
    product: Ints
    count: Ints
    first: Floats
    last: Floats

    @cached_property
    def gap(self) -> Floats:
        return np.where(self.count > 1, (self.first - self.last) / np.maximum(self.count - 1, 1), np.nan)


def runs(events: History, day: float) -> Runs:
    """Events come sorted by customer, product and day: a new pair starts where one of the first two changes."""
    new = np.ones(len(events), dtype=bool)
    new[1:] = (events.customer[1:] != events.customer[:-1]) | (events.product[1:] != events.product[:-1])
    starts = np.flatnonzero(new)
    ends = np.append(starts, len(events))[1:] - 1
    first, last = day - events.days[starts], day - events.days[ends]
    return Runs(starts, ends, events.customer[starts], events.product[starts], ends - starts + 1, first, last)


def measure(history: History, day: float, horizon: float, customers: Ints | None = None) -> Moment:
    """Statistics of everything strictly before ``day``. Where ``customers`` (ascending codes) are given, theirs are the only pairs and the
    only customers measured; products are measured by everybody.
    """
    known = events = history.before(day)
    is_target = known.target
    bought = runs(known.target_events(), day)
    older, again = bought.first > horizon, bought.last <= horizon
    product_columns = [
        *_product_statistics(bought, horizon, known.product_count),
        _shrunken_share(bought.product, older, older & again, known.product_count),
    ]
    rebought = _shrunken_share(bought.customer, older, older & again, known.customer_count)
    if customers is not None:
        theirs = ranges(known.starts[customers], known.starts[customers + 1])
        events, is_target = known.at(theirs), is_target[theirs]
        bought = runs(events.where(is_target), day)
    target = events.where(is_target)
    basket_of_event, basket_customer, basket_day = _baskets(target)
    baskets = np.bincount(basket_customer, minlength=known.customer_count)
    customer_columns = [*_customer_statistics(target, bought, day, horizon, basket_customer, basket_day), rebought]
    every = bought if is_target.all() else runs(events, day)
    count = len(every.count)

    def places_of(part: Runs, mask: Bools) -> Ints:
        """Where among all pairs those of a part of the events are."""
        return np.searchsorted(every.starts, np.flatnonzero(mask)[part.starts], side="right") - 1

    pairs = np.full((count + 1, len(PAIR_NAMES)), np.nan, dtype=np.float32, order="F")

    def put(at: Ints | slice, **columns: Floats | NDArray[np.float32] | Ints | float) -> None:
        for name, column in columns.items():
            pairs[at, PAIR_NAMES.index(name)] = column

    at = slice(0, count) if is_target.all() else places_of(bought, is_target)
    put(slice(0, count), count=0.0, rate_short=0.0, rate_middle=0.0, rate_long=0.0, basket_share=0.0)
    put(at, count=bought.count, age_last=bought.last, age_first=bought.first, mean_gap=bought.gap)
    put(at, **dict(zip(("rate_short", "rate_middle", "rate_long"), _rates(target, bought, day, horizon), strict=True)))
    with np.errstate(divide="ignore", invalid="ignore"):
        put(at, due_ratio=np.where(bought.gap > 0, bought.last / bought.gap, np.nan))
    put(at, basket_share=bought.count / np.maximum(baskets[bought.customer], 1))
    # Baskets the customer had after the last one with this product.
    put(at, baskets_since=np.cumsum(baskets)[bought.customer] - 1 - basket_of_event[bought.ends])
    put(at, quantity=(np.add.reduceat(target.quantity, bought.starts) if len(target) else np.empty(0)) / bought.count)
    if not is_target.all():
        views = events.where(~is_target)
        viewed = runs(views, day)
        put(slice(0, count), view_rate=0.0)
        put(places_of(viewed, ~is_target), view_rate=_rates(views, viewed, day, horizon)[1], view_age=viewed.last)
    return Moment(
        known, day, horizon, every.customer, every.product,
        np.searchsorted(every.customer, np.arange(known.customer_count + 1)),
        pairs, _columns(product_columns), _columns(customer_columns), pairs[:, PAIR_NAMES.index("count")] > 0,
    )  # fmt: skip


def _columns(columns: Sequence[Floats]) -> NDArray[np.float32]:
    return np.array(columns, dtype=np.float32).T


def _rates(events: History, pairs: Runs, day: float, horizon: float) -> list[NDArray[np.float32]]:
    """Decayed counts of each pair's events, one per half-life."""
    if not len(events):
        return [np.empty(0, dtype=np.float32)] * len(HALF_LIVES)
    # Half as long as in 64 bits, in which nothing of it is kept.
    age = (day - events.days).astype(np.float32)
    return [np.add.reduceat(np.exp2(age * np.float32(-1.0 / (half * horizon))), pairs.starts) for half in HALF_LIVES]


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
    # Events come by customer: so they do in order.
    customer = target.customer[first]
    return basket, customer, (ordered[first] - customer * span + begin) / 86_400


def _product_statistics(bought: Runs, horizon: float, count: int) -> list[Floats]:
    """The columns of PRODUCT_NAMES but the last."""

    def tally(weights: Bools | None = None) -> Floats:
        return np.bincount(bought.product, weights, count).astype(float)

    buyers = [tally(bought.last <= horizon * share) for share in (0.25, 1.0, 3.0)]
    several = np.flatnonzero(bought.count > 1)
    pairs, repeats = tally(), np.bincount(bought.product[several], minlength=count).astype(float)
    gaps = np.bincount(bought.product[several], weights=bought.gap[several], minlength=count)
    oldest, newest = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(oldest, bought.product, bought.first)
    np.minimum.at(newest, bought.product, bought.last)
    overall = (repeats.sum() + 0.5) / (pairs.sum() + 1.0)
    return [
        *buyers,
        pairs,
        (buyers[1] + 1.0) / (buyers[2] / 3.0 + 1.0),
        (repeats + 5.0 * overall) / (pairs + 5.0),
        np.where(repeats > 0, gaps / np.maximum(repeats, 1), np.nan),
        np.where(pairs > 0, oldest, np.nan),
        np.where(pairs > 0, newest, np.nan),
    ]


def _shrunken_share(group: Ints, counted: Bools, hit: Bools, size: int) -> Floats:
    """Share of hits among the rows counted of each group, shrunken to the mean."""
    total, hits = np.bincount(group, counted, size), np.bincount(group, hit, size)
    overall = (hits.sum() + 0.5) / (total.sum() + 1.0)
    return np.asarray((hits + 10.0 * overall) / (total + 10.0))


def _customer_statistics(
    target: History, bought: Runs, day: float, horizon: float, basket_customer: Ints, basket_day: Floats
) -> list[Floats]:
    """The columns of CUSTOMER_NAMES but the last; baskets come by customer and day."""
    count = target.customer_count
    baskets = np.bincount(basket_customer, minlength=count)
    recent = np.bincount(basket_customer[basket_day >= day - horizon], minlength=count)
    tenure, last = np.full(count, np.nan), np.full(count, np.nan)
    some, ends = baskets > 0, np.cumsum(baskets)
    tenure[some] = day - basket_day[(ends - baskets)[some]]
    last[some] = day - basket_day[ends[some] - 1]
    products = np.bincount(bought.customer, minlength=count)
    events = np.bincount(target.customer, minlength=count)
    gap = np.where(baskets > 1, (tenure - last) / np.maximum(baskets - 1, 1), np.nan)
    return [baskets, recent, tenure, last, products, events / np.maximum(baskets, 1), gap]
