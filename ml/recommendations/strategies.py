"""The strategies for a chunk of customers who share their allowed products: rows before the final choice.

Each function returns every row that may be shown; ``rules.choose`` then cuts the lists. A score means something
within one customer and strategy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from ml.recommendations.candidates import COLUMN, Candidates, Sources, facts, gather, pairs_of
from ml.recommendations.catalogue import Catalogue
from ml.recommendations.history import Bools, Floats, History, Ints, distinct, places
from ml.recommendations.moment import PAIR_NAMES, PRODUCT_NAMES
from ml.recommendations.neighbours import order_matrix, top_per_row
from ml.recommendations.ranker import Ranker, Settings
from ml.recommendations.reasons import NUMBER
from ml.recommendations.rules import Rules, due_gap, is_due, just_bought

TRENDING_POOL = 200
ARRIVAL_POOL = 500
ARRIVAL_LIKENESS = 0.1


@dataclass(frozen=True)
class Rows:
    """Customer and product codes, score, the number of the reason (see ``reasons.NUMBER``)."""

    customer: Ints
    product: Ints
    score: Floats
    reason: NDArray[np.int8]

    def where(self, keep: Bools | Ints) -> Rows:
        """The rows of a mask or of positions."""
        return Rows(self.customer[keep], self.product[keep], self.score[keep], self.reason[keep])


@dataclass(frozen=True)
class Shelf:
    """What all customers share: item models, catalogue, rules, and products x products of what goes together.

    ``given_back``: ascending ``customer * product_count + product`` of which nothing was kept.
    """

    sources: Sources
    catalogue: Catalogue
    rules: Rules
    together: sparse.csr_matrix
    given_back: Ints

    @cached_property
    def last(self) -> tuple[Ints, Bools]:
        """See ``last_products``."""
        return last_products(self.sources.moment.history)

    @cached_property
    def has_bought(self) -> Bools:
        """Per customer whether they ever bought anything."""
        history = self.sources.moment.history
        return np.bincount(history.customer, history.purchase, history.customer_count) > 0

    @cached_property
    def thing(self) -> Ints:
        """Per product a number for what one has who has it: it is the same for a family, but of what runs out another one is wanted soon."""
        moment = self.sources.moment
        own = np.arange(moment.history.product_count)
        if self.catalogue.family is None:
            return own
        runs_out = moment.products[:, PRODUCT_NAMES.index("repeat_share")] >= self.rules.replenishable_share
        return np.where((self.catalogue.family < 0) | runs_out, own, len(own) + self.catalogue.family)

    def things(self, customer: Ints, product: Ints) -> Ints:
        """A number for each customer and thing."""
        return customer * (2 * len(self.thing)) + self.thing[product]

    @cached_property
    def fresh(self) -> Ints:
        """Ascending numbers of customers and the things they just bought."""
        moment = self.sources.moment
        recent = moment.bought[:-1] & (moment.pairs[:-1, PAIR_NAMES.index("age_last")] < self.rules.just_bought_days)
        pair = np.flatnonzero(recent)
        customer, product = moment.pair_customer[pair], moment.pair_product[pair]
        fresh = just_bought(facts(moment, customer, product, pair), self.rules)
        return distinct(self.things(customer[fresh], product[fresh]))


def ranked(shelf: Shelf, customers: Ints, ranker: Ranker, settings: Settings, allowed: Bools) -> Rows:
    """``for_you`` and ``new_for_you``: candidates in the ranker's order, the just bought left out."""
    count = settings.candidates_of(ranker.new_only)
    found = gather(shelf.sources, customers, count, ranker.new_only, allowed, lambda features: just_bought(features, shelf.rules))
    score = ranker.score(found).astype(float)
    score = score if ranker.trees is None else expit(score)
    return Rows(found.customer, found.product, score, _why(found, shelf.rules, shelf.has_bought[found.customer]))


def _why(found: Candidates, rules: Rules, has_bought: Bools) -> NDArray[np.int8]:
    """The strongest evidence of each candidate; ``has_bought`` says of each whether its customer ever bought anything."""
    features = found.features
    # Where nothing is sold, counts are of views.
    bought = has_bought & (np.nan_to_num(features[:, COLUMN["count"]]) > 0)
    cosine = np.nan_to_num(features[:, COLUMN["cosine_share"]])
    ease = np.nan_to_num(features[:, COLUMN["ease_share"]])
    together = (cosine >= ease) & (cosine > 0.1)
    return np.select(
        [bought & is_due(features, rules), bought, found.seen, together & has_bought, together, ease > 0.1],
        [
            NUMBER[code]
            for code in ("due_again", "bought_before", "viewed_before", "bought_with_yours", "chosen_with_viewed", "taste_like_yours")
        ],
        NUMBER["popular_now"],
    ).astype(np.int8)


def new_arrivals(shelf: Shelf, customers: Ints, allowed: Bools) -> Rows:
    """The one product with fewer than five buyers, newest first, whose text is most like what a customer chose."""
    moment = shelf.sources.moment
    fresh = allowed & (moment.products[:, 3] < 5) & (moment.day - shelf.catalogue.created_day <= moment.horizon)
    pool = np.flatnonzero(fresh)
    pool = np.sort(pool[np.lexsort((pool, -shelf.catalogue.created_day[pool]))][:ARRIVAL_POOL])
    if not len(pool):
        return nothing()
    vectors = shelf.catalogue.vectors
    taste = shelf.sources.recent[customers] @ vectors
    length = np.sqrt(np.asarray(taste.multiply(taste).sum(axis=1)).ravel())
    likeness = (taste @ vectors[pool].T).toarray() / np.maximum(length, 1e-9)[:, None]
    pair, row = pairs_of(moment, customers)
    place = np.full(len(fresh), -1)
    place[pool] = np.arange(len(pool))
    had = place[moment.pair_product[pair]]
    likeness[row[had >= 0], had[had >= 0]] = 0.0
    best = likeness.argmax(axis=1)
    value = likeness[np.arange(len(customers)), best].astype(float)
    rows = Rows(customers, pool[best], value, all_for("new_arrival", len(customers)))
    return rows.where(value >= ARRIVAL_LIKENESS)


def bought_again(shelf: Shelf, customers: Ints, allowed: Bools) -> Rows:
    """Products that run out and whose usual time has come, the surest habits nearest to their day first."""
    moment = shelf.sources.moment
    pair, _ = pairs_of(moment, customers)
    pair = pair[allowed[moment.pair_product[pair]] & moment.bought[pair] & shelf.has_bought[moment.pair_customer[pair]]]
    customer, product = moment.pair_customer[pair], moment.pair_product[pair]
    features = facts(moment, customer, product, pair)
    due = is_due(features, shelf.rules)
    count = features[:, COLUMN["count"]].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = features[:, COLUMN["age_last"]].astype(float) / due_gap(features, shelf.rules)
        score = np.exp(-np.abs(np.log(ratio))) * count / (count + 1.0)
    return Rows(customer, product, score, all_for("due_again", len(customer))).where(due)


def similar_to(shelf: Shelf, customers: Ints, allowed: Bools) -> Rows:
    """Like the product each customer had to do with last: half basket cosine, half likeness of the texts."""
    moment = shelf.sources.moment
    anchor, viewed = shelf.last
    mine = customers[anchor[customers] >= 0]
    anchors, place = np.unique(anchor[mine], return_inverse=True)
    alike = similarity(shelf, anchors)[place].tocoo()
    customer, product = mine[alike.row], alike.col.astype(np.int64)
    reason = np.where(viewed[customer], NUMBER["similar_to_viewed"], NUMBER["similar_to_bought"]).astype(np.int8)
    features = facts(moment, customer, product)
    keep = allowed[product] & ~(np.nan_to_num(features[:, COLUMN["count"]]) > 0)
    return Rows(customer, product, alike.data.astype(float), reason).where(keep)


def similarity(shelf: Shelf, anchors: Ints) -> sparse.csr_matrix:
    """Anchors x products in [0, 1]."""
    learned = shelf.sources.items.cosine[anchors].tocsr()
    largest = np.maximum(np.asarray(learned.max(axis=1).todense()).ravel(), 1e-9) if learned.shape[1] else np.ones(0)
    learned = sparse.diags(1.0 / largest) @ learned
    return shelf.catalogue.without_siblings((0.5 * learned + 0.5 * shelf.catalogue.alike(anchors)).tocsr(), anchors)


def last_products(history: History) -> tuple[Ints, Bools]:
    """Per customer the product of the newest event (-1: none; ties to the smaller code) and whether it was a view."""
    order = np.lexsort((-history.product, history.days, history.customer))
    anchor = np.full(history.customer_count, -1, dtype=np.int64)
    viewed = np.zeros(history.customer_count, dtype=bool)
    anchor[history.customer[order]] = history.product[order]
    viewed[history.customer[order]] = ~history.purchase[order]
    return anchor, viewed


def goes_with(shelf: Shelf, customers: Ints, allowed: Bools) -> Rows:
    """What others ordered together with the products of each customer's last order."""
    history = shelf.sources.moment.history
    bought = history.of_customers(customers)
    bought = bought.where(bought.purchase)
    row = np.searchsorted(customers, bought.customer)
    newest = np.full(len(customers), -np.inf)
    np.maximum.at(newest, row, bought.days)
    last = bought.where(bought.days == newest[row])
    wanted = np.searchsorted(customers, last.customer)
    shape = (len(customers), history.product_count)
    order = sparse.csr_matrix((np.ones(len(last), dtype=np.float32), (wanted, last.product)), shape=shape)
    # Bought twice at the same moment is once.
    order.data[:] = 1.0
    found = (order @ shelf.together).tocoo()
    row, product = found.row.astype(np.int64), found.col.astype(np.int64)
    customer = customers[row]
    in_order = np.isin(shelf.things(customer, product), shelf.things(last.customer, last.product))
    keep = allowed[product] & ~in_order
    return Rows(customer, product, found.data.astype(float), all_for("goes_with_order", len(row))).where(keep)


def ordered_together(history: History, catalogue: Catalogue, least_orders: int = 3, per_product: int = 30) -> sparse.csr_matrix:
    """Products x products by lift: ``log2(lift) * n / (n + 5)`` of pairs in at least ``least_orders`` same orders. Two sizes ordered to try
    them on are not two products."""
    orders = order_matrix(history.where(history.purchase))
    together = (orders.T @ orders).tocsr()
    alone = together.diagonal().astype(float)
    together.setdiag(0)
    together.eliminate_zeros()
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    count = together.data.astype(float)
    lift = count * orders.shape[0] / np.maximum(alone[rows] * alone[together.indices], 1.0)
    strength = np.where(count >= least_orders, np.log2(np.maximum(lift, 1.0)) * count / (count + 5.0), 0.0)
    together.data = np.round(strength, 6).astype(np.float64)
    together.eliminate_zeros()
    return top_per_row(catalogue.without_siblings(together, np.arange(together.shape[0])), per_product)


def trending(shelf: Shelf, customers: Ints, allowed: Bools) -> Rows:
    """What sells and grows now, weighted by the categories a customer likes; for everybody, known or not."""
    moment = shelf.sources.moment
    short, middle, long = (moment.products[:, column].astype(float) for column in range(3))
    heat = np.log1p(middle + 0.1 * long) * (short + 2.0) / (long / 12.0 + 2.0)
    # A shop without sales still has something to show: the newest first, then the order of the ids.
    newest = np.nan_to_num(shelf.catalogue.created_day, nan=0.0)
    pool = np.lexsort((np.arange(len(heat)), -newest, -heat))
    pool = pool[allowed[pool]][:TRENDING_POOL]
    share = category_shares(shelf, customers)
    category = shelf.catalogue.category[pool]
    liked = np.where(category >= 0, share[:, np.maximum(category, 0)], 0.0) if share.shape[1] else np.zeros((len(customers), len(pool)))
    score = heat[pool][None, :] * (1.0 + 2.0 * liked)
    customer = np.repeat(customers, len(pool))
    product = np.tile(pool, len(customers))
    reason = np.where(liked.ravel() >= 0.2, NUMBER["trending_category"], NUMBER["trending"]).astype(np.int8)
    return Rows(customer, product, score.ravel(), reason)


def unwanted(shelf: Shelf, rows: Rows) -> Bools:
    """What the customer gave back, or just bought, or another of its family."""
    pair = rows.customer * shelf.sources.moment.history.product_count + rows.product
    return (places(shelf.given_back, pair) >= 0) | (places(shelf.fresh, shelf.things(rows.customer, rows.product)) >= 0)


def category_shares(shelf: Shelf, customers: Ints) -> Floats:
    """Customers x categories: shares of what they had to do with lately; zero for the unknown."""
    category = shelf.catalogue.category
    known = np.flatnonzero(category >= 0)
    shape = (len(category), len(shelf.catalogue.category_names))
    membership = sparse.csr_matrix((np.ones(len(known)), (known, category[known])), shape=shape)
    mix = (shelf.sources.recent[customers].astype(float) @ membership).toarray()
    return np.asarray(mix / np.maximum(mix.sum(axis=1, keepdims=True), 1e-9))


def nothing() -> Rows:
    """No rows."""
    return Rows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, dtype=np.int8))


def all_for(code: str, count: int) -> NDArray[np.int8]:
    """One reason for so many rows."""
    return np.full(count, NUMBER[code], dtype=np.int8)
