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
from ml.recommendations.largest import largest_cells
from ml.recommendations.moment import CUSTOMER_NAMES, PAIR_NAMES, PRODUCT_NAMES, Moment
from ml.recommendations.neighbours import (
    MAX_EASE_PRODUCTS,
    basket_matrix,
    cosine_neighbours,
    fill_with_content,
    fit_ease,
    spread,
    strongest_weights,
)

SCORE_NAMES = ("formula", "ease", "cosine", "ease_share", "cosine_share", "popular", "formula_rank")
FEATURE_NAMES = PAIR_NAMES + PRODUCT_NAMES + CUSTOMER_NAMES + SCORE_NAMES
COLUMN = {name: position for position, name in enumerate(FEATURE_NAMES)}
# Cells of a block of customers x products, as many as a processor's cache holds well.
BLOCK_CELLS = 1_000_000
# More customers than this say nothing new about which of a few thousand products belong together.
MOST_LEARNERS = 30_000


@dataclass(frozen=True)
class Items:
    """How products belong together at a moment, ``ease`` and ``cosine``: sparse, products x products."""

    ease: sparse.csr_matrix
    cosine: sparse.csr_matrix


@dataclass(frozen=True)
class Sources:
    """A measured moment with its item models.

    ``recent`` is customers x products, decayed by the age of the last event; ``popular`` is one number per product, 1 for the most bought
    of late.
    """

    moment: Moment
    items: Items
    recent: sparse.csr_matrix
    popular: NDArray[np.float32]

    @cached_property
    def habit(self) -> NDArray[np.float32]:
        """Per pair: the decayed rate of buying, and a little for views; 0 at the end, for what is no pair."""
        pairs = self.moment.pairs
        viewed = np.nan_to_num(pairs[:, PAIR_NAMES.index("view_rate")])
        return np.asarray(np.nan_to_num(pairs[:, PAIR_NAMES.index("rate_long")]) + np.float32(0.3) * viewed, dtype=np.float32)

    @cached_property
    def evidence(self) -> sparse.csr_matrix:
        """The rows of EASE, below them those of the cosine, and last what sells: x products."""
        return sparse.vstack([self.items.ease, self.items.cosine, sparse.csr_matrix(self.popular)]).tocsr()

    @property
    def block(self) -> int:
        """How many customers are worked on at once."""
        return max(BLOCK_CELLS // max(self.moment.history.product_count, 1), 16)


@dataclass(frozen=True)
class Candidates:
    """Rows by customer, the best by the formula first; ``features`` has one column per FEATURE_NAMES.

    ``seen``: the customer had to do with the product in any way before the moment.
    """

    customer: Ints
    product: Ints
    seen: Bools
    features: NDArray[np.float32]

    def where(self, rows: Ints) -> Candidates:
        """The rows at these positions."""
        return Candidates(self.customer[rows], self.product[rows], self.seen[rows], self.features[rows])


def relate(
    moment: Moment, penalty: float = 200.0, max_products: int = MAX_EASE_PRODUCTS, content: sparse.csr_matrix | None = None
) -> Items:
    """Fit the item models at a moment; ``content`` (products x products) stands in where baskets know too little."""
    history = moment.history
    if history.customer_count > MOST_LEARNERS:
        history = history.of_customers(learners(history.customer_count))
    cosine = cosine_neighbours(basket_matrix(history))
    if content is not None:
        cosine = fill_with_content(cosine, content, moment.products[:, PRODUCT_NAMES.index("buyers_ever")])
    return Items(strongest_weights(fit_ease(history.matrix(), penalty, max_products)), cosine)


def learners(customers: int) -> Ints:
    """Who teaches which products belong together: ascending codes of MOST_LEARNERS of so many customers, the same ones every time."""
    return np.sort(np.random.default_rng(0).choice(customers, size=MOST_LEARNERS, replace=False))


def prepare(moment: Moment, items: Items) -> Sources:
    """What candidates are picked from."""
    history = moment.history
    ages = moment.pairs[:-1, [PAIR_NAMES.index("age_last"), PAIR_NAMES.index("view_age")]]
    recency = np.exp2(-np.fmin(ages[:, 0], ages[:, 1]) / moment.horizon).astype(np.float32)
    recent = sparse.csr_matrix((recency, moment.pair_product, moment.starts), shape=(history.customer_count, history.product_count))
    popular = moment.products[:, :4].astype(float) @ np.array([0.0, 1.0, 0.1, 0.001])
    return Sources(moment, items, recent, (popular / max(float(popular.max(initial=0.0)), 1e-9)).astype(np.float32))


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
    at, row = pairs_of(moment, customers)
    past = moment.pair_product[at]
    own_cells = row * width + past
    scores, most = _item_scores(sources, at, np.searchsorted(row, np.arange(len(customers) + 1)))
    # A product the customer has no habit of; a habit comes on top.
    weights = (1.0, 0.3, 0.3) if new_only else (0.1, 0.05, 0.1)
    total = _weighted(weights, most) @ scores
    if not new_only:
        total.put(own_cells, total.take(own_cells) + sources.habit[at])
    if allowed is not None and not allowed.all():
        total[:, ~allowed] = -np.inf
    gone = moment.bought[at] if new_only else np.zeros(len(at), dtype=bool)
    if hidden is not None:
        gone = gone | hidden(facts(moment, customers[row], past, at))
    total.put(own_cells[gone], -np.inf)
    cells, who, rank = largest_cells(total, count)
    customer, product = customers[who], cells - who * width
    # The pair of each cell; what is not read is not filled.
    number = np.empty(total.shape, dtype=np.int32)
    number.put(cells, -1)
    number.put(own_cells, at)
    own = number.take(cells).astype(np.int64)
    found = Candidates(customer, product, own >= 0, facts(moment, customer, product, own))
    ease, cosine = scores.take(cells), scores.take(cells + total.size)
    told = {
        "formula": total.take(cells),
        "ease": ease,
        "cosine": cosine,
        "ease_share": ease / most[0].take(who),
        "cosine_share": cosine / most[1].take(who),
        "popular": sources.popular[product],
        "formula_rank": rank,
    }
    for name, values in told.items():
        found.features[:, COLUMN[name]] = values
    return found


def _item_scores(sources: Sources, at: Ints, starts: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of customers whose pairs are at ``at``, from each start to the next: their rows of EASE x products, one below the other, then those of the
    cosine, then one of what sells; and the largest of each customer, EASE and cosine x customers.
    """
    past, count = sources.moment.pair_product[at], len(at)
    width = sources.moment.history.product_count
    found = sources.evidence[np.concatenate([past, past + width, [2 * width]])]
    # The cosine to what was chosen long ago says little.
    ends = found.indptr[count : 2 * count + 1]
    found.data[ends[0] : ends[-1]] *= np.repeat(sources.recent.data[at], np.diff(ends))
    scores = spread(found, np.concatenate([starts, starts[1:] + count, [2 * count + 1]]))
    most = scores[:-1].max(axis=1, initial=0.0).reshape(2, -1)
    return scores, np.maximum(most, np.float32(1e-9))


def _weighted(weights: tuple[float, float, float], most: NDArray[np.float32]) -> sparse.csr_matrix:
    """Customers x rows of ``_item_scores``: what each is worth to whom, the first two as shares of the customer's largest.

    Times the scores it is a third faster than scaling and adding them.
    """
    count = most.shape[1]
    customer = np.arange(count)
    rows = np.stack([customer, count + customer, np.full(count, 2 * count)], axis=1)
    worth = np.stack([np.float32(weights[0]) / most[0], np.float32(weights[1]) / most[1], np.full(count, weights[2], np.float32)], axis=1)
    return sparse.csr_matrix((worth.ravel(), rows.ravel(), 3 * np.arange(count + 1)), shape=(count, 2 * count + 1))


def facts(moment: Moment, customer: Ints, product: Ints, pair: Ints | None = None) -> NDArray[np.float32]:
    """What is known of each pair, one column per FEATURE_NAMES; the scores of the item models stay nan.

    ``pair`` is the position of each among the moment's pairs (-1: not among them), where it is known.
    """
    if pair is None:
        pair = moment.find(customer, product)
    features = np.empty((len(customer), len(FEATURE_NAMES)), dtype=np.float32, order="F")
    place = 0
    for table, rows in ((moment.pairs, pair), (moment.products, product), (moment.customers, customer)):
        for column in table.T:
            # The last row of the pairs is of nothing: position -1.
            column.take(rows, out=features[:, place], mode="wrap")
            place += 1
    features[:, place:] = np.nan
    return features


def pairs_of(moment: Moment, customers: Ints) -> tuple[Ints, Ints]:
    """Positions of the customers' pairs, and the row (place in ``customers``) of each."""
    starts, ends = moment.starts[customers], moment.starts[customers + 1]
    return ranges(starts, ends), np.repeat(np.arange(len(customers)), ends - starts)
