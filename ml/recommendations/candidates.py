"""Which products are worth ranking for whom, and what the ranker may look at.

A block of customers x all products is scored by one formula (own habits, EASE, the basket cosine, what sells now); the best of each customer
are the candidates, and only they get features. Customers are worked through in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ml.recommendations.history import Bools, Ints, ranges
from ml.recommendations.moment import CUSTOMER_NAMES, PAIR_NAMES, PRODUCT_NAMES, Moment
from ml.recommendations.neighbours import (
    MAX_EASE_PRODUCTS,
    basket_matrix,
    cosine_neighbours,
    fill_with_content,
    fit_ease,
    strongest_weights,
)

SCORE_NAMES = ("formula", "ease", "cosine", "ease_share", "cosine_share", "popular", "formula_rank", "habit_rank", "ease_rank")
FEATURE_NAMES = PAIR_NAMES + PRODUCT_NAMES + CUSTOMER_NAMES + SCORE_NAMES
COLUMN = {name: position for position, name in enumerate(FEATURE_NAMES)}
# Cells of a block of customers x products, as many as a processor's cache holds well.
BLOCK_CELLS = 1_000_000
# More customers than this say nothing new about which of a few thousand products belong together.
MOST_LEARNERS = 30_000


@dataclass(frozen=True)
class Sources:
    """A measured moment with its item models, ``ease`` and ``cosine``: sparse, products x products.

    ``taste`` (ones) and ``recent`` (decayed by the age of the last event) are customers x products, the inputs to EASE and the cosine;
    ``popular`` is one number per product, 1 for the most bought of late.
    """

    moment: Moment
    ease: sparse.csr_matrix
    cosine: sparse.csr_matrix
    taste: sparse.csr_matrix
    recent: sparse.csr_matrix
    popular: NDArray[np.float32]

    @cached_property
    def habit(self) -> NDArray[np.float32]:
        """Per pair: the decayed rate of buying, and a little for views."""
        pairs = self.moment.pairs
        viewed = np.nan_to_num(pairs[:, PAIR_NAMES.index("view_rate")])
        return np.asarray(np.nan_to_num(pairs[:, PAIR_NAMES.index("rate_long")]) + np.float32(0.3) * viewed, dtype=np.float32)

    @property
    def block(self) -> int:
        """How many customers are worked on at once."""
        return max(BLOCK_CELLS // max(self.moment.history.product_count, 1), 16)


@dataclass(frozen=True)
class Candidates:
    """Rows sorted by customer, product (codes); ``features`` has one column per FEATURE_NAMES.

    ``seen``: the customer had to do with the product in any way before the moment.
    """

    customer: Ints
    product: Ints
    seen: Bools
    features: NDArray[np.float32]

    def where(self, rows: Ints) -> Candidates:
        """The rows at these positions."""
        return Candidates(self.customer[rows], self.product[rows], self.seen[rows], self.features[rows])


def prepare(
    moment: Moment,
    penalty: float = 200.0,
    max_products: int = MAX_EASE_PRODUCTS,
    content: sparse.csr_matrix | None = None,
) -> Sources:
    """Fit the item models at a moment; ``content`` (products x products) stands in where baskets know too little."""
    history = moment.history
    shape = (history.customer_count, history.product_count)

    def by_pair(values: NDArray[np.float32]) -> sparse.csr_matrix:
        return sparse.csr_matrix((values, moment.pair_product, moment.starts), shape=shape)

    ages = moment.pairs[:, [PAIR_NAMES.index("age_last"), PAIR_NAMES.index("view_age")]]
    newest = np.fmin(ages[:, 0], ages[:, 1])
    taste = by_pair(np.ones(len(newest), dtype=np.float32))
    learned = learners(history.customer_count)
    popular = moment.products[:, :4].astype(float) @ np.array([0.0, 1.0, 0.1, 0.001])
    popular = popular / max(float(popular.max(initial=0.0)), 1e-9)
    cosine = cosine_neighbours(basket_matrix(history if learned is None else history.where(learned[history.customer])))
    if content is not None:
        cosine = fill_with_content(cosine, content, moment.products[:, PRODUCT_NAMES.index("buyers_ever")])
    return Sources(
        moment=moment,
        ease=strongest_weights(fit_ease(taste if learned is None else taste[learned], penalty, max_products)),
        cosine=cosine,
        taste=taste,
        recent=by_pair(np.exp2(-newest / moment.horizon).astype(np.float32)),
        popular=popular.astype(np.float32),
    )


def learners(customers: int) -> Bools | None:
    """Who teaches which products belong together: everybody (None), or a mask of MOST_LEARNERS of them, the same ones every time."""
    if customers <= MOST_LEARNERS:
        return None
    chosen = np.zeros(customers, dtype=bool)
    chosen[np.random.default_rng(0).choice(customers, size=MOST_LEARNERS, replace=False)] = True
    return chosen


def gather(
    sources: Sources,
    customers: Ints,
    count: int,
    new_only: bool = False,
    allowed: Bools | None = None,
    hidden: Callable[[NDArray[np.float32]], Bools] | None = None,
) -> Candidates:
    """At most ``count`` candidates per customer (a block of ascending codes) and their features, among the ``allowed`` products alone.

    ``new_only`` leaves out what the customer bought (viewed, where nothing is sold); ``hidden`` says of the features of what the customer
    had to do with, see ``facts``, which may not be shown now.
    """
    moment = sources.moment
    width = moment.history.product_count
    count = min(count, width)
    at, row = pairs_of(moment, customers)
    product = moment.pair_product[at]
    (ease, ease_most), (cosine, cosine_most) = (
        _spread(sources.taste[customers] @ sources.ease),
        _spread(sources.recent[customers] @ sources.cosine),
    )
    # A product the customer has no habit of; a habit comes on top.
    weights = (1.0, 0.3, 0.3) if new_only else (0.1, 0.05, 0.1)
    total = ease * (np.float32(weights[0]) / ease_most)
    total += cosine * (np.float32(weights[1]) / cosine_most)
    total += sources.popular * np.float32(weights[2])
    if not new_only:
        total[row, product] += sources.habit[at]
    if allowed is not None:
        total[:, ~allowed] = -np.inf
    gone = moment.bought[at] if new_only else np.zeros(len(at), dtype=bool)
    if hidden is not None:
        gone = gone | hidden(facts(moment, customers[row], product, at))
    total[row[gone], product[gone]] = -np.inf
    best = best_columns(total, count)
    number = np.full(total.shape, -1, dtype=np.int32)
    number[row, product] = np.arange(len(at))
    across = np.arange(len(customers))[:, None]
    own, formula = number[across, best], total[across, best]
    ease_here, cosine_here = ease[across, best], cosine[across, best]
    habit = np.where(own >= 0, sources.habit[at[own]], np.float32(0.0)) if len(at) else np.zeros(best.shape, dtype=np.float32)
    scores = np.stack(
        [
            formula,
            ease_here,
            cosine_here,
            ease_here / ease_most,
            cosine_here / cosine_most,
            sources.popular[best],
            _ranks(formula),
            _ranks(habit),
            _ranks(ease_here),
        ],
        axis=-1,
    )
    shown = (formula > -np.inf).ravel()
    customer, product, own = np.repeat(customers, best.shape[1])[shown], best.ravel()[shown], own.ravel()[shown]
    features = facts(moment, customer, product, np.where(own >= 0, at[own], -1) if len(at) else own.astype(np.int64))
    features[:, -len(SCORE_NAMES) :] = scores.reshape(-1, len(SCORE_NAMES))[shown]
    return Candidates(customer, product, own >= 0, features)


def best_columns(values: NDArray[np.float32], count: int) -> Ints:
    """Ascending columns of the ``count`` largest values of each row; ties go to the smaller column."""
    rows, width = values.shape
    if count >= width:
        return np.tile(np.arange(width), (rows, 1))
    # Values alone are partitioned several times faster than positions.
    least = np.partition(values, width - count, axis=1)[:, width - count, None]
    chosen = values >= least
    crowded = np.flatnonzero(np.count_nonzero(chosen, axis=1) > count)
    if len(crowded):
        order = np.argsort(-values[crowded], axis=1, kind="stable")[:, :count]
        chosen[crowded] = False
        chosen[crowded[:, None], order] = True
    return (np.flatnonzero(chosen) % width).reshape(rows, count)


def facts(moment: Moment, customer: Ints, product: Ints, pair: Ints | None = None) -> NDArray[np.float32]:
    """What is known of each pair, one column per FEATURE_NAMES; the scores of the item models stay nan.

    ``pair`` is the position of each among the moment's pairs (-1: not among them), where it is known.
    """
    if pair is None:
        found, place = moment.find(customer, product)
        pair = np.where(found, place, -1)
    features = np.full((len(customer), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    first, second = len(PAIR_NAMES), len(PAIR_NAMES) + len(PRODUCT_NAMES)
    seen = np.flatnonzero(pair >= 0)
    features[seen, :first] = moment.pairs[pair[seen]]
    features[:, first:second] = moment.products[product]
    features[:, second : second + len(CUSTOMER_NAMES)] = moment.customers[customer]
    return features


def _spread(scores: sparse.csr_matrix) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of all products, 0 where there is none, and the largest of each row, as a column."""
    every = scores.toarray()
    return every, np.maximum(every.max(axis=1, initial=0.0), np.float32(1e-9))[:, None]


def pairs_of(moment: Moment, customers: Ints) -> tuple[Ints, Ints]:
    """Positions of the customers' pairs, and the row (place in ``customers``) of each."""
    starts, ends = moment.starts[customers], moment.starts[customers + 1]
    return ranges(starts, ends), np.repeat(np.arange(len(customers)), ends - starts)


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rank from 0 within each row, largest first; ties in the order of the columns (product)."""
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty(values.shape, dtype=np.float32)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(values.shape[1], dtype=np.float32), values.shape), axis=1)
    return ranks
