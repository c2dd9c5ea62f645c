"""A night in which one model fails: what else it built stays, and the run after builds what failed and what reads it, and says of all what is there."""

from collections.abc import Callable
from datetime import date

import pytest

from dagster_project.failures import RunFailed
from dagster_project.runs import instance_of
from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse

DAY = date(2026, 3, 3)
STAGES = ["staging", "profile"]
NEWS = """
insert into sources.shopify__{0} by name
select * replace ('new' as id, 'new' as _batch_id, {1}) from sources.shopify__{0} order by all limit 1
"""
NEW_ORDERS = "select count(*) from profile.fct_orders where order_id = 'new'"
NEW_LINES = "select count(*) > 0 from profile.fct_order_items where order_id = 'new'"


def execute(settings: Settings, *statements: str) -> None:
    with Warehouse(settings.warehouse).transaction() as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def failed(bare: Settings, build_stages: Callable[..., Settings], rows) -> Settings:
    """The small shop after a run with two news: a product, and an order whose moment cannot be read."""
    build_stages(bare, ["sources", "staging", "identity", "profile"], DAY)
    execute(bare, NEWS.format("products", "'New' as title"), NEWS.format("orders", "'never' as created_at"))
    with pytest.raises(RunFailed, match="stg_shopify__order_items"):
        build_stages(bare, STAGES, DAY)
    assert rows(bare, "select count(*) from profile.dim_products where product_id = 'new'") == [(1,)]
    assert rows(bare, NEW_ORDERS) == [(0,)]
    execute(bare, "update sources.shopify__orders set created_at = updated_at where id = 'new'")
    return bare


def test_the_run_after_builds_what_failed_and_says_of_all_what_is_there(
    failed: Settings, build_stages: Callable[..., Settings], rows
) -> None:
    build_stages(failed, STAGES, DAY)
    assert rows(failed, NEW_ORDERS) == [(1,)]
    assert rows(failed, NEW_LINES) == [(True,)]
    with instance_of(failed) as instance:
        newest = [instance.get_latest_materialization_event(key) for key in instance.all_asset_keys() if key.path[0] in STAGES]
    events = [event for event in newest if event is not None]
    built = [event.asset_materialization for event in events]
    told = [one for one in built if one is not None and "dagster/row_count" in one.metadata]
    said = {one.asset_key.to_user_string(): one.metadata["dagster/row_count"].value for one in told}
    assert len({event.run_id for event in events}) == 1
    assert {"staging/stg_shopify__orders", "profile/fct_orders", "profile/dim_products", "profile/fct_web_events"} <= set(said)
    assert rows(failed, "select count(*) > 0 from profile.customer_fields") == [(True,)] and "profile/customer_fields" not in said, "a view"
    assert said == {name: rows(failed, f"select count(*) from {name.replace('/', '.')}")[0][0] for name in said}


def test_books_that_claim_what_failed_would_leave_it_out(failed: Settings, build_stages: Callable[..., Settings], rows) -> None:
    """The control: were the batch entered before its rows are there, the run after would not build it."""
    execute(failed, "insert into sources.model_inputs values ('staging.stg_shopify__order_items', 'sources.shopify__orders', 'new', '1')")
    build_stages(failed, STAGES, DAY)
    assert rows(failed, NEW_LINES) == [(False,)]
