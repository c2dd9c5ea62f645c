"""Which recommendations a mail shows and in which order, and what it shows of the cart that was left."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.campaigns import assets
from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import load_campaigns
from dagster_project.campaigns.personal import carts, recommended, similar_to_carts
from dagster_project.settings import SHOPS, TEMPLATES
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
TABLES = """
create table campaigns.recipients as
select timestamp '2026-03-10 23:00' as as_of, 'new' as campaign, 'preview' as step, * from (values ('c1', 'Tea'), ('c2', null)) as people (customer_id, favourite_category);
create table campaigns.recommended_products as
select
    timestamp '2026-03-10 23:00' as as_of, title as product_id, title, category, 5.0 as price, null as image_url, null as handle,
    title in ('pan', 'soap') as is_new, *
from (values ('new_for_you', 1, 'cup', 'Kitchen'), ('new_for_you', 2, 'oolong', 'Tea'), ('new_for_you', 3, 'pan', 'Kitchen'), ('new_for_you', 4, 'sencha', 'Tea'),
    ('trending', 1, 'soap', 'Bath'), ('trending', 2, 'mate', 'Tea'), ('goes_with', 1, 'lid', 'Tea')) as products (strategy, rank, title, category)
cross join (values ('c1'), ('c2')) as people (customer_id);
create table campaigns.catalogue as
select timestamp '2026-03-10 23:00' as as_of, *
from (values
    ('7', 'KIT-1', 'Cup', 'Kitchen', 12.5::decimal(18, 4), 'https://cdn.shop.example/cup.jpg', 'cup'),
    ('KIT-1', '7', 'Numbered as the cup is kept, kept as it is numbered', 'Bath', 1.0::decimal(18, 4), null, null)) as products
    (product_id, sku, title, category, price, image_url, handle)
"""

RELATIONS = """
create schema if not exists scores; create schema if not exists profile;
insert into campaigns.catalogue values (timestamp '2026-03-10 23:00', 'm', 'KIT-2', 'Mug', 'Kitchen', 9.0, null, 'mug');
create table scores.product_relations as
select timestamp '2026-03-10 23:00' as as_of, *
from (values ('7', 'similar_to', 'm', 0.4), ('s', 'similar_to', 'KIT-1', 0.6), ('s', 'similar_to', 'm', 0.7), ('7', 'goes_with', 'lid', 0.9)) as relations
    (product_id, relation, related_product_id, score);
create table profile.product_wishes as select timestamp '2026-03-10 23:00' as as_of, 'c3' as customer_id
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    made.create()
    with made.transaction() as connection:
        connection.execute(TABLES)
    return made


def shown(warehouse: Warehouse, favourite_first: bool) -> dict[str, list[str]]:
    rows = recommended(warehouse, AS_OF, "new", "preview", "new_for_you", "EUR", favourite_first)
    return {customer: [row["title"] for row in products] for customer, products in rows.items()}


def test_a_mail_of_the_favourite_category_shows_its_products_first(warehouse: Warehouse) -> None:
    # What is new comes first, but among what is popular with everybody.
    by_rank = ["pan", "cup", "oolong", "sencha", "soap", "mate"]
    assert shown(warehouse, False) == {"c1": by_rank, "c2": by_rank}
    # Nobody knows what c2 likes most: the order stays.
    assert shown(warehouse, True) == {"c1": ["pan", "oolong", "sencha", "cup", "mate", "soap"], "c2": by_rank}


def test_only_what_is_new_is_called_new(warehouse: Warehouse) -> None:
    rows = recommended(warehouse, AS_OF, "new", "preview", "new_for_you", "EUR", False)["c1"]
    assert [row["reason"] for row in rows] == ["new", "new_for_you", "new_for_you", "new_for_you", "trending", "trending"]


def test_alternatives_are_like_the_carts_lines_and_need_no_profile(warehouse: Warehouse) -> None:
    """c1 left a cup and a soap, c2 what is like nothing, and c3, who said what they never want, a cup."""
    with warehouse.transaction() as connection:
        connection.execute(RELATIONS)
    left = {name: {"items": [{"product_id": one} for one in ids]} for name, ids in (("c1", ["7", "s"]), ("c2", ["x"]), ("c3", ["7"]))}
    found = similar_to_carts(warehouse, AS_OF, left, "EUR")
    assert {name: [row["title"] for row in rows] for name, rows in found.items()} == {
        "c1": ["Mug", "Numbered as the cup is kept, kept as it is numbered"]
    }
    assert {row["reason"] for row in found["c1"]} == {"similar_to_cart"}
    assert similar_to_carts(warehouse, AS_OF, {}, "EUR") == {}


def cart_of(warehouse: Warehouse, lines: list[dict[str, Any]], stated_in: str = "EUR") -> list[dict[str, Any]]:
    row = {"customer_id": "c1", "cart_items": json.dumps(lines), "cart_url": None, "cart_currency": stated_in, "cart_total": None}
    nothing = {"customer_id": "c2", "cart_items": None, "cart_url": None, "cart_total": None}
    found = carts(warehouse, AS_OF, [row, nothing], "EUR")
    assert list(found) == ["c1"]
    return list(found["c1"]["items"])


def test_a_cart_whose_lines_name_products_alone_is_shown_from_the_catalogue(warehouse: Warehouse) -> None:
    cup = {
        "product_id": "7",
        "title": "Cup",
        "price": Decimal("12.5"),
        "image_url": "https://cdn.shop.example/cup.jpg",
        "url": "products/cup",
    }
    for line in ({"product_id": 7, "quantity": 2}, {"sku": "KIT-1", "quantity": 2}):
        (item,) = cart_of(warehouse, [line])
        assert {name: item[name] for name in cup} == cup
        assert item["quantity"] == 2


def test_what_a_cart_says_itself_goes_before_the_catalogue(warehouse: Warehouse) -> None:
    stated, unknown = cart_of(warehouse, [{"product_id": 7, "title": "Cup, blue", "price": "9.90"}, {"product_id": 8, "title": "Lid"}])
    assert (stated["title"], stated["price"], stated["url"]) == ("Cup, blue", "9.90", "products/cup")
    assert (unknown["product_id"], unknown["title"], unknown.get("image_url")) == ("8", "Lid", None)


def test_prices_of_a_cart_in_another_currency_are_left_to_the_catalogue(warehouse: Warehouse) -> None:
    lines = [{"product_id": 7, "price": "9.90"}, {"product_id": 8, "title": "Lid", "price": "4.00"}]
    assert [item.get("price") for item in cart_of(warehouse, lines, "EUR")] == ["9.90", "4.00"]
    assert [(item.get("price"), item["currency"]) for item in cart_of(warehouse, lines, "CHF")] == [(Decimal("12.5"), "EUR"), (None, "EUR")]


def test_an_audience_in_several_batches_is_the_same_file_of_mails(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = load_shop(SHOPS / "small")
    (campaign,) = [one for one in load_campaigns(TEMPLATES / "campaigns") if one.slug == "new_arrivals_vip"]
    people = [
        {"customer_id": f"c{n}", "variant": "a", "language": ("de", "en")[n % 2], "first_name": f"Ann{n}", "cart_items": None}
        for n in (3, 1, 4, 0, 2)
    ]

    def mails(batch: int) -> pa.Table:
        monkeypatch.setattr(assets, "BATCH", batch)
        store = SimpleNamespace(
            settings=SimpleNamespace(store=tmp_path / str(batch), pseudonym_key="a key"), shop=shop, warehouse=warehouse
        )
        index = assets.render_step(
            store, campaign, "preview", [dict(row) for row in people], load_brand(shop.folder), shop.moment(date(2026, 3, 10))
        )  # type: ignore[arg-type]
        written = pq.read_table(tmp_path / str(batch) / index["path"][0].as_py())
        assert written["content_id"].equals(index["content_id"])
        return written

    several = mails(2)
    assert several["customer_id"].to_pylist() == ["c0", "c1", "c2", "c3", "c4"]
    assert several.equals(mails(100))
