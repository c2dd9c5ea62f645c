"""What recommendations learn of purchases that came back: over small tables."""

from datetime import datetime

import pytest

from dagster_project.moments import Moment
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
FACT = "customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp"
TABLES = f"""
create schema features; create schema profile;
create table features.int_profiled_customers as select timestamp '{AS_OF}' as as_of, 'ann' as customer_id;
create table profile.fct_order_items ({FACT}, order_id varchar, product_id varchar, quantity integer);
create table profile.fct_returns ({FACT}, order_id varchar, product_id varchar, quantity integer, kind varchar);
create table profile.fct_web_events ({FACT}, product_id varchar, event varchar);
"""
# Order, product, pieces, day of March.
BOUGHT = [
    ("o1", "kept", 1, 1),
    ("o1", "sent back", 2, 1),
    ("o1", "partly", 2, 1),
    ("o1", "refunded money", 1, 1),
    ("o1", "twice", 1, 1),
    ("o2", "twice", 1, 4),
    ("o2", "taken back at the till", 1, 4),
    ("o3", "taken back at the till", 1, 8),
    ("o4", "of a cancelled order", 1, 2),
    ("o4", "another of it", 3, 2),
    ("o5", "of an order without its wrapping", 1, 2),
    ("o5", None, 1, 2),
    ("o6", "sent back tomorrow", 1, 2),
]
# Order, product, pieces, kind, day of March.
CAME_BACK = [
    ("o1", "sent back", 1, "refund", 5),
    ("o1", "sent back", 1, "refund", 6),
    ("o1", "partly", 1, "refund", 5),
    ("o1", "refunded money", 0, "refund", 5),
    ("o2", "twice", 1, "refund", 5),
    (None, "taken back at the till", 1, "return", 6),
    ("o4", None, 4, "cancellation", 3),
    ("o5", None, 1, "cancellation", 3),
    ("o6", "sent back tomorrow", 1, "refund", 11),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[int, int]]:
    """Product and kind, with the day of March and the pieces of it."""
    folder = tmp_path_factory.mktemp("interactions")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute(TABLES)
        for order, product, pieces, day in BOUGHT:
            at = datetime(2026, 3, day, 12)
            connection.execute("insert into profile.fct_order_items values ('ann', ?, ?, null, ?, ?, ?)", [at, at, order, product, pieces])
        for order, product, pieces, kind, day in CAME_BACK:
            at = datetime(2026, 3, day, 12)
            connection.execute(
                "insert into profile.fct_returns values ('ann', ?, ?, null, ?, ?, ?, ?)", [at, at, order, product, pieces, kind]
            )
    dbt_build.invoke(warehouse.path, 2, folder / "target", ["run", "--select", "interactions"], dbt_build.parse().manifest.deepcopy())
    rows = warehouse.rows('select product_id, kind, day("at"), quantity from scores.interactions')
    assert len({row[:2] for row in rows}) == len(rows)
    return {(product, kind): (day, quantity) for product, kind, day, quantity in rows}


def test_what_was_kept_is_bought_and_nothing_else(found: dict[tuple[str, str], tuple[int, int]]) -> None:
    assert {product: row for (product, kind), row in found.items() if kind == "purchase"} == {
        "kept": (1, 1),
        "partly": (1, 1),
        # What is refunded without coming back was kept.
        "refunded money": (1, 1),
        "twice": (1, 1),
        # What names no order is of the newest before it.
        "taken back at the till": (8, 1),
        "of an order without its wrapping": (2, 1),
        "sent back tomorrow": (2, 1),
    }


def test_what_came_back_whole_is_said_to_have(found: dict[tuple[str, str], tuple[int, int]]) -> None:
    assert {product: day for (product, kind), (day, _) in found.items() if kind == "return"} == {
        "sent back": 6,
        "of a cancelled order": 2,
        "another of it": 2,
    }
