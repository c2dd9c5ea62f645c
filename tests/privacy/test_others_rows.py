"""Rows of somebody else that name an erased person: the value that does goes, the row and its number stay."""

import gzip
import json
from pathlib import Path

import pytest

from dagster_project.privacy.access import write_access
from dagster_project.privacy.erasing import ask, erase
from dagster_project.privacy.traces import traces
from dagster_project.shop import load_shop
from dagster_project.sources.erased import Erased
from dagster_project.warehouse import Warehouse
from tests.privacy.planted import load_all, person, places_that_name, plant
from tests.privacy.test_erased_everywhere import IN
from tests.sources.samples import good_rows

ROW = "select id, email, landing_site, discount_codes from sources.shopify__orders where id = '990044'"


@pytest.mark.parametrize("pulled", [False, True])
def test_anothers_order_loses_what_names_her_and_nothing_else(tmp_path: Path, pulled: bool) -> None:
    settings = plant(tmp_path, {"shopify"}, pulled)
    shop = load_shop(settings.shop_folder)
    first = next(shop.extracts("shopify", settings.store).glob("orders/*.jsonl"))
    mentions = {
        "id": 990044,
        "landing_site": "/?email=canary.03%40example.org&utm=1",
        "discount_codes": [{"code": "FRIEND OF canary.03%40example.org", "amount": 10.5}, {"code": "SPRING", "amount": 1.5}],
        "not_declared": "thanks canary.03@example.org",
    }
    rows = [
        good_rows("shopify", "orders", 50)[45] | {"email": "bob@x.org"} | mentions,
        good_rows("shopify", "orders", 50)[46] | {"id": 990045},
    ]
    second = first.with_name("orders_20260303T050000Z.jsonl")
    second.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    load_all(settings)
    assert "sources.shopify__orders" in places_that_name(settings, 3)[3]

    with Warehouse(settings.warehouse).connect() as connection:
        found = traces(connection, shop, person(3), Erased.against(shop, None, person(3).identifiers))
    assert [(trace.table, trace.rows) for trace in found if not trace.is_theirs] == [('sources."shopify__orders"', 1)]

    assert erase(settings, shop, ask(settings, shop, person(3))).hits == []

    warehouse = Warehouse(settings.warehouse)
    assert warehouse.rows(ROW) == [("990044", "bob@x.org", None, '[{"code":"SPRING","amount":1.5}]')]
    assert warehouse.rows(IN) == [(0,)]
    assert places_that_name(settings, 3) == {}
    (lines,) = [text.splitlines() for path in settings.store.glob("landing/shopify/orders/*/*") if "990045" in (text := path.read_text())]
    assert [json.loads(line)["id"] for line in lines] == [990044, 990045]
    before = warehouse.rows("select * from sources.shopify__orders order by all")
    load_all(settings)
    assert warehouse.rows("select * from sources.shopify__orders order by all") == before


def test_a_pulled_file_that_cannot_be_read_stays_for_the_proof_to_tell(tmp_path: Path) -> None:
    settings = plant(tmp_path, {"shopify"}, pulled=True)
    shop = load_shop(settings.shop_folder)
    cut = shop.extracts("shopify", settings.store) / "orders" / "orders_20260304T050000Z.jsonl"
    cut.write_bytes(b'{"id": 1}\n{"email": "canary.03@exam')
    assert erase(settings, shop, ask(settings, shop, person(2))).hits == []
    cut.write_bytes(b'{"id": 1}\n{"email": "canary.03@example.org", "cut')
    assert erase(settings, shop, ask(settings, shop, person(3))).hits == [cut.relative_to(settings.store).as_posix()]


def test_an_archive_that_is_cut_off_stops_no_erasure_and_stays_for_the_proof_to_tell(tmp_path: Path) -> None:
    settings = plant(tmp_path, {"shopify"}, pulled=True)
    shop = load_shop(settings.shop_folder)
    landed = next((settings.store / "landing" / "shopify" / "orders").glob("*")) / "0123456789abcdef.jsonl.gz"
    landed.write_bytes(gzip.compress(b'{"email": "canary.02@example.org"}\n')[:-9])
    write_access(settings, shop, ["canary.02@example.org"])
    # Whoever refuses to read a cut file lands it anew once it is mended.
    assert erase(settings, shop, ask(settings, shop, person(2))).hits == []
    assert not landed.exists()
    pulled = shop.extracts("shopify", settings.store) / "orders" / "orders_20260304T050000Z.jsonl.gz"
    pulled.write_bytes(gzip.compress(b'{"id": 1}\n' * 1000)[:-9])
    assert erase(settings, shop, ask(settings, shop, person(3))).hits == [pulled.relative_to(settings.store).as_posix()]
    pulled.unlink()
    assert erase(settings, shop, ask(settings, shop, person(3))).hits == []
