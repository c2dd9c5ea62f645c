"""The planted shop, and what is recommended to its customers, made once."""

import pyarrow as pa
import pytest
from planted_shop import AS_OF, REQUEST, planted_shop

from ml.recommendations import recommend


@pytest.fixture(scope="module")
def shop() -> tuple[pa.Table, pa.Table]:
    return planted_shop()


@pytest.fixture(scope="module")
def customers(shop: tuple[pa.Table, pa.Table]) -> pa.Table:
    known = sorted(set(shop[0]["customer_id"].to_pylist()))
    return pa.table({"customer_id": [*known, "nobody", "refused"], "profiling": [True] * (len(known) + 1) + [False]})


@pytest.fixture(scope="module")
def preferences() -> pa.Table:
    return pa.table(
        {
            "customer_id": ["p000", "p001", "p002", "nobody"],
            "required_tags": [["vegan"], [], [], ["vegan"]],
            "forbidden_tags": [[], ["milk"], [], []],
            "excluded_categories": [[], [], ["cakes"], []],
        }
    )


@pytest.fixture(scope="module")
def made(shop: tuple[pa.Table, pa.Table], customers: pa.Table, preferences: pa.Table) -> pa.Table:
    return recommend(*shop, as_of=AS_OF, customers=customers, preferences=preferences, request=REQUEST).table
