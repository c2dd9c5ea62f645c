"""What a training reads of a shop with more customers than it needs."""

from datetime import datetime
from pathlib import Path

from dagster_project.scores.training import learned_from
from dagster_project.warehouse import Warehouse

DAYS = [datetime(2026, 1, 4), datetime(2026, 1, 11)]


def test_a_large_shop_teaches_by_the_same_part_of_its_customers_on_every_day(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    with warehouse.transaction() as connection:
        connection.execute("create schema if not exists features")
        for table, more in (("order_features", "1 as orders_count"), ("training_labels", "91 as horizon_days")):
            connection.execute(
                f"create table features.{table} as select as_of, 'c' || n as customer_id, {more} "
                "from (select unnest([timestamp '2026-01-04', timestamp '2026-01-11']) as as_of), range(3000) as customers(n)"
            )
    snapshots, labels = learned_from(warehouse, DAYS, most=1_000)
    by_day = [{row["customer_id"] for row in snapshots.to_pylist() if row["as_of"] == day} for day in DAYS]
    assert 900 < len(by_day[0]) < 1_100
    assert by_day[0] == by_day[1] == set(labels["customer_id"].to_pylist())
    assert [table.num_rows for table in learned_from(warehouse, DAYS, most=3_000)] == [6_000, 6_000]
