"""What belongs to what, for product pages: related products and bundles, as Arrow tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import sparse

from ml.recommendations.history import Ints
from ml.recommendations.strategies import Shelf, similarity


def relations(shelf: Shelf, schema: pa.Schema, top: int) -> pa.Table:
    """One row per product, relation and rank, among products that may be shown."""
    history, showable = shelf.sources.moment.history, shelf.catalogue.showable
    anchors = np.flatnonzero(shelf.catalogue.listed)
    alike = sparse.csr_matrix(similarity(shelf, anchors))
    columns: list[tuple[str, Ints, Ints, object]] = []
    for name, matrix in (("similar_to", alike), ("goes_with", shelf.together[anchors])):
        matrix = matrix.multiply(showable[None, :]).tocsr()
        matrix.eliminate_zeros()
        matrix.data = np.round(matrix.data.astype(float), 6)
        best = top_rows(matrix, top)
        columns.append((name, anchors[best[0]], best[1], best[2]))
    product = np.concatenate([part[1] for part in columns])
    other = np.concatenate([part[2] for part in columns])
    relation = np.concatenate([np.full(len(part[1]), part[0]) for part in columns])
    score = np.concatenate([np.asarray(part[3]) for part in columns])
    order = np.lexsort((other, -score, relation, product))
    change = np.r_[True, (np.diff(product[order]) != 0) | (relation[order][1:] != relation[order][:-1])]
    starts = np.flatnonzero(change) if len(order) else np.empty(0, dtype=np.int64)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)])) + 1
    kind = schema.field("product_id").type
    return pa.table(
        {
            "product_id": _ids(history.products, product[order], kind),
            "relation": pa.array(relation[order].tolist(), pa.string()),
            "rank": pa.array(rank, pa.int32()),
            "related_product_id": _ids(history.products, other[order], kind),
            "score": pa.array(score[order], pa.float64()),
        }
    )


def top_rows(matrix: sparse.csr_matrix, count: int) -> tuple[Ints, Ints, object]:
    """Row, column and value of the ``count`` largest values per row; ties go to the smaller column."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    keep = order[np.arange(len(order)) - matrix.indptr[rows[order]] < count]
    return rows[keep], matrix.indices[keep].astype(np.int64), matrix.data[keep]


def bundles(shelf: Shelf, schema: pa.Schema, count: int = 50) -> pa.Table:
    """One row per bundle, strongest first: two products that lift each other, and a third that lifts both."""
    history, showable = shelf.sources.moment.history, shelf.catalogue.showable
    strength = shelf.together.multiply(showable[None, :]).multiply(showable[:, None]).tocsr()
    strength = strength.minimum(strength.T).tocsr()
    strength.sort_indices()
    first, second, value = top_rows(strength, 10)
    keep = first < second
    order = np.lexsort((second[keep], first[keep], -np.asarray(value)[keep]))
    taken: set[int] = set()
    members: list[list[int]] = []
    scores: list[float] = []
    for at in np.flatnonzero(keep)[order].tolist():
        pair = [int(first[at]), int(second[at])]
        if taken & set(pair) or len(members) == count:
            continue
        both = strength[pair[0]].minimum(strength[pair[1]]).tocsr()
        third = [(-float(v), int(p)) for p, v in zip(both.indices, both.data, strict=True) if int(p) not in taken]
        bundle = sorted([*pair, min(third)[1]]) if third else pair
        taken |= set(bundle)
        members.append(bundle)
        scores.append(round(float(np.asarray(value)[at]), 6))
    kind = schema.field("product_id").type
    flat = _ids(history.products, np.array([code for bundle in members for code in bundle], dtype=np.int64), kind)
    offsets = pa.array(np.cumsum([0, *(len(bundle) for bundle in members)]), pa.int32())
    return pa.table(
        {
            "rank": pa.array(range(1, len(members) + 1), pa.int32()),
            "product_ids": pa.ListArray.from_arrays(offsets, flat),
            "score": pa.array(scores, pa.float64()),
        }
    )


def values_of(values: object, kind: pa.DataType) -> pa.Array:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.array(list(values), plain)  # type: ignore[call-overload]


def _ids(values: object, codes: Ints, kind: pa.DataType) -> pa.Array:
    return values_of(values, kind).take(pa.array(codes))
