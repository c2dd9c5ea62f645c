"""What customers want of products, as recommendations read it: over small tables."""

from datetime import datetime

import pytest

from dagster_project.moments import Moment
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
STATED = [
    ("ann", "vegetarian;size:M"),
    ("ann", "Lactose-free; never:Coffee"),
    ("bob", " vegan ;halal"),
    ("cat", "lactose-free"),
    ("dan", "vegetarian-ish"),
    ("eve", None),
]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("wishes")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute("create schema profile")
        connection.execute(
            "create table profile.int_customer_records_linked "
            "(customer_id varchar, preferences varchar, valid_from timestamp, valid_to timestamp)"
        )
        connection.executemany("insert into profile.int_customer_records_linked values (?, ?, timestamp '2026-01-01', null)", STATED)
    select = ["run", "--select", "product_wishes", "unread_wishes"]
    dbt_build.invoke(warehouse.path, 2, folder / "target", select, dbt_build.parse().manifest.deepcopy())
    return warehouse


def test_diets_and_sizes_are_tags_that_must_be_there(warehouse: Warehouse) -> None:
    rows = warehouse.rows("select customer_id, required_tags, excluded_categories from profile.product_wishes order by customer_id")
    assert [(one, sorted(tags), never) for one, tags, never in rows] == [
        ("ann", ["size:m", "vegetarian"], ["Coffee"]),
        ("bob", ["vegan"], []),
    ]


def test_what_no_rule_reads_is_counted(warehouse: Warehouse) -> None:
    rows = warehouse.rows("select wish, customers_count from profile.unread_wishes order by wish")
    assert rows == [("halal", 1), ("lactose-free", 2), ("vegetarian-ish", 1)]
