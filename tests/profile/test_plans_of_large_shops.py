"""What DuckDB makes of a model in a shop unlike the small one: no join that compares all rows with all."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]


def plan(store: Path, sql: str) -> str:
    """How the SQL would run in a store."""
    with duckdb.connect(store, read_only=True) as connection:
        return str(connection.execute(f"explain {sql}").fetchall()[0][1])


def outer_joins_of_all_with_all(store: Path, sql: str) -> list[str]:
    """The conditions of left, right and full joins for which every row of one side is compared with every row of the other."""
    with duckdb.connect(store, read_only=True) as connection:
        plans = json.loads(connection.execute(f"explain (format json) {sql}").fetchall()[0][1])

    def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield plan
        for child in plan["children"]:
            yield from steps(child)

    found = [step for plan in plans for step in steps(plan) if step["name"].startswith(("BLOCKWISE_NL", "NESTED_LOOP"))]
    return [str(step["extra_info"]) for step in found if step["extra_info"]["Join Type"] in ("LEFT", "RIGHT", "FULL", "OUTER")]


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


def test_no_model_compares_all_rows_with_all_to_keep_those_without_a_match(backfilled: Settings) -> None:
    models = sorted((backfilled.store / "dbt").glob("*/compiled/dearly/models/**/*.sql"))
    assert len(models) > 100
    slow = {model.stem: found for model in models if (found := outer_joins_of_all_with_all(backfilled.warehouse, model.read_text()))}
    assert slow == {}
    # The control: "or" in the condition of a left join takes the hash join with it.
    labels = next(model for model in models if model.stem == "training_labels").read_text()
    asked = "coalesce(links.valid_to, cast('9999-12-31' as timestamp)) > passed.label_known_by"
    either = labels.replace(asked, "(links.valid_to is null or links.valid_to > passed.label_known_by)")
    assert either != labels
    assert outer_joins_of_all_with_all(backfilled.warehouse, either)
