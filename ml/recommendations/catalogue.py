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

from ml.recommendations.history import Bools, Floats, Ints, days_of
from ml.recommendations.neighbours import top_per_row

CONTENT_CHUNK = 2_000
WORD = re.compile(r"\b[^\W\d_]{2,}\b")


@dataclass(frozen=True)
class Catalogue:
    """One entry per product code of a history.

    ``category`` is -1 where unknown, ``created_day`` nan where unknown; a product that only the interactions know is
    not ``listed`` and can never be shown.
    """

    listed: Bools
    in_stock: Bools
    category: Ints
    category_names: tuple[str, ...]
    created_day: Floats
    tags: tuple[frozenset[str], ...]
    texts: tuple[str, ...]

    @property
    def showable(self) -> Bools:
        """Listed and in stock."""
        return self.listed & self.in_stock

    @cached_property
    def vectors(self) -> sparse.csr_matrix:
        """Products x terms, rows of length one (or zero, where there is no text)."""
        if not any(text.strip() for text in self.texts):
            return sparse.csr_matrix((len(self.texts), 1), dtype=np.float32)
        # "size:" and single letters carry stock keeping, not taste: terms have two letters or more.
        vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer=WORD.findall, dtype=np.float32)
        try:
            return vectorizer.fit_transform(self.texts).tocsr()
        except ValueError:  # nothing but numbers and single letters
            return sparse.csr_matrix((len(self.texts), 1), dtype=np.float32)

    @cached_property
    def likeness(self) -> sparse.csr_matrix:
        """Products x products: the 30 most alike of each listed product, cosine of their texts."""
        return self.alike(np.arange(len(self.texts)))

    def alike(self, anchors: Ints, count: int = 30) -> sparse.csr_matrix:
        """Anchors x products, the ``count`` most alike each; ties go to the smaller code."""
        blocks = []
        for start in range(0, len(anchors), CONTENT_CHUNK):
            chosen = anchors[start : start + CONTENT_CHUNK]
            block = (self.vectors[chosen] @ self.vectors.T).tocoo()
            other = block.col != chosen[block.row]
            kept = sparse.csr_matrix((block.data[other], (block.row[other], block.col[other])), shape=block.shape)
            blocks.append(top_per_row(kept, count))
        return sparse.vstack(blocks).tocsr() if blocks else sparse.csr_matrix((0, len(self.texts)), dtype=np.float32)


def read_catalogue(products: pa.Table, ids: NDArray[np.object_], as_of_day: float) -> Catalogue:
    """Align ``product_id, title, category, brand, price, in_stock, tags, created_at`` to product codes.

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
    known = sorted({name for name in names if name is not None})
    position = {name: place for place, name in enumerate(known)}
    category = np.array([position[name] if name is not None else -1 for name in names], dtype=np.int64)
    return Catalogue(listed, in_stock, category, tuple(known), created, tuple(tags), tuple(texts))


def read_tags(value: list[str] | str | None) -> list[str]:
    """Tags in lower case without blanks around them, from a list or a text separated by commas."""
    parts = value.split(",") if isinstance(value, str) else value or []
    return [part.strip().lower() for part in parts if part and part.strip()]
