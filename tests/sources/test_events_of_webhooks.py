"""Events in the shapes of webhooks become carts and product views of the people whose logins they name."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.resources import Store
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.stated_shop import state_shop
from dagster_project.transform.dbt_build import build

ITEM = {"product_id": "P1", "quantity": 2, "price": 9.5}
CARTS = [
    {"user_id": "u1", "cart_value": 19.0, "items": [ITEM], "received_at": "2026-03-05T10:00:00Z"},
    {"user_id": "u1", "cart_value": 19.0, "items": [ITEM], "received_at": "2026-03-05T10:00:00Z"},
    {"user_id": "u2", "cart_value": -1, "items": [ITEM], "received_at": "2026-03-05T10:05:00Z"},
    {"user_id": "u3", "cart_value": 5, "items": {"product_id": "P1"}, "received_at": "2026-03-05T10:06:00Z"},
    {"user_id": "u3", "cart_value": 5, "items": ["P1"], "received_at": "2026-03-05T10:06:30Z"},
    {"user_id": "u3", "cart_value": 5, "items": [ITEM, {"quantity": 1}], "received_at": "2026-03-05T10:06:40Z"},
    {"user_id": "u3", "cart_value": 5, "items": [ITEM, ITEM, {**ITEM, "quantity": "two"}], "received_at": "2026-03-05T10:06:50Z"},
    {"cart_value": 5, "items": [], "received_at": "2026-03-05T10:07:00Z"},
]
VIEWS = [
    {"user_id": "u1", "product_id": "P1", "received_at": "2026-03-05T09:59:00+01:00"},
    {"user_id": "u4", "product_id": "P2", "received_at": "yesterday"},
]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("webhooks")
    settings = load({"DEARLY_HOME": str(folder / "home")}, shop=str(SHOPS / "small"))
    store = Store.of(settings)
    store.open()
    store.warehouse.create()
    state_shop(store.warehouse, store.shop)
    for table, rows in (("cart_abandons", CARTS), ("product_views", VIEWS)):
        path = folder / "extracts" / table / f"{table}_20260305T110000Z.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = store.shop.sources["shopify"].model_copy(update={"path": str(folder / "extracts"), "history_until": None})
    load_shop_extracts(store.warehouse, store.shop.model_copy(update={"sources": {"webhooks": source}}), settings.store)
    return settings


def test_what_is_no_event_waits_with_its_reason(events, rows) -> None:
    refused = rows(events, "select table_name, row_number, column_name, reason from sources.quarantine order by 1, 2")
    assert refused == [
        ("cart_abandons", 3, "cart_value", "is below 0"),
        ("cart_abandons", 4, "items", "does not keep its JSON Schema: $ (type)"),
        ("cart_abandons", 5, "items", "does not keep its JSON Schema: $[0] (type)"),
        ("cart_abandons", 6, "items", "does not keep its JSON Schema: $[1].product_id (required)"),
        ("cart_abandons", 7, "items", "does not keep its JSON Schema: $[2].quantity (type)"),
        ("cart_abandons", 8, "user_id", "is missing"),
        ("product_views", 2, "received_at", "is not a timestamp"),
    ]
    assert rows(events, "select sum(rows_in), sum(rows_loaded), sum(rows_duplicate) from sources.load_ledger") == [(10, 2, 1)]


@pytest.mark.whole
def test_carts_and_views_are_of_the_login_and_known_when_received(events, rows) -> None:
    models = ["stg_webhooks__carts", "stg_webhooks__web_events", "stg_webhooks__records"]
    list(build(events, models, exclude_tests=True))
    carts = rows(events, "select source_customer_id, occurred_at, known_at, total_amount, items from staging.stg_webhooks__carts")
    ((user, occurred_at, known_at, amount, items),) = carts
    assert (user, occurred_at, known_at, amount) == ("u1", datetime(2026, 3, 5, 10), datetime(2026, 3, 5, 11), Decimal("19.00"))
    assert json.loads(str(items)) == [ITEM]
    views = rows(events, "select source_customer_id, event, sku, occurred_at from staging.stg_webhooks__web_events")
    assert views == [("u1", "view_item", "P1", datetime(2026, 3, 5, 8, 59))]
    assert rows(events, "select login_id, is_person from staging.stg_webhooks__records") == [("u1", False)]


def test_an_event_that_says_nothing_but_what_happened_is_of_its_files_moment(tmp_path: Path) -> None:
    store = Store.of(load({"DEARLY_HOME": str(tmp_path / "home")}, shop=str(SHOPS / "small")))
    store.open()
    store.warehouse.create()
    for table, row in (
        ("cart_abandons", {"user_id": "u1", "cart_value": 19.0, "items": [ITEM]}),
        ("product_views", {"user_id": "u1", "product_id": "P1"}),
    ):
        folder = tmp_path / "extracts" / table
        folder.mkdir(parents=True)
        # The same in the next night's file happened once more.
        for day in ("05", "06"):
            (folder / f"{table}_202603{day}T110000Z.jsonl").write_text(json.dumps(row) + "\n")
    source = store.shop.sources["shopify"].model_copy(update={"path": str(tmp_path / "extracts"), "history_until": None})
    load_shop_extracts(store.warehouse, store.shop.model_copy(update={"sources": {"webhooks": source}}), store.settings.store)
    assert store.warehouse.rows("select * from sources.quarantine") == []
    for table in ("cart_abandons", "product_views"):
        events = store.warehouse.rows(f"select user_id, received_at from sources.webhooks__{table} order by received_at")
        assert events == [("u1", f"2026-03-{day}T11:00:00Z") for day in ("05", "06")]
