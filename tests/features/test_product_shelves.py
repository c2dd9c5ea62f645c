"""What is low, middle and high in price: over small tables."""

from datetime import datetime
from pathlib import Path

from dagster_project.moments import Moment
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
# Category → prices.
PRODUCTS: dict[str | None, list[int | None]] = {
    "tea": [5, 5, 5, 7, 7, 9, None],
    "pots": [10, 20, 30, 40],
    "cards": [3, 3, 3, 4],
    "nobody says": [None, None, None],
    None: [1, 2, 3],
}


def test_a_band_is_of_a_price_among_at_least_three(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute("create schema profile")
        connection.execute(
            "create table profile.dim_products (product_id varchar, category varchar, brand varchar, price decimal(18, 4), "
            "occurred_at timestamp, known_at timestamp, superseded_at timestamp)"
        )
        for category, prices in PRODUCTS.items():
            for place, price in enumerate(prices):
                values = [f"{category} {place}", category, price, *[datetime(2026, 1, 1)] * 2]
                connection.execute("insert into profile.dim_products values (?, ?, null, ?, ?, ?, null)", values)
    dbt_build.invoke(
        warehouse.path, 2, tmp_path / "target", ["run", "--select", "int_product_shelves"], dbt_build.parse().manifest.deepcopy()
    )
    rows = warehouse.rows("select category, price_band from features.int_product_shelves order by product_id")
    bands = {category: [band for other, band in rows if other == category] for category in PRODUCTS}
    assert bands == {
        "tea": ["low", "low", "low", "middle", "middle", "high", None],
        "pots": ["low", "middle", "high", "high"],
        "cards": [None] * 4,
        "nobody says": [None] * 3,
        None: ["low", "middle", "high"],
    }
