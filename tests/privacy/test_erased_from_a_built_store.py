"""A customer of a built store is erased, killed halfway; the next night ends it and builds every table anew without them."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.campaigns.brand import load_brand
from dagster_project.identity.link_lists import Decision, add_decision
from dagster_project.privacy.access import write_access
from dagster_project.privacy.erasing import ask, erase, whom
from dagster_project.privacy.orders import pending_orders
from dagster_project.privacy.person import Person
from dagster_project.privacy.proof import in_decisions
from dagster_project.privacy.request import open_request
from dagster_project.privacy.retention import inactive
from dagster_project.settings import Settings
from dagster_project.shop import Retention, load_shop
from dagster_project.warehouse import Warehouse
from tests.children import exit_code_of
from tests.privacy.planted import everything

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

# Somebody with orders and a mail of the newest day.
CHOSEN = """
select customers.email from campaigns.campaign_decisions as decisions
inner join profile.dim_customers as customers on decisions.customer_id = customers.customer_id and customers.valid_to is null
where decisions.decision = 'send' and decisions.customer_id in (select customer_id from profile.fct_orders)
    and decisions.as_of = (select max(as_of) from sources.built_days)
order by 1
"""
OTHERS = {
    "identity.customer_links": "select * from identity.customer_links where not list_contains($ids, customer_id) order by all",
    "profile.dim_customers": "select * from profile.dim_customers where not list_contains($ids, customer_id) order by all",
    "profile.fct_orders": "select * from profile.fct_orders where not list_contains($ids, coalesce(customer_id, '')) and order_id not in "
    "(select unnest($orders::varchar[])) order by all",
}
SOLD = "select source, sum(net_amount), count(*) from profile.fct_orders where superseded_at is null group by source order by 1"


def killed(settings: Settings, email: str) -> int:
    return exit_code_of(killed_between_two_exports, settings, email)


def killed_between_two_exports(settings: Settings, email: str) -> None:
    os.environ["DEARLY_KILL_AT"] = "rewriting"
    shop = load_shop(settings.shop_folder)
    person, _ = whom(settings, shop, [email])
    erase(settings, shop, ask(settings, shop, person))


def others(settings: Settings, person: Person, orders: list[str]) -> dict[str, list[tuple[object, ...]]]:
    warehouse, found = Warehouse(settings.warehouse), {}
    for table, sql in OTHERS.items():
        parameters = {"ids": sorted(person.of("customer_id")), "orders": orders}
        with warehouse.connect() as connection:
            found[table] = connection.execute(sql, {k: v for k, v in parameters.items() if f"${k}" in sql}).fetchall()
    return found


def test_the_night_after_a_kill_ends_the_erasure_and_knows_only_the_others(
    backfilled: Settings, copy_of: Callable[..., Settings], build: Callable[..., Settings], days, rows
) -> None:
    settings = copy_of(backfilled)
    shop = load_shop(settings.shop_folder)
    email, kept = rows(settings, CHOSEN)[0][0], rows(settings, CHOSEN)[1][0]
    person, _ = whom(settings, shop, [email])
    record, other = sorted(person.of("record_id"))[0], sorted(whom(settings, shop, [kept])[0].of("record_id"))[0]
    add_decision(settings.shop_folder, Decision(days[0], "unlink", record, other, "a test", "to be ignored"))
    orders = [
        one
        for (one,) in rows(
            settings, "select order_id from profile.fct_orders where list_contains(?, customer_id)", sorted(person.of("customer_id"))
        )
    ]
    held = write_access(settings, shop, [email])
    data = json.loads((held.folder / "data.json").read_text())["tables"]
    assert {row["order_id"] for row in data["profile.fct_orders"]["rows"]} == set(orders)
    assert {"sources.shopify__customers", "profile.customer_fields", "profile.fct_consents", "campaigns.campaign_decisions"} <= data.keys()
    page = (held.folder / "index.html").read_text()
    assert email in page and ">None<" not in page
    brand = load_brand(settings.shop_folder)
    assert f"What {brand.name} holds about you" in page and brand.address[0] in page and brand.sender.reply_to in page
    assert kept not in (held.folder / "data.json").read_text()
    before, sold = others(settings, person, orders), rows(settings, SOLD)
    assert killed(settings, email) == -signal.SIGKILL
    assert open_request(settings) is not None

    build(settings, [days[-1]])

    assert open_request(settings) is None
    assert others(settings, person, orders) == before
    assert rows(settings, SOLD) == sold
    assert rows(settings, "select count(*) from profile.fct_orders where list_contains(?, order_id) and customer_id is null", orders)[0][
        0
    ] == len(orders)
    needles = person.of("email") | person.of("customer_id") | person.of("phone") | person.contents
    places = [place for place, text in everything(settings) if any(one in text for one in needles)]
    assert places == []
    assert in_decisions(shop, person) == [f"{settings.shop_folder}/identity/decisions.csv:2"]
    assert [place for place, text in everything(settings) if kept in text]
    assert wrong_manifests(settings.exports) == []
    told = {path.parent.parent.name: path.read_text() for path in pending_orders(settings.exports)}
    assert told.keys() == {"generic", "generic_jsonl"}
    assert all(text.count(email) == 1 for text in told.values())


def test_who_shows_no_sign_for_so_many_months_is_over_retention(backfilled: Settings, days, rows) -> None:
    shop = load_shop(backfilled.shop_folder)
    warehouse, as_of = Warehouse(backfilled.warehouse), shop.moment(days[-1]).as_of
    with pytest.raises(ValueError, match="says nothing of retention"):
        inactive(warehouse, shop, as_of)
    found = inactive(warehouse, shop.model_copy(update={"retention": Retention(inactive_customers=6)}), as_of)
    over = [customer for customer, _ in found]
    newest = dict(rows(backfilled, "select customer_id, max(occurred_at) from profile.fct_orders where customer_id is not null group by 1"))
    border = datetime(2025, 9, 10, 23)
    assert 0 < len(over) < 100
    assert max(at for _, at in found) < border
    assert not any(customer in newest and newest[customer] >= border for customer in over)
    assert inactive(warehouse, shop.model_copy(update={"retention": Retention(inactive_customers=120)}), as_of) == []


def wrong_manifests(exports: Path) -> list[str]:
    """Files that are not what their manifest says."""
    wrong = []
    for path in exports.rglob("manifest.json"):
        for file in json.loads(path.read_text())["files"]:
            content = (path.parent / file["name"]).read_bytes()
            if file["sha256"] != hashlib.sha256(content).hexdigest() or file["bytes"] != len(content):
                wrong.append(str(path.parent / file["name"]))
    return wrong
