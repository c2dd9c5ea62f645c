"""How products belong together: EASE over customers, cosine and lift over baskets.

EASE is the closed form of Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (WWW 2019):
``B = I - P / diag(P)`` with ``P = (X'X + lambda I)^-1`` and a zero diagonal. It is cubic in the
number of products and therefore fitted on the most popular ones only; the sparse cosine covers all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from ml.recommendations.history import History, Ints, distinct, ranges
from ml.recommendations.largest import largest_cells

MAX_EASE_PRODUCTS = 10_000
BASKET_LIMIT = 200
EASE_NEIGHBOURS = 50
ENTRIES_AT_ONCE = 20_000_000


@dataclass(frozen=True)
class Ease:
    """``weights`` is square over ``kept`` (product codes, ascending); ``position`` maps a code to it or -1."""

    kept: Ints
    position: Ints
    weights: NDArray[np.float32]


def fit_ease(matrix: sparse.csr_matrix, penalty: float, max_products: int = MAX_EASE_PRODUCTS) -> Ease:
    """Fit EASE on a customers x products matrix; ties in popularity go to the smaller code."""
    buyers = np.asarray((matrix != 0).sum(axis=0)).ravel()
    order = np.lexsort((np.arange(len(buyers)), -buyers))[:max_products]
    kept = np.sort(order[buyers[order] > 1]).astype(np.int64)
    position = np.full(matrix.shape[1], -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    gram = together(matrix[:, kept])
    if len(kept) == 0:
        return Ease(kept, position, gram)
    gram[np.diag_indices_from(gram)] += penalty
    # One BLAS thread: two threads add in another order, and the same input must give the same bytes.
    with threadpool_limits(limits=1, user_api="blas"):
        inverse = _symmetric_inverse(gram)
    weights = np.asfortranarray(inverse) / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return Ease(kept, position, weights)


def together(matrix: sparse.csr_matrix) -> NDArray[np.float32]:
    """Products x products of a customers x products matrix of ones: how many customers each two have in common."""
    of_product = matrix.tocsc()
    starts, customers = of_product.indptr, of_product.indices
    entries = np.concatenate([[0], np.cumsum(np.diff(matrix.indptr)[customers], dtype=np.int64)])[starts]
    counts = np.empty((matrix.shape[1], matrix.shape[1]), dtype=np.float32)
    # A product is its customers' rows added up: of some products at once, as many as memory holds well.
    for part in np.split(np.arange(len(counts)), np.flatnonzero(np.diff(entries[:-1] // ENTRIES_AT_ONCE)) + 1):
        if len(part):
            own = starts[part[0] : part[-1] + 2]
            counts[part] = spread(matrix[customers[own[0] : own[-1]]], own - own[0])
    return counts


def spread(found: sparse.csr_matrix, starts: NDArray[np.integer]) -> NDArray[np.float32]:
    """The sums of consecutive rows, from each start to the next, 0 where there is nothing.

    Adding rows to a dense block takes a third of the time of a product of sparse matrices.
    """
    shape = (len(starts) - 1, found.shape[1])
    return sparse.csr_matrix((found.data, found.indices, found.indptr[starts]), shape=shape).toarray()


def strongest_weights(ease: Ease, per_product: int = EASE_NEIGHBOURS) -> sparse.csr_matrix:
    """The ``per_product`` largest weights that lead to each product, as a sparse matrix over all products: what is left out changes no order
    that is shown, and a customer's scores take a tenth of the time.
    """
    every = len(ease.position)
    cells, column, _ = largest_cells(np.abs(ease.weights.T), per_product)
    row = cells - column * len(ease.kept)
    return sparse.csr_matrix((ease.weights[row, column], (ease.kept[row], ease.kept[column])), shape=(every, every))


def _symmetric_inverse(gram: NDArray[np.float32]) -> NDArray[np.float32]:
    factor, failed = linalg.lapack.spotrf(gram, lower=1)
    if failed == 0:
        inverse, failed = linalg.lapack.spotri(factor, lower=1)
    if failed != 0:
        return np.asarray(linalg.inv(gram.astype(np.float64)), dtype=np.float32)
    return _mirrored(inverse)


def _mirrored(lower: NDArray[np.float32], strip: int = 256) -> NDArray[np.float32]:
    """A symmetric matrix of its lower triangle, made where it stands. In small squares: a large matrix is slow to read across."""
    for start in range(0, len(lower), strip):
        end = start + strip
        square = lower[start:end, start:end]
        square[:] = np.where(np.tri(len(square), dtype=bool), square, square.T)
        lower[start:end, end:] = lower[end:, start:end].T
    return lower


def basket_matrix(history: History, limit: int = BASKET_LIMIT) -> sparse.csr_matrix:
    """Baskets x products: what one customer had to do with on one calendar day (UTC).

    A basket keeps its ``limit`` first product codes: machines that browse everything say nothing.
    """
    return _baskets(history, np.floor(history.days).astype(np.int64), limit)


def order_matrix(history: History, limit: int = BASKET_LIMIT) -> sparse.csr_matrix:
    """Orders x products: what one customer bought at the same moment."""
    return _baskets(history, np.unique(history.days, return_inverse=True)[1], limit)


def _baskets(history: History, bucket: Ints, limit: int) -> sparse.csr_matrix:
    if not len(history):
        return sparse.csr_matrix((0, history.product_count), dtype=np.float32)
    bucket = bucket - bucket.min()
    key = history.customer * (bucket.max() + 1) + bucket
    _, basket = np.unique(key, return_inverse=True)
    pairs = distinct(basket * history.product_count + history.product)
    rows, columns = np.divmod(pairs, history.product_count)
    sizes = np.bincount(rows)
    if sizes.max() > limit:
        keep = ranges(np.zeros_like(sizes), sizes) < limit
        rows, columns = rows[keep], columns[keep]
    return sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, columns)),
        shape=(int(basket.max()) + 1, history.product_count),
    )


def cosine_neighbours(baskets: sparse.csr_matrix, per_product: int = 50, shrink: float = 5.0) -> sparse.csr_matrix:
    """Products x products, the best ``per_product`` of each row by shrunken cosine of rare-weighted baskets.

    A basket of n products weighs 1 / log2(1 + n): small baskets say more about what belongs together.
    """
    sizes = np.diff(baskets.indptr)
    weights = np.repeat(1.0 / np.log2(1.0 + np.maximum(sizes, 1.0)), sizes).astype(np.float32)
    weighted = sparse.csr_matrix((weights, baskets.indices, baskets.indptr), shape=baskets.shape)
    together = (weighted.T @ baskets).tocsr()
    together.setdiag(0)
    together.eliminate_zeros()
    norms = np.sqrt(np.asarray(weighted.sum(axis=0)).ravel()) if weighted.nnz else np.zeros(baskets.shape[1])
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    together.data = (together.data / (norms[rows] * norms[together.indices] + shrink)).astype(np.float32)
    return top_per_row(together, per_product)


def top_per_row(matrix: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Keep the ``count`` largest values of each row; ties go to the smaller column. Rows may be as long as a catalogue: none is sorted."""
    matrix = matrix.tocsr()
    matrix.sort_indices()
    keep = np.ones(matrix.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(matrix.indptr) > count):
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        values = matrix.data[start:end]
        least = np.partition(values, len(values) - count)[len(values) - count]
        chosen = values > least
        chosen[np.flatnonzero(values == least)[: count - int(chosen.sum())]] = True
        keep[start:end] = chosen
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return sparse.csr_matrix((matrix.data[keep], (rows[keep], matrix.indices[keep])), shape=matrix.shape)


def fill_with_content(
    cosine: sparse.csr_matrix, content: sparse.csr_matrix, buyers: NDArray[np.float32], known_from: int = 5
) -> sparse.csr_matrix:
    """Where one of two products has fewer than ``known_from`` buyers, likeness of their texts stands in.

    Content is scaled to the median of the learned weights, so that it competes without outranking them.
    """
    rare = sparse.diags((buyers < known_from).astype(np.float32))
    common = sparse.diags((buyers >= known_from).astype(np.float32))
    scale = float(np.median(cosine.data)) if cosine.nnz else 1.0
    stand_in = (rare @ content + common @ content @ rare) * scale
    return cosine.maximum(stand_in.tocsr()).tocsr()
