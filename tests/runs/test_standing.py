"""`dearly status` says what was sold, given back and earned, as a person would add it up."""

from decimal import Decimal
from pathlib import Path

from dagster_project.settings import SHOPS, load
from dagster_project.standing import standing_of
from dagster_project.warehouse import Warehouse


def test_sales_are_those_that_are_known_now(tmp_path: Path) -> None:
    settings = load({"DEARLY_HOME": str(tmp_path)}, shop=str(SHOPS / "small"))
    settings.store.mkdir(parents=True)
    warehouse = Warehouse(settings.warehouse)
    warehouse.create()
    with warehouse.connect() as connection:
        connection.execute("create schema if not exists profile")
        connection.execute(
            "create table profile.fct_orders as select * from (values ('till', 'o1', 'ann', 10.00::decimal(18, 2), null::timestamp), "
            "('till', 'o1', 'ann', 99.00, timestamp '2026-01-02'), ('till', 'o2', 'ann', 5.00, null), ('web', 'o3', null, 7.00, null)) "
            "as orders (source, order_id, customer_id, net_amount, superseded_at)"
        )
        connection.execute(
            "create table profile.fct_returns as select 'till' as source, 2.50::decimal(18, 2) as net_amount, null::timestamp as superseded_at"
        )
    (sales,) = [rows for title, _, rows in standing_of(settings).tables if title.startswith("Sales")]
    assert sales == [
        ("till", 2, 1, Decimal("15.00"), Decimal("2.50"), Decimal("12.50")),
        ("web", 1, 0, Decimal("7.00"), Decimal("0.00"), Decimal("7.00")),
    ]
