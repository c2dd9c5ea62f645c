"""What each customer did with each product before a moment, as numbers.

Ids become positions in sorted lists, so that the same rows in any order give the same
arrays. One event is one (customer, product, moment, kind); quantities of repeated lines add up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class History:
    """Events sorted by (customer, product, moment, kind).

    ``days`` are days since 1970-01-01 UTC with fractions; ``purchase`` is false for views.
    ``customers`` and ``products`` are the sorted ids that the codes point into.
    """

    customers: NDArray[np.object_]
    products: NDArray[np.object_]
    customer: Ints
    product: Ints
    days: Floats
    purchase: Bools
    quantity: Floats

    def __len__(self) -> int:
        return len(self.customer)

    @property
    def customer_count(self) -> int:
        return len(self.customers)

    @property
    def product_count(self) -> int:
        return len(self.products)

    @property
    def newest_day(self) -> float:
        return float(self.days.max()) if len(self) else 0.0

    @cached_property
    def target(self) -> Bools:
        """The events a recommendation tries to bring about: purchases, or views where nothing is sold."""
        return self.purchase if self.purchase.any() else np.ones(len(self), dtype=bool)

    def before(self, day: float) -> History:
        """The events strictly before a day; the codes stay."""
        return self.where(self.days < day)

    def between(self, start: float, end: float) -> History:
        """The events in [start, end); the codes stay."""
        return self.where((self.days >= start) & (self.days < end))

    def where(self, keep: Bools) -> History:
        """The events of a mask; the codes stay."""
        return self if keep.all() else self.at(np.flatnonzero(keep))

    def at(self, places: Ints) -> History:
        """The events at ascending places; the codes stay."""
        return replace(
            self,
            customer=self.customer[places],
            product=self.product[places],
            days=self.days[places],
            purchase=self.purchase[places],
            quantity=self.quantity[places],
        )

    @cached_property
    def starts(self) -> Ints:
        """Where each customer's events begin, one more than there are customers."""
        return np.searchsorted(self.customer, np.arange(self.customer_count + 1))

    def of_customers(self, customers: Ints) -> History:
        """The events of some customers (ascending codes); the codes stay."""
        return self.at(ranges(self.starts[customers], self.starts[customers + 1]))

    def target_events(self) -> History:
        """Purchases alone (views alone where nothing is sold)."""
        return self if self.target.all() else self.where(self.target)

    def pair_keys(self) -> Ints:
        """Sorted distinct ``customer * product_count + product`` of the events."""
        keys = self.customer * self.product_count + self.product
        return keys[np.r_[True, keys[1:] != keys[:-1]]] if len(keys) else keys

    def matrix(self, weights: Floats | None = None) -> sparse.csr_matrix:
        """Customers x products, float32; weights of the same pair add up, or ones without weights."""
        shape = (self.customer_count, self.product_count)
        if weights is None:
            keys = self.pair_keys()
            rows, columns = np.divmod(keys, max(self.product_count, 1))
            values = np.ones(len(keys), dtype=np.float32)
        else:
            rows, columns, values = self.customer, self.product, weights.astype(np.float32)
        built = sparse.coo_matrix((values, (rows, columns)), shape=shape).tocsr()
        built.sum_duplicates()
        return built


def read_history(
    interactions: pa.Table,
    as_of_day: float | None = None,
    customers: pa.ChunkedArray | None = None,
    products: pa.ChunkedArray | None = None,
) -> History:
    """Build a history from ``customer_id, product_id, at, kind, quantity`` (the last two optional).

    ``customers`` and ``products`` are ids that get a code even where nothing happened to them.

    ``at`` is a timestamp (a zone is converted to UTC) or a date. Rows without customer, product or
    moment are left out, and so is everything at or after ``as_of_day``.
    """
    table = interactions.filter(
        pc.and_(
            pc.and_(pc.is_valid(interactions["customer_id"]), pc.is_valid(interactions["product_id"])),
            pc.is_valid(interactions["at"]),
        )
    )
    days = days_of(table["at"])
    if as_of_day is not None:
        table = table.filter(pa.array(days < as_of_day))
        days = days[days < as_of_day]
    names = set(table.column_names)
    purchase = (
        np.asarray(pc.equal(table["kind"], "purchase").fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
        if "kind" in names
        else np.ones(table.num_rows, dtype=bool)
    )
    quantity = (
        np.nan_to_num(pc.cast(table["quantity"], pa.float64(), safe=False).to_numpy(zero_copy_only=False), nan=1.0)
        if "quantity" in names
        else np.ones(table.num_rows)
    )
    customer_ids, customer = encode(table["customer_id"], customers)
    product_ids, product = encode(table["product_id"], products)
    order = np.lexsort((quantity, purchase, days, product, customer))
    customer, product, days = customer[order], product[order], days[order]
    purchase, quantity = purchase[order], quantity[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(customer) != 0) | (np.diff(product) != 0) | (np.diff(days) != 0) | (purchase[1:] != purchase[:-1])
    starts = np.flatnonzero(first)
    return History(
        customers=customer_ids,
        products=product_ids,
        customer=customer[starts],
        product=product[starts],
        days=days[starts],
        purchase=purchase[starts],
        quantity=np.add.reduceat(quantity, starts) if len(starts) else quantity,
    )


def pairs_in(history: History, about: pa.Table) -> Ints:
    """Ascending ``customer * product_count + product`` of the rows (``customer_id``, ``product_id``) whose both are known."""

    def codes(column: pa.ChunkedArray, ids: NDArray[np.object_]) -> Ints:
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        found = pc.index_in(plain, value_set=pa.array(ids.tolist(), plain.type)).fill_null(-1)
        return np.asarray(found.to_numpy(), dtype=np.int64)

    customer, product = codes(about["customer_id"], history.customers), codes(about["product_id"], history.products)
    known = (customer >= 0) & (product >= 0)
    return distinct(customer[known] * history.product_count + product[known])


def ranges(starts: Ints, ends: Ints) -> Ints:
    """The numbers of [start, end) of each pair, one after another."""
    lengths = ends - starts
    offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(starts, lengths) + offset


def distinct(values: Ints) -> Ints:
    """Sorted distinct values; sorting is cheap, numpy's hashing is not."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def places(ordered: Ints, wanted: Ints) -> Ints:
    """Where each value is among ascending ones, -1 where it is not: a hash of a million numbers takes longer."""
    if not len(ordered):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)


def days_of(moments: pa.ChunkedArray) -> Floats:
    """Moments as days since 1970-01-01 UTC; dates count from their midnight."""
    microseconds = pc.cast(moments, pa.timestamp("us"), safe=False).cast(pa.int64())
    return np.asarray(microseconds.to_numpy(zero_copy_only=False), dtype=float) / MICROSECONDS_PER_DAY


def encode(ids: pa.ChunkedArray, more: pa.ChunkedArray | None = None) -> tuple[NDArray[np.object_], Ints]:
    """Sorted distinct ids (of both) and the position of each of the first rows' ids among them."""
    if pa.types.is_dictionary(ids.type):
        ids = pc.cast(ids, ids.type.value_type)
    every = ids if more is None else pa.chunked_array([*ids.chunks, *pc.cast(more, ids.type).chunks], type=ids.type)
    encoded = pc.dictionary_encode(every.drop_null() if every.null_count else every).unify_dictionaries()
    if encoded.num_chunks == 0:
        return np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    dictionary = encoded.chunk(0).dictionary
    order = pc.sort_indices(dictionary).to_numpy()
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks])[: len(ids)]
    return np.array(dictionary.take(pa.array(order)).to_pylist(), dtype=object), position[codes.astype(np.int64)]
