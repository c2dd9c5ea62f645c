"""Files of a shop's events in a run: late, twice in two files, zipped, of nobody; each row is accounted for, and a cart begins its campaign."""

import gzip
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from dagster_project.settings import SHOPS, Settings
from dagster_project.warehouse import Warehouse

BEFORE, DAY = date(2026, 3, 9), date(2026, 3, 10)


def put(shop: Path, table: str, stamp: str, rows: list[dict[str, object]], zipped: bool = False) -> None:
    path = shop / "extracts" / "webhooks" / table / f"{table}_{stamp}.jsonl{'.gz' if zipped else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)


def cart(user: str, at: str) -> dict[str, object]:
    return {"user_id": user, "cart_value": 25.5, "items": [{"product_id": "901", "quantity": 2, "price": 9.5}], "received_at": at}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, small_settings, build) -> tuple[Settings, list[str]]:
    """The small shop with events of its buyers, that came after a day was built; and the numbers of four who may be written to."""
    shop = tmp_path_factory.mktemp("shops") / "small"
    shutil.copytree(SHOPS / "small", shop)
    stated = (shop / "shop.yaml").read_text().replace("campaigns: [win_back]", "campaigns: [cart_recovery]")
    (shop / "shop.yaml").write_text(stated + "  webhooks:\n    path: extracts/webhooks\n")
    settings = build(small_settings(shop), [BEFORE])
    mailed = (
        "select distinct links.source_customer_id from identity.customer_links as links inner join profile.current_permissions as permissions "
        "using (customer_id) where links.source = 'shopify' and permissions.channel = 'email' and permissions.purpose = 'marketing' "
        "and permissions.is_permitted order by 1 limit 4"
    )
    users = [str(user) for (user,) in Warehouse(settings.warehouse).rows(mailed)]
    twice = cart(users[0], "2026-03-10T18:00:00Z")
    put(shop, "cart_abandons", "20260309T200000Z", [cart(users[1], "2026-03-09T19:00:00Z")])
    put(shop, "cart_abandons", "20260310T190000Z", [twice, cart("nobody", "2026-03-10T18:10:00Z")])
    unreadable = {"user_id": users[3], "items": []}
    put(shop, "cart_abandons", "20260310T200000Z", [twice, cart(users[2], "2026-03-10T19:30:00Z"), unreadable], zipped=True)
    views = [
        {"user_id": user, "product_id": product, "received_at": "2026-03-10T19:00:00Z"} for user, product in ((users[3], "902"), ("x", "?"))
    ]
    put(shop, "product_views", "20260310T200000Z", views)
    return build(settings, [DAY]), users


@pytest.mark.whole
def test_each_row_of_the_files_is_accounted_for(built, rows) -> None:
    sums = "select table_name, sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined) from sources.load_ledger"
    assert rows(built[0], f"{sums} where source = 'webhooks' group by 1 order by 1") == [
        ("cart_abandons", 6, 4, 1, 1),
        ("product_views", 2, 2, 0, 0),
    ]


@pytest.mark.whole
def test_a_cart_begins_its_campaign_on_the_next_run_and_one_of_nobody_begins_none(built, rows) -> None:
    settings, users = built
    decided = (
        "select links.source_customer_id, decisions.step, decisions.decision from campaigns.campaign_decisions as decisions "
        "left join identity.customer_links as links on decisions.customer_id = links.customer_id and links.source = 'webhooks' order by 1"
    )
    # Who left a basket a day ago and is heard of today begins with the first step too.
    assert rows(settings, decided) == [
        (users[0], "reminder", "send"),
        (users[1], "reminder", "send"),
        (users[2], "reminder", "send"),
    ]


@pytest.mark.whole
def test_a_view_names_its_product_by_number(built, rows) -> None:
    settings, users = built
    seen = "select login_id, product_id, customer_id is not null from profile.fct_web_events where source = 'webhooks' order by 1"
    assert rows(settings, seen) == [(users[3], "902", True), ("x", None, False)]
