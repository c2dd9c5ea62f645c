"""The products of a shop by code, and how alike their texts are.

Content likeness is the cosine of TF-IDF vectors over title, category, brand and tags: what is left to go by for a
product nobody has bought and a customer nobody knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from ml.recommendations.history import Bools, Floats, Ints, days_of, ranges
from ml.recommendations.neighbours import top_per_row

# Of the comparisons of texts, as many as fit into memory together.
ENTRIES_AT_ONCE = 20_000_000
# A word of more texts than this is left out.
SHARED_BY = 2_000
WORD = re.compile(r"\b[^\W\d_]{2,}\b")


@dataclass(frozen=True)
class Catalogue:
    """One entry per product code of a history.

    ``category`` is -1 where unknown, ``created_day`` nan where unknown; a product that only the interactions know is
    not ``listed`` and can never be shown. Products of one ``family`` are sizes or colours of the same (-1: the only one of its); None where
    there are no families.
    """

    listed: Bools
    in_stock: Bools
    category: Ints
    category_names: tuple[str, ...]
    created_day: Floats
    tags: tuple[frozenset[str], ...]
    texts: tuple[str, ...]
    family: Ints | None = None

    @property
    def showable(self) -> Bools:
        """Listed and in stock."""
        return self.listed & self.in_stock

    @cached_property
    def vectors(self) -> sparse.csr_matrix:
        """Products x terms, rows of length one (or zero, where there is no text). A term that thousands of texts share tells none of them apart."""
        if not any(text.strip() for text in self.texts):
            return sparse.csr_matrix((len(self.texts), 1), dtype=np.float32)
        # "size:" and single letters carry stock keeping, not taste: terms have two letters or more.
        vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer=WORD.findall, dtype=np.float32)
        try:
            vectors = vectorizer.fit_transform(self.texts).tocsr()
        except ValueError:  # nothing but numbers and single letters
            return sparse.csr_matrix((len(self.texts), 1), dtype=np.float32)
        shared = np.bincount(vectors[self.said[0]].indices, minlength=vectors.shape[1]) > SHARED_BY
        return normalize(vectors @ sparse.diags((~shared).astype(np.float32))).tocsr() if shared.any() else vectors

    @cached_property
    def likeness(self) -> sparse.csr_matrix:
        """Products x products: the 30 most alike of each listed product, cosine of their texts."""
        return self.alike(np.arange(len(self.texts)))

    def alike(self, anchors: Ints, count: int = 30) -> sparse.csr_matrix:
        """Anchors x products, the ``count`` most alike each that are not of its family; ties go to the smaller code.

        Products that say the same are compared once: of each text its first products suffice, and of the texts the nearest.
        """
        firsts, text, members, starts = self.said
        # A family's texts are the nearest of all: as many more are looked at as may be its.
        wide = count + 1 if self.family is None else count + min(int(np.bincount(self.family[self.family >= 0]).max()), count)
        asked, row_of = np.unique(text[anchors], return_inverse=True)
        vectors = self.vectors[firsts]
        # A row of the product has at most as many entries as its words have texts.
        entries = (vectors != 0).astype(np.int64)[asked] @ np.bincount(vectors.indices, minlength=vectors.shape[1])
        ends = np.searchsorted(np.cumsum(entries), np.arange(1, int(entries.sum()) // ENTRIES_AT_ONCE + 2) * ENTRIES_AT_ONCE, "right")
        blocks = [part for part in np.split(asked, np.unique(ends)) if len(part)]
        nearest = [top_per_row((vectors[part] @ vectors.T).tocsr(), wide) for part in blocks]
        near = sparse.vstack(nearest).tocsr() if nearest else sparse.csr_matrix((0, len(firsts)), dtype=np.float32)
        # Each text's row becomes its products: those of the nearest texts, as many of each as could be shown.
        pairs = near.tocoo()
        begins = starts[pairs.col]
        sizes = np.minimum(starts[pairs.col + 1] - begins, wide)
        product = members[ranges(begins, begins + sizes)]
        size = len(self.texts)
        told = sparse.csr_matrix((np.repeat(pairs.data, sizes), (np.repeat(pairs.row, sizes), product)), shape=(len(asked), size))
        own = top_per_row(told, wide)[row_of].tocoo()
        other = own.col != anchors[own.row]
        alike = sparse.csr_matrix((own.data[other], (own.row[other], own.col[other])), shape=(len(anchors), size))
        return top_per_row(self.without_siblings(alike, anchors), count)

    def without_siblings(self, matrix: sparse.csr_matrix, anchors: Ints) -> sparse.csr_matrix:
        """Anchors x products without those of the anchor's family: another size of it is no other product."""
        if self.family is None:
            return matrix
        cells = matrix.tocoo()
        family = self.family[anchors[cells.row]]
        strange = (family < 0) | (family != self.family[cells.col])
        return sparse.csr_matrix((cells.data[strange], (cells.row[strange], cells.col[strange])), shape=matrix.shape)

    @cached_property
    def said(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The first product of each text, in order; each product's text; and the products text by text, with where each text's begin."""
        _, first, text = np.unique(np.array(self.texts, dtype=object), return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        text = place[text]
        members = np.argsort(text, kind="stable")
        return first[order], text, members, np.searchsorted(text[members], np.arange(len(order) + 1))


def read_catalogue(products: pa.Table, ids: NDArray[np.object_], as_of_day: float) -> Catalogue:
    """Align ``product_id, title, category, family, brand, price, in_stock, tags, created_at`` to product codes.

    Only ``product_id`` is needed. A missing ``in_stock`` column means everything is in stock, a null means it is not;
    ``tags`` is a list of strings or a text separated by commas. Products created at or after the moment are not listed.
    """
    size = len(ids)
    code = {product: position for position, product in enumerate(ids)}
    listed = np.zeros(size, dtype=bool)
    in_stock = np.zeros(size, dtype=bool)
    created = np.full(size, np.nan)
    names: list[str | None] = [None] * size
    tags: list[frozenset[str]] = [frozenset()] * size
    texts = [""] * size
    columns = {name: products[name].to_pylist() for name in products.column_names if name != "created_at"}
    days = days_of(products["created_at"]) if "created_at" in products.column_names else np.full(len(products), np.nan)
    for row, product in enumerate(columns["product_id"]):
        if days[row] >= as_of_day:
            continue
        at = code[product]
        listed[at] = True
        in_stock[at] = bool(columns["in_stock"][row]) if "in_stock" in columns else True
        created[at] = days[row]
        names[at] = columns["category"][row] if "category" in columns else None
        tags[at] = frozenset(read_tags(columns["tags"][row])) if "tags" in columns else frozenset()
        words = [columns[name][row] for name in ("title", "category", "brand") if name in columns]
        texts[at] = " ".join([str(word) for word in words if word] + sorted(tags[at])).lower()
    families: dict[str, list[int]] = {}
    for product, name in zip(columns["product_id"], columns.get("family", []), strict=False):
        if name is not None and listed[code[product]]:
            families.setdefault(name, []).append(code[product])
    family = np.full(size, -1, dtype=np.int64)
    for place, members in enumerate(members for members in families.values() if len(members) > 1):
        family[members] = place
    known = sorted({name for name in names if name is not None})
    position = {name: place for place, name in enumerate(known)}
    category = np.array([position[name] if name is not None else -1 for name in names], dtype=np.int64)
    return Catalogue(listed, in_stock, category, tuple(known), created, tuple(tags), tuple(texts), family if (family >= 0).any() else None)


def read_tags(value: list[str] | str | None) -> list[str]:
    """Tags in lower case without blanks around them, from a list or a text separated by commas."""
    parts = value.split(",") if isinstance(value, str) else value or []
    return [part.strip().lower() for part in parts if part and part.strip()]
