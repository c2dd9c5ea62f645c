"""What DuckDB makes of a model in a shop unlike the small one: no join that compares all rows with all."""

import shutil
from pathlib import Path

import duckdb
import pytest

from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]


def plan(store: Path, sql: str) -> str:
    """How the SQL would run in a store."""
    with duckdb.connect(store, read_only=True) as connection:
        return str(connection.execute(f"explain {sql}").fetchall()[0][1])


def naming_every_product(settings: Settings, folder: Path) -> Path:
    """A copy of a store in which every order line names its product."""
    copy = folder / settings.warehouse.name
    shutil.copyfile(settings.warehouse, copy)
    with duckdb.connect(copy) as connection:
        for system in ("sales", "shopify", "online_retail", "pos"):
            lines = f"staging.stg_{system}__order_items"
            connection.execute(f"create table named as select * replace (coalesce(product_id, 'unnamed') as product_id) from {lines}")
            ((kind,),) = connection.execute(
                f"select table_type from information_schema.tables where table_name = 'stg_{system}__order_items'"
            ).fetchall()
            connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {lines}")
            connection.execute(f"create table {lines} as select * from named; drop table named")
    return copy


def test_lines_that_all_name_their_product_are_not_compared_with_every_sku(backfilled: Settings, tmp_path: Path) -> None:
    sql = next((backfilled.store / "dbt").glob("*/compiled/dearly/models/profile/fct_order_items.sql")).read_text()
    store = naming_every_product(backfilled, tmp_path)
    assert "BLOCKWISE" not in plan(store, sql)
    # The control: asked for in the join, "no product id" is folded away and takes the hash join with it.
    assert "BLOCKWISE" in plan(store, sql.replace("on linked.sku = skus.sku", "on linked.product_id is null and linked.sku = skus.sku"))
