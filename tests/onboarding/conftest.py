"""A drafted shop's staging without the rest of a run: its extracts landed, and dbt's own build of the models that a test looks at."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.settings import DBT_PROJECT
from dagster_project.shop import Shop
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.stated_shop import state_shop
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse


@pytest.fixture
def staged(tmp_path: Path) -> Callable[..., Warehouse]:
    def build(shop: Shop, select: list[str], store: str = "store") -> Warehouse:
        warehouse = Warehouse(tmp_path / store / "warehouse.duckdb")
        warehouse.create()
        load_shop_extracts(warehouse, shop, tmp_path / store)
        state_shop(warehouse, shop)
        # A test may have drafted models into a copy of the project, which is parsed anew.
        parsed = dbt_build.parse().manifest.deepcopy() if dbt_build.DBT_PROJECT == DBT_PROJECT else None
        dbt_build.invoke(warehouse.path, 2, tmp_path / "target", ["run", "--select", *select], parsed)
        return warehouse

    return build
