"""What exports leave in a file that is no value: empty rows, columns without a name, marks for nothing, apostrophes; and what looks like a sale and is none."""

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop

START = datetime(2024, 5, 1, 8)
HEADER = "increment_id|status|created_at|sku|category|price|qty_ordered|Customer ID|||"


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split("|"), *rows])


def sold(n: int) -> list[object]:
    at = START + timedelta(hours=7 * n)
    return [
        n // 2,
        ("canceled", "complete", r"\N")[n % 3],
        f"{at:%m/%d/%Y}",
        f"S{n % 5}",
        ("Tea", r"\N")[n % 5 > 0],
        20,
        1,
        n // 2 % 30,
        "",
        "",
        "",
    ]


def test_a_spreadsheets_empty_rows_and_nameless_columns_are_nothing(tmp_path: Path, staged: Callable) -> None:
    write(tmp_path / "in" / "export.csv", HEADER, [*(sold(n) for n in range(120)), *([""] * 11 for _ in range(60))])
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert any("60 rows have no value at all" in line for line in draft.review)
    assert any("canceled gives an order back; complete counts as sold" in line for line in draft.review)
    assert draft.shop.sources["sales"].not_used == {}
    # The next night's, as the spreadsheet writes it.
    night = [*sold(200)[:5], "NULL", *sold(200)[6:]]
    write(tmp_path / "shop" / "extracts" / "sales" / "lines" / "lines_20240620T050000Z.csv", HEADER, [night, sold(202)])
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*) from sources.quarantine") == rows("select count(*) from sources.refused_extracts") == [(0,)]
    assert rows("select count(*), sum(net_amount) from staging.stg_sales__orders") == [(62, 121 * 20)]
    assert rows("select distinct product_id, category from staging.stg_sales__products where category is not null") == [("S0", "Tea")]


@pytest.mark.parametrize(("header", "words", "is_status"), [("Region", "East|West", False), ("state", "complete|closed", True)])
def test_a_region_is_no_status(header: str, words: str, is_status: bool, tmp_path: Path) -> None:
    rows = [[n, f"c{n % 9}", START + timedelta(hours=n), f"S{n % 5}", 1, 20, "Ohio", words.split("|")[n % 2]] for n in range(90)]
    write(tmp_path / "in" / "sales.csv", f"order id|customer id|order date|sku|quantity|price|province|{header}", rows)
    columns = draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["lines"]
    assert columns.get("status") == (header if is_status else None)


def events(folder: Path) -> None:
    rows = []
    for n in range(90):
        at, order = START + timedelta(hours=n // 3), n // 3 if n % 3 else ""
        # Two orders of a visitor's day are two.
        rows.append([at, f"v{n // 12}", "transaction" if n % 3 else "view", f"i{n % 7}", order])
    write(folder / "events.csv", "timestamp|visitorid|event|itemid|transactionid", rows)


def test_events_that_number_their_orders_are_orders(tmp_path: Path, staged: Callable) -> None:
    events(tmp_path / "in")
    rows = staged(draft_shop(tmp_path / "shop", tmp_path / "in").shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), sum(lines_count) from staging.stg_sales__orders") == [(30, 60)]


def test_what_the_shops_orders_say_is_not_sold_once_more_by_events(tmp_path: Path) -> None:
    events(tmp_path / "in")
    orders = [[n, f"v{n // 4}", START + timedelta(hours=n), 40] for n in range(30)]
    write(tmp_path / "in" / "orders.csv", "order id|customer id|order date|total", orders)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {reading.kind for reading in draft.layout.own} == {"orders", "events"}
    assert "events (purchases) is left out: orders has the sales" in draft.review


def test_a_table_of_properties_says_what_to_bring_in_its_place(tmp_path: Path) -> None:
    events(tmp_path / "in")
    write(tmp_path / "in" / "item_properties.csv", "timestamp|itemid|property|value", [[1, f"i{n}", "790", f"n{n}"] for n in range(7)])
    review = draft_shop(tmp_path / "shop", tmp_path / "in").review
    assert any("each row says one property and its value: bring a row per thing, with a column per property" in line for line in review)


def test_an_apostrophe_ahead_of_some_numbers_is_no_part_of_them(tmp_path: Path) -> None:
    rows = [
        [
            n,
            f"a{n}@example.org",
            START + timedelta(hours=n),
            f"S{n % 5}",
            1,
            20,
            "'01067" if n % 2 else "10115",
            "'t Hooft" if n % 2 else "Lee",
        ]
        for n in range(60)
    ]
    write(tmp_path / "in" / "sales.csv", "order id|email|order date|sku|quantity|price|billing zip|last name", rows)
    columns = draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["lines"]
    assert columns["postal_code"].format == "'0123"
    assert columns["last_name"] == "last name"


def test_what_a_line_comes_to_is_after_a_discount_that_is_said_beside_it(tmp_path: Path, staged: Callable) -> None:
    rows = [[n, f"c{n % 9}", START + timedelta(hours=n), f"S{n % 5}", 2, 2 * (16 if n % 2 else 20), 0.2 if n % 2 else 0] for n in range(90)]
    write(tmp_path / "in" / "sales.csv", "order id|customer id|order date|product id|quantity|sales|discount", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert "sales counts as what the line comes to, after discount" in draft.review
    rows_of = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows_of("select sum(net_amount), sum(gross_amount), min(unit_price) from staging.stg_sales__order_items") == [
        (Decimal(90 * 36), Decimal(90 * 40), Decimal(20))
    ]


@pytest.mark.parametrize("is_of_line", [False, True])
def test_a_moment_of_cancellation_gives_back_an_order_or_its_line(is_of_line: bool, tmp_path: Path, staged: Callable) -> None:
    """On the first line it is the order's, though the status says paid; on whichever line it is that line's."""
    rows = []
    for n in range(120):
        order, place, at = n // 3, n % 3, START + timedelta(hours=n // 3)
        is_cancelled = order % 4 == 0 and place == (order // 4 % 3 if is_of_line else 0)
        rows.append([order, f"c{order % 9}", at, f"S{n % 5}", 1, 20, "paid" if place == 0 else "", f"{at} +0200" if is_cancelled else ""])
    write(tmp_path / "in" / "orders_export.csv", "order id|customer id|order date|sku|quantity|price|status|Cancelled at", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert f"Cancelled at gives {'its line' if is_of_line else 'the whole order'} back, whatever else is said of it" in draft.review
    back = staged(draft.shop, ["path:models/staging/sales"]).rows("select count(*), sum(net_amount) from staging.stg_sales__returns")
    assert back == [(10, 200) if is_of_line else (30, 600)]


def test_a_table_of_who_sells_is_none_of_customers(tmp_path: Path) -> None:
    rows = [[n, f"c{n % 9}", START + timedelta(hours=n), f"S{n % 5}", 1, 20, "West"] for n in range(60)]
    write(tmp_path / "in" / "orders.csv", "order id|customer id|order date|product id|quantity|sales|region", rows)
    write(tmp_path / "in" / "people.csv", "person|region", [["Ann Lee", "West"], ["Bo Ray", "East"]])
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {reading.kind for reading in draft.layout.own} == {"lines"}
    assert any("people is left out" in line and "nobody of whom buys" in line for line in draft.review)


def test_a_category_is_called_by_its_words_beside_its_number(tmp_path: Path, staged: Callable) -> None:
    rows = [
        [
            f"{START + timedelta(minutes=n)} UTC",
            ("view", "purchase")[n % 2],
            n % 9,
            1000 + n % 9,
            "home.tea_pots" if n % 9 else "",
            5,
            n % 4,
        ]
        for n in range(90)
    ]
    write(tmp_path / "in" / "events.csv", "event_time|event_type|product_id|category_id|category_code|price|user_id", rows)
    stored = staged(draft_shop(tmp_path / "shop", tmp_path / "in").shop, ["path:models/staging/sales"])
    assert stored.rows("select distinct category from staging.stg_sales__products where category is not null") == [("tea pots",)]
