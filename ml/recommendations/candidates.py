"""Which products are worth ranking for whom, and what the ranker may look at.

Candidates of a customer: what they had (most recent habits first), the best of EASE, of the basket cosine, and what
sells now. Customers are worked through in chunks, so memory does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from ml.recommendations.history import Bools, Floats, Ints, distinct
from ml.recommendations.moment import CUSTOMER_NAMES, PAIR_NAMES, PRODUCT_NAMES, Moment
from ml.recommendations.neighbours import (
    MAX_EASE_PRODUCTS,
    Ease,
    basket_matrix,
    cosine_neighbours,
    fill_with_content,
    fit_ease,
)

SCORE_NAMES = (
    "ease", "cosine", "ease_share", "cosine_share", "popular", "habit_rank", "ease_rank", "popular_rank", "ease_habit",
    "count_rank",
)  # fmt: skip
FEATURE_NAMES = PAIR_NAMES + PRODUCT_NAMES + CUSTOMER_NAMES + SCORE_NAMES
COLUMN = {name: position for position, name in enumerate(FEATURE_NAMES)}


DENSE_WIDTH = 20_000  # products up to which a chunk of cosines is cheaper as a full matrix


@dataclass(frozen=True)
class Breadth:
    """How many candidates each source gives a customer."""

    own: int = 150
    ease: int = 60
    cosine: int = 30
    popular: int = 30


@dataclass(frozen=True)
class Sources:
    """A measured moment with its item models.

    ``taste`` (ones), ``recent`` (decayed by the age of the last event) and ``habit`` (root of the long-run rate) are
    customers x products, the inputs to EASE, the cosine, and EASE again; ``popular`` is one number per product.
    """

    moment: Moment
    ease: Ease
    cosine: sparse.csr_matrix
    taste: sparse.csr_matrix
    recent: sparse.csr_matrix
    habit: sparse.csr_matrix
    popular: Floats


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

    _, pair = moment.find(history.customer, history.product)
    newest = np.full(len(moment.pair_customer), np.inf)
    np.minimum.at(newest, pair, moment.day - history.days)
    taste = by_pair(np.ones(len(newest), dtype=np.float32))
    habit = np.sqrt(np.nan_to_num(moment.pairs[:, PAIR_NAMES.index("rate_long")]) + 1e-9)
    popular = moment.products[:, :4].astype(float) @ np.array([0.0, 1.0, 0.1, 0.001])
    cosine = cosine_neighbours(basket_matrix(history))
    if content is not None:
        cosine = fill_with_content(cosine, content, moment.products[:, PRODUCT_NAMES.index("buyers_ever")])
    return Sources(
        moment=moment,
        ease=fit_ease(taste, penalty, max_products),
        cosine=cosine,
        taste=taste,
        recent=by_pair(np.exp2(-newest / moment.horizon).astype(np.float32)),
        habit=by_pair(habit.astype(np.float32)),
        popular=popular,
    )


def gather(sources: Sources, customers: Ints, breadth: Breadth, new_only: bool = False, allowed: Bools | None = None) -> Candidates:
    """Candidates and their features for some customers (ascending codes), among the ``allowed`` products alone.

    ``new_only`` leaves out what the customer bought (viewed, where nothing is sold).
    """
    moment = sources.moment
    width = moment.history.product_count
    allowed = np.ones(width, dtype=bool) if allowed is None else allowed
    taste = sources.taste[customers]
    recent = sources.recent[customers]
    ease = _ease_scores(sources.ease, taste)
    by_habit = _ease_scores(sources.ease, sources.habit[customers])
    cosine = (recent @ sources.cosine).tocsr()
    dense_cosine = cosine.toarray() if width <= DENSE_WIDTH else None
    if dense_cosine is None:
        cosine.sort_indices()
    top = np.lexsort((np.arange(width), -sources.popular))
    top = top[allowed[top]][: breadth.popular]
    keys = np.concatenate(
        [
            _own(moment, customers, breadth.own),
            _best_unseen(ease, taste, sources.ease, breadth.ease, width, allowed),
            _best_sparse(cosine, breadth.cosine, width) if dense_cosine is None else _best_dense(dense_cosine, breadth.cosine, width),
            (np.arange(len(customers))[:, None] * width + top[None, :]).ravel(),
        ]
    )
    keys = distinct(keys)
    keys = keys[allowed[keys % max(width, 1)]]
    row, product = np.divmod(keys, max(width, 1))
    seen, position = moment.find(customers[row], product)
    if new_only:
        keep = ~(seen & moment.bought[position]) if len(moment.bought) else ~seen
        row, product, seen = row[keep], product[keep], seen[keep]
    customer = customers[row]
    features = facts(moment, customer, product)
    third = len(FEATURE_NAMES) - len(SCORE_NAMES)
    ease_score = _pick(ease, row, sources.ease.position[product])
    cosine_score = _lookup(cosine, row, product, width) if dense_cosine is None else dense_cosine[row, product].astype(float)
    popular = sources.popular[product]
    habit = np.nan_to_num(features[:, 2].astype(float), nan=0.0)
    features[:, third:] = np.column_stack(
        [
            ease_score,
            cosine_score,
            ease_score / _largest(row, ease_score),
            cosine_score / _largest(row, cosine_score),
            popular,
            _ranks(row, habit),
            _ranks(row, np.nan_to_num(ease_score, nan=-1.0)),
            _ranks(row, popular),
            _pick(by_habit, row, sources.ease.position[product]),
            _ranks(row, np.nan_to_num(features[:, 0].astype(float)) + 1e-3 * habit),
        ]
    )
    return Candidates(customer, product, seen, features)


def facts(moment: Moment, customer: Ints, product: Ints) -> NDArray[np.float32]:
    """What is known of each pair, one column per FEATURE_NAMES; the scores of the item models stay nan."""
    seen, position = moment.find(customer, product)
    features = np.full((len(customer), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    first, second = len(PAIR_NAMES), len(PAIR_NAMES) + len(PRODUCT_NAMES)
    features[seen, :first] = moment.pairs[position[seen]]
    features[:, first:second] = moment.products[product]
    features[:, second : second + len(CUSTOMER_NAMES)] = moment.customers[customer]
    return features


def _ease_scores(ease: Ease, taste: sparse.csr_matrix) -> NDArray[np.float32]:
    with threadpool_limits(limits=1, user_api="blas"):
        return np.asarray(taste[:, ease.kept] @ ease.weights, dtype=np.float32)


def _pick(scores: NDArray[np.float32], row: Ints, at: Ints) -> Floats:
    if not scores.shape[1]:
        return np.full(len(row), np.nan)
    return np.where(at >= 0, scores[row, np.maximum(at, 0)], np.nan)


def _own(moment: Moment, customers: Ints, count: int) -> Ints:
    """The pairs of each customer with the strongest long-run habit."""
    lengths = moment.starts[customers + 1] - moment.starts[customers]
    row = np.repeat(np.arange(len(customers)), lengths)
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = np.repeat(moment.starts[customers], lengths) + offset
    if (lengths > count).any():
        strength = np.nan_to_num(moment.pairs[at, 3]) + np.nan_to_num(moment.pairs[at, 11])
        order = np.lexsort((moment.pair_product[at], -strength, row))
        keep = order[offset < count]
        row, at = row[keep], at[keep]
    return np.asarray(row * moment.history.product_count + moment.pair_product[at])


def _best_unseen(scores: NDArray[np.float32], taste: sparse.csr_matrix, ease: Ease, count: int, width: int, allowed: Bools) -> Ints:
    if scores.shape[1] == 0 or count == 0:
        return np.empty(0, dtype=np.int64)
    hidden = scores.copy()
    hidden[:, ~allowed[ease.kept]] = -np.inf
    part = taste[:, ease.kept].tocoo()
    hidden[part.row, part.col] = -np.inf
    count = min(count, hidden.shape[1])
    best = np.argpartition(-hidden, count - 1, axis=1)[:, :count]
    return (np.arange(len(scores))[:, None] * width + ease.kept[best]).ravel()


def _best_dense(scores: NDArray[np.float32], count: int, width: int) -> Ints:
    """Keys of the ``count`` largest positive values of each row."""
    if not scores.size or count == 0:
        return np.empty(0, dtype=np.int64)
    count = min(count, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    row = np.arange(len(scores))[:, None]
    keys = row * width + best
    return np.asarray(keys[scores[row, best] > 0])


def _best_sparse(scores: sparse.csr_matrix, count: int, width: int) -> Ints:
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((scores.indices, -scores.data, rows))
    rank = np.arange(len(order)) - scores.indptr[rows[order]]
    keep = order[rank < count]
    return np.asarray(rows[keep].astype(np.int64) * width + scores.indices[keep])


def _lookup(scores: sparse.csr_matrix, row: Ints, product: Ints, width: int) -> Floats:
    rows = np.repeat(np.arange(scores.shape[0], dtype=np.int64), np.diff(scores.indptr))
    keys = rows * width + scores.indices
    if not len(keys):
        return np.zeros(len(row))
    wanted = row * width + product
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, scores.data[at], 0.0)


def _largest(row: Ints, values: Floats) -> Floats:
    """The largest value of each row's group, repeated; never below a tiny positive number."""
    if not len(row):
        return np.empty(0)
    starts = np.flatnonzero(np.r_[True, np.diff(row) != 0])
    largest = np.maximum.reduceat(np.nan_to_num(values, nan=0.0), starts)
    return np.repeat(np.maximum(largest, 1e-9), np.diff(np.r_[starts, len(row)]))


def _ranks(row: Ints, values: Floats) -> Floats:
    """Rank from 0 within each group, largest first; ties in the order of the rows (product)."""
    if not len(row):
        return np.empty(0)
    order = np.argsort(-values.astype(np.float32), kind="stable")
    # Rows of a chunk fit into 16 bits, which numpy sorts by radix.
    narrow = row.astype(np.int16) if row[-1] < 32_000 else row
    order = order[np.argsort(narrow[order], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(row) != 0])
    begin = np.repeat(starts, np.diff(np.r_[starts, len(row)]))
    ranks = np.empty(len(row))
    ranks[order] = np.arange(len(row)) - begin
    return ranks
