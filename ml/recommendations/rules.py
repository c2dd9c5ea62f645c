"""What may be shown to whom, decided before anything is ranked.

Out of stock and unlisted products are never shown. Stated preferences are obeyed to the letter: a forbidden tag
rules a product out, a required tag must be there (what is vegan is vegetarian). Tags with a prefix (``size:m``) are alternatives to each other and
bind only products that carry the prefix at all: a mug has no size. Just bought means within ``just_bought_days``, unless
the product runs out and its time has come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.recommendations.candidates import COLUMN
from ml.recommendations.catalogue import Catalogue, read_tags
from ml.recommendations.history import Bools, Floats, Ints

# What a tag is met by, too.
MET_BY = {"vegetarian": {"vegan"}}
LISTS = ("required_tags", "forbidden_tags", "excluded_products", "excluded_categories")


@dataclass(frozen=True)
class Rules:
    """``due_ratio`` is the share of the usual gap after which a repeat is due, ``overdue_ratio`` when it is given up;
    ``replenishable_share`` is the share of buyers who bought the product again that makes it one that runs out."""

    just_bought_days: float = 14.0
    due_ratio: float = 0.8
    overdue_ratio: float = 4.0
    replenishable_share: float = 0.15
    per_category: int = 4


@dataclass(frozen=True)
class Preferences:
    """What one or more customers stated: tags and categories in lower case, and product ids."""

    required_tags: frozenset[str] = frozenset()
    forbidden_tags: frozenset[str] = frozenset()
    excluded_products: frozenset[object] = frozenset()
    excluded_categories: frozenset[str] = frozenset()


def read_preferences(table: pa.Table | None) -> dict[object, Preferences]:
    """``customer_id`` and any of the lists (or comma-separated texts) in LISTS; rows of one customer add up."""
    stated: dict[object, Preferences] = {}
    if table is None:
        return stated
    for row in table.to_pylist():
        before = stated.get(row["customer_id"], Preferences())
        stated[row["customer_id"]] = Preferences(
            before.required_tags | frozenset(read_tags(row.get("required_tags"))),
            before.forbidden_tags | frozenset(read_tags(row.get("forbidden_tags"))),
            before.excluded_products | frozenset(_as_list(row.get("excluded_products"))),
            before.excluded_categories | frozenset(str(name).lower() for name in _as_list(row.get("excluded_categories"))),
        )
    return stated


def _as_list(value: list[object] | str | None) -> Iterable[object]:
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value or []
    stripped = (part.strip() if isinstance(part, str) else part for part in parts)
    return [part for part in stripped if part != ""]


def allowed_products(catalogue: Catalogue, ids: NDArray[np.object_], stated: Preferences) -> Bools:
    """The products that may be shown to somebody with these preferences."""
    allowed = catalogue.showable.copy()
    if stated == Preferences():
        return allowed
    groups: dict[str, set[str]] = {}
    for tag in stated.required_tags:
        prefix, colon, _ = tag.partition(":")
        groups.setdefault(prefix + colon if colon else tag, set()).update({tag} | MET_BY.get(tag, set()))
    for code in np.flatnonzero(allowed):
        tags = catalogue.tags[code]
        place = catalogue.category[code]
        allowed[code] = not (
            ids[code] in stated.excluded_products
            or (place >= 0 and catalogue.category_names[place].lower() in stated.excluded_categories)
            or tags & stated.forbidden_tags
            or any(not _meets(tags, group, wanted) for group, wanted in groups.items())
        )
    return allowed


def _meets(tags: frozenset[str], group: str, wanted: set[str]) -> bool:
    if tags & wanted:
        return True
    return group.endswith(":") and not any(tag.startswith(group) for tag in tags)


def due_gap(features: NDArray[np.float32], rules: Rules) -> Floats:
    """Usual days between purchases of a pair: own gaps shrunken to the product's; nan where it does not run out."""
    count = np.nan_to_num(features[:, COLUMN["count"]].astype(float))
    own = np.nan_to_num(features[:, COLUMN["mean_gap"]].astype(float))
    usual = features[:, COLUMN["typical_gap"]].astype(float)
    repeats = np.maximum(count - 1.0, 0.0)
    weight = np.where(np.isnan(usual), 0.0, 2.0)
    gap = (own * repeats + np.nan_to_num(usual) * weight) / np.maximum(repeats + weight, 1.0)
    runs_out = (features[:, COLUMN["repeat_share"]] >= rules.replenishable_share) & (count > 0)
    return np.where((runs_out | (count > 2)) & (repeats + weight > 0) & (gap > 0), gap, np.nan)


def is_due(features: NDArray[np.float32], rules: Rules) -> Bools:
    """The pair's usual gap has nearly passed, and not long ago."""
    ratio = features[:, COLUMN["age_last"]] / due_gap(features, rules)
    return np.asarray((ratio >= rules.due_ratio) & (ratio <= rules.overdue_ratio), dtype=bool)


def just_bought(features: NDArray[np.float32], rules: Rules) -> Bools:
    """Bought within ``just_bought_days`` and not yet due again."""
    fresh = features[:, COLUMN["age_last"]] < rules.just_bought_days
    bought = np.nan_to_num(features[:, COLUMN["count"]]) > 0
    return np.asarray(fresh & bought & ~is_due(features, rules), dtype=bool)


def choose(customer: Ints, product: Ints, score: Floats, category: Ints, count: int, per_category: int) -> tuple[Ints, Ints]:
    """Positions of the rows to show and their ranks from 1, by customer and rank.

    The best ``count`` of each customer with at most ``per_category`` of one category, more of it only where nothing
    else is left. Ranks follow the score, then the product; scores count as rounded to six places.
    """
    score = np.round(score, 6)
    best_first = np.lexsort((product, -score, customer))
    # An unknown category is its own: nothing is known to be alike.
    group = np.where(category >= 0, category, -1 - np.arange(len(category)))
    by_group = best_first[np.lexsort((np.arange(len(best_first)), group[best_first], customer[best_first]))]
    crowded = np.empty(len(customer), dtype=bool)
    crowded[by_group] = _place((customer[by_group], group[by_group])) >= per_category
    picked = np.lexsort((product, -score, crowded, customer))
    picked = picked[_place((customer[picked],)) < count]
    shown = picked[np.lexsort((product[picked], -score[picked], customer[picked]))]
    return shown, _place((customer[shown],)) + 1


def one_of_a_family(customer: Ints, product: Ints, score: Floats, family: Ints) -> Bools:
    """Whether a row is its customer's best of its family (-1: it has none), in the order of `choose`: S, M and L of a shirt are one wish."""
    best_first = np.lexsort((product, -np.round(score, 6), family, customer))
    best = np.empty(len(customer), dtype=bool)
    best[best_first] = _place((customer[best_first], family[best_first])) == 0
    return best | (family < 0)


def _place(keys: tuple[Ints, ...]) -> Ints:
    """Place from 0 within runs of equal keys."""
    size = len(keys[0])
    change = np.ones(size, dtype=bool)
    if size:
        change[1:] = np.any([np.diff(key) != 0 for key in keys], axis=0)
    starts = np.flatnonzero(change)
    return np.arange(size) - np.repeat(starts, np.diff(np.r_[starts, size]))
