"""Recommendations of a moment: Arrow in, Arrow out, the same bytes for the same input."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.recommendations.candidates import prepare, relate
from ml.recommendations.catalogue import Catalogue, read_catalogue
from ml.recommendations.history import Bools, History, Ints, days_of, pairs_in, read_history
from ml.recommendations.moment import measure
from ml.recommendations.ranker import Ranker, Settings, fit_ranker, sources_at
from ml.recommendations.reasons import SENTENCES
from ml.recommendations.relations import bundles, relations, values_of
from ml.recommendations.rules import Preferences, Rules, allowed_products, choose, one_of_a_family, read_preferences
from ml.recommendations.strategies import (
    Rows,
    Shelf,
    all_for,
    bought_again,
    goes_with,
    new_arrivals,
    nothing,
    ordered_together,
    ranked,
    similar_to,
    trending,
    unwanted,
)

STRATEGIES = ("for_you", "new_for_you", "similar_to", "goes_with", "bought_again", "trending")
FIRST = 1e9  # above every score


@dataclass(frozen=True)
class Request:
    """What to make: lists of ``top`` per strategy, under ``rules``, ranked by ``settings``."""

    strategies: tuple[str, ...] = STRATEGIES
    top: int = 10
    rules: Rules = field(default_factory=Rules)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Listed:
    """Rows of finished lists, as small as they can be kept: a shop of a million customers has fifty million."""

    customer: NDArray[np.int32]
    strategy: NDArray[np.int8]
    rank: NDArray[np.int32]
    product: NDArray[np.int32]
    score: NDArray[np.float64]
    reason: NDArray[np.int8]


@dataclass(frozen=True)
class Recommendations:
    """What to show.

    ``table``: one row per customer, strategy and rank: ``customer_id, strategy, rank, product_id, score, reason`` (ids and words as dictionaries).
    ``relations``: one row per product, relation (similar_to, goes_with) and rank, for product pages.
    ``bundles``: one row per bundle of two or three products that are ordered together.
    ``rankers``: the models behind for_you and new_for_you; a reason in them means that the formula ranked instead.
    """

    table: pa.Table
    relations: pa.Table
    bundles: pa.Table
    rankers: dict[str, Ranker]


def recommend(
    interactions: pa.Table,
    products: pa.Table,
    as_of: datetime,
    customers: pa.Table | None = None,
    preferences: pa.Table | None = None,
    brought: pa.Table | None = None,
    request: Request | None = None,
) -> Recommendations:
    """Lists for every customer of ``customers`` (``customer_id`` and optionally ``profiling``), else of the interactions.

    ``interactions`` are ``customer_id, product_id, at, kind, quantity``; nothing at or after ``as_of`` (naive UTC) counts. A row of the kind
    ``return`` is a product of which the customer kept nothing: it teaches nothing and is not shown to them.
    ``products`` see ``read_catalogue``, ``preferences`` see ``read_preferences``. The past of a customer whose ``profiling``
    is not true is not read at all: they get what is trending. ``brought`` (``customer_id, product_id, score``; no less personal) takes the
    place of for_you. Raises ValueError for an unknown strategy or a moment with a zone.
    """
    request = request or Request()
    if unknown := set(request.strategies) - set(STRATEGIES):
        raise ValueError(f"Unknown strategy {', '.join(sorted(unknown))}; there are {', '.join(STRATEGIES)}.")
    if as_of.tzinfo is not None:
        raise ValueError("as_of must be naive UTC.")
    day = as_of.replace(tzinfo=UTC).timestamp() / 86_400
    interactions, given_back = _parted(_permitted(interactions, customers), day)
    brought = _permitted(brought, customers) if brought is not None else None
    served_ids = customers["customer_id"] if customers is not None else interactions["customer_id"]
    history = read_history(interactions, day, served_ids, products["product_id"])
    catalogue = read_catalogue(products, history.products, day)
    # Before the shelf: what they learn from is as large, and gone by then.
    rankers = _rankers(history, catalogue, day, request, brought)
    shelf = _shelf(history, catalogue, day, request, pairs_in(history, given_back))
    wanted = set(pc.unique(served_ids).to_pylist())
    served = np.flatnonzero(np.array([identity in wanted for identity in history.customers], dtype=bool))
    stated = read_preferences(preferences)
    parts: list[Listed] = []
    for group, wish in _groups(history, served, stated):
        allowed = allowed_products(shelf.catalogue, history.products, wish)
        for start in range(0, len(group), shelf.sources.block):
            chunk = group[start : start + shelf.sources.block]
            parts.append(_listed(_chunk(shelf, chunk, allowed, rankers, request)))
        if brought is not None and "for_you" in request.strategies:
            parts.append(_listed({"for_you": _brought(shelf, brought, group, allowed, request)}))
    return Recommendations(
        _table(parts, history, interactions.schema),
        relations(shelf, interactions.schema, request.top),
        bundles(shelf, interactions.schema),
        rankers,
    )


def _permitted(about: pa.Table, customers: pa.Table | None) -> pa.Table:
    """The rows about people whose ``profiling`` is true, or about anybody where nobody was asked."""
    if customers is None or "profiling" not in customers.column_names:
        return about
    refused = customers.filter(pc.invert(pc.fill_null(customers["profiling"], False)))["customer_id"]
    return about.filter(pc.invert(pc.is_in(about["customer_id"], value_set=refused.combine_chunks())))


def _parted(interactions: pa.Table, day: float) -> tuple[pa.Table, pa.Table]:
    """What people did, and what they gave back before a day."""
    if "kind" not in interactions.column_names:
        return interactions, interactions.slice(0, 0)
    given_back = pc.fill_null(pc.equal(interactions["kind"], "return"), False)
    returns = interactions.filter(given_back)
    return interactions.filter(pc.invert(given_back)), returns.filter(pa.array(days_of(returns["at"]) < day))


def _shelf(history: History, catalogue: Catalogue, day: float, request: Request, given_back: Ints) -> Shelf:
    settings = request.settings
    moment = measure(history, day, settings.horizon_days)
    sources = prepare(moment, relate(moment, settings.penalty, settings.max_products, catalogue.likeness))
    return Shelf(sources, catalogue, request.rules, ordered_together(history, catalogue), given_back)


def _rankers(history: History, catalogue: Catalogue, day: float, request: Request, brought: pa.Table | None) -> dict[str, Ranker]:
    needed = [name for name in ("for_you", "new_for_you") if name in request.strategies]
    known_at = sources_at(request.settings, catalogue.likeness)
    return {
        name: fit_ranker(history, day, request.settings, name == "new_for_you", known_at)
        for name in needed
        if not (name == "for_you" and brought is not None)
    }


def _groups(history: History, served: Ints, stated: dict[object, Preferences]) -> list[tuple[Ints, Preferences]]:
    """Customers by what they stated: everybody of a group may be shown the same products."""
    members: dict[Preferences, list[int]] = {}
    for code in served.tolist():
        members.setdefault(stated.get(history.customers[code], Preferences()), []).append(code)
    return [(np.array(codes, dtype=np.int64), wish) for wish, codes in members.items()]


def _chunk(shelf: Shelf, customers: Ints, allowed: Bools, rankers: dict[str, Ranker], request: Request) -> dict[str, Rows]:
    starts = shelf.sources.moment.starts
    known = customers[starts[customers + 1] > starts[customers]]
    made: dict[str, Rows] = {}
    for name, ranker in rankers.items():
        rows = ranked(shelf, known, ranker, request.settings, allowed)
        if name == "new_for_you":
            made[name] = _with_arrivals(shelf, rows, new_arrivals(shelf, known, allowed), request)
        else:
            made[name] = _cut(shelf, rows, request.top, request)
    for name, strategy in (("similar_to", similar_to), ("goes_with", goes_with), ("bought_again", bought_again)):
        if name in request.strategies:
            made[name] = _cut(shelf, strategy(shelf, known, allowed), request.top, request)
    if "trending" in request.strategies:
        made["trending"] = _cut(shelf, trending(shelf, customers, allowed), request.top, request)
    return made


def _cut(shelf: Shelf, rows: Rows, top: int, request: Request) -> Rows:
    """The rows to show: nothing unwanted, one of a family, not too many of a category."""
    rows = rows.where(~unwanted(shelf, rows))
    if shelf.catalogue.family is not None:
        rows = rows.where(one_of_a_family(rows.customer, rows.product, rows.score, shelf.catalogue.family[rows.product]))
    category = shelf.catalogue.category[rows.product]
    shown, _ = choose(rows.customer, rows.product, rows.score, category, top, request.rules.per_category)
    return rows.where(shown)


def _with_arrivals(shelf: Shelf, rows: Rows, arrivals: Rows, request: Request) -> Rows:
    """Cut lists whose last place belongs to a product too new to have buyers, where one is like what was chosen."""
    width = shelf.sources.moment.history.product_count
    kept = rows.where(~np.isin(rows.customer * width + rows.product, arrivals.customer * width + arrivals.product))
    # Chosen first, so that it counts for the diversity of the list; its own score comes after.
    first = replace(arrivals, score=np.full(len(arrivals.customer), FIRST))
    cut = _cut(shelf, _joined([kept, first]), request.top, request)
    fresh = cut.score == FIRST
    who, row = np.unique(cut.customer, return_inverse=True)
    lowest = np.full(len(who), FIRST)
    np.minimum.at(lowest, row, np.round(cut.score, 6))
    below = np.where(lowest == FIRST, 0.0, np.maximum(lowest - 1e-6, 0.0))
    return replace(cut, score=np.where(fresh, below[row], cut.score))


def _brought(shelf: Shelf, brought: pa.Table, customers: Ints, allowed: Bools, request: Request) -> Rows:
    """The shop's own scores for these customers, under the same rules."""
    history = shelf.sources.moment.history
    codes = {history.customers[code]: code for code in customers.tolist()}
    places = {product: code for code, product in enumerate(history.products)}
    best: dict[tuple[int, int], float] = {}
    columns = (brought[name].to_pylist() for name in ("customer_id", "product_id", "score"))
    for customer, product, score in zip(*columns, strict=True):
        if customer in codes and product in places and score is not None and np.isfinite(score):
            pair = codes[customer], places[product]
            best[pair] = max(float(score), best.get(pair, -np.inf))
    pairs = np.array(sorted(best), dtype=np.int64).reshape(-1, 2)
    scores = np.array([best[customer, product] for customer, product in pairs.tolist()], dtype=float)
    who, what = pairs[:, 0], pairs[:, 1]
    made = Rows(who, what, scores, all_for("shop_choice", len(scores))).where(allowed[what])
    return _cut(shelf, made, request.top, request)


def _joined(parts: list[Rows]) -> Rows:
    return Rows(
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.product for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.reason for part in parts]),
    )


def _listed(made: dict[str, Rows]) -> Listed:
    """The lists of some customers by customer, strategy and rank."""
    every = _joined([nothing(), *made.values()])
    number = [np.full(len(rows.customer), STRATEGIES.index(name), dtype=np.int8) for name, rows in made.items()]
    strategy = np.concatenate([np.empty(0, dtype=np.int8), *number])
    score = np.round(every.score, 6) + 0.0
    order = np.lexsort((every.product, -score, strategy, every.customer))
    customer, strategy = every.customer[order].astype(np.int32), strategy[order]
    change = np.r_[True, (np.diff(customer) != 0) | (np.diff(strategy) != 0)] if len(order) else np.empty(0, bool)
    starts = np.flatnonzero(change)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)])) + 1
    product, reason = every.product[order].astype(np.int32), every.reason[order].astype(np.int8)
    return Listed(customer, strategy, rank.astype(np.int32), product, score[order], reason)


def _table(parts: list[Listed], history: History, schema: pa.Schema) -> pa.Table:
    """All lists by customer, strategy and rank."""
    every = {field.name: np.concatenate([getattr(part, field.name) for part in parts or [_listed({})]]) for field in fields(Listed)}
    parts.clear()
    place = every["customer"].astype(np.int64) * len(STRATEGIES) + every["strategy"]
    if (np.diff(place) < 0).any():
        order = np.argsort(place, kind="stable")
        every = {name: column[order] for name, column in every.items()}
    return pa.table(
        {
            "customer_id": _named(every["customer"], values_of(history.customers, schema.field("customer_id").type)),
            "strategy": _named(every["strategy"], pa.array(STRATEGIES)),
            "rank": pa.array(every["rank"]),
            "product_id": _named(every["product"], values_of(history.products, schema.field("product_id").type)),
            "score": pa.array(every["score"]),
            "reason": _named(every["reason"], pa.array(list(SENTENCES))),
        }
    )


def _named(codes: NDArray[np.int8] | NDArray[np.int32], values: pa.Array) -> pa.DictionaryArray:
    """A column that keeps its codes: fifty million texts would be gigabytes."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), values)
