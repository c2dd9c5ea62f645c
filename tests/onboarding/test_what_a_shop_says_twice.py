"""What a shop says in two places, or once more on another night, counts once, and what it no longer says does not come back."""

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop
from dagster_project.shop import Shop, load_shop

START = datetime(2024, 5, 1, 8)
LINES = "order id|email|order date|sku|quantity|unit price|status|refunded amount"
GIVEN_BACK = """
    select left(return_id, 3), kind, net_amount
    from staging.stg_sales__returns
    qualify row_number() over (partition by return_id order by version_at desc, known_at desc) = 1 and kind is not null
    order by return_id
"""


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split("|"), *rows])


def write_night(shop: Shop, table: str, header: str, rows: list[list[object]], night: int = 2) -> None:
    write(shop.folder / "extracts" / "sales" / table / f"{table}_202406{night:02d}T050000Z.csv", header, rows)


def lines(first: list[list[object]]) -> list[list[object]]:
    """Two lines of 50 an order; `first` says pieces, status and refund of each line of the order 100, the others are paid."""
    others = [[1, "paid", ""], [1, "paid", ""]]
    # Somebody else's refund, so that the column says something.
    others_refund = [[1, "paid", 5], [1, "paid", 5]]
    return [
        [100 + n, f"a{n % 9}@example.org", START + timedelta(hours=n), f"S{n % 3}{'AB'[place]}", pieces, 50, status, refund]
        for n in range(60)
        for place, (pieces, status, refund) in enumerate(first if n == 0 else others_refund if n == 1 else others)
    ]


REFUNDED = [[1, "refunded", 50], [1, "paid", 50]]
OTHERS = [("101", "refund", 2.5), ("101", "refund", 2.5)]


def draft(folder: Path, first: list[list[object]]) -> Shop:
    write(folder / "in" / "lines.csv", LINES, lines(first))
    shop = draft_shop(folder / "shop", folder / "in").shop
    assert {"status", "refunded_amount"} <= set(shop.sources["sales"].columns["lines"])
    return shop


def test_what_a_line_gave_back_is_no_refund_of_its_order_once_more(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, REFUNDED), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), *OTHERS]


def test_a_refund_beyond_what_its_lines_gave_back_is_shared_by_the_others(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, [[1, "refunded", 70], [1, "paid", 70]]), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), ("100", "refund", 20), *OTHERS]


@pytest.mark.parametrize("before", ["", 20], ids=["sold", "refunded in part"])
def test_a_line_that_is_given_back_later_takes_its_part_of_the_refund(before: object, tmp_path: Path, staged: Callable) -> None:
    shop = draft(tmp_path, [[1, "paid", before], [1, "paid", before]])
    write_night(shop, "lines", LINES, lines(REFUNDED)[:2])
    rows = staged(shop, ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "cancellation", 50), *OTHERS]


def test_a_line_of_minus_pieces_takes_its_part_of_the_refund(tmp_path: Path, staged: Callable) -> None:
    rows = staged(draft(tmp_path, [[1, "paid", 50], [-1, "paid", 50]]), ["path:models/staging/sales"]).rows
    assert rows(GIVEN_BACK) == [("100", "return", 50), *OTHERS]


@pytest.mark.parametrize("night", [1, 3], ids=["from the first night", "from a later one"])
def test_rows_of_returns_go_before_what_the_order_says(night: int, tmp_path: Path, staged: Callable) -> None:
    shop = draft(tmp_path, [[1, "paid", 50], [1, "paid", 50]])
    yaml = (shop.folder / "shop.yaml").read_text()
    named = "returns: {order_id: order id, product_id: sku, return_amount: amount, returned_at: returned at}"
    (shop.folder / "shop.yaml").write_text(yaml.replace("      lines:\n", f"      {named}\n      lines:\n", 1))
    before = staged(load_shop(shop.folder), ["path:models/staging/sales"]).rows(GIVEN_BACK)
    assert before == [("100", "refund", 25), ("100", "refund", 25), *OTHERS]
    first = next((shop.folder / "extracts" / "sales" / "lines").iterdir()).stem.rpartition("_")[2]
    returned = [[100, "S0A", 50, START + timedelta(days=3)]]
    header = "order id|sku|amount|returned at"
    if night == 1:
        write(shop.folder / "extracts" / "sales" / "returns" / f"returns_{first}.csv", header, returned)
    else:
        write_night(shop, "returns", header, returned, night)
    rows = staged(load_shop(shop.folder), ["path:models/staging/sales"], store="later").rows
    assert rows(GIVEN_BACK) == [("100", "refund", 50), *OTHERS]
    # What was known before stays as it was.
    assert (rows("select count(*) from staging.stg_sales__returns where return_id like '100%' and net_amount = 25") == [(2,)]) == (
        night == 3
    )


def test_a_discount_in_cents_makes_no_return_of_a_sale(tmp_path: Path, staged: Callable) -> None:
    """An amount of fractions of a cent, and all of it taken off in cents."""
    rows = [[f"o{n}", f"a{n % 9}@example.org", START + timedelta(hours=n), f"S{n % 5}", 1, "9.9967", 10 if n < 3 else 0] for n in range(60)]
    write(tmp_path / "in" / "lines.csv", "order id|email|order date|sku|quantity|unit price|discount amount", rows)
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert "discount_amount" in shop.sources["sales"].columns["lines"]
    found = staged(shop, ["stg_sales__lines"]).rows
    assert found("select kind, count(*), min(net_amount) from staging.stg_sales__lines group by 1") == [("sale", 60, 0)]


def test_a_discount_of_an_order_leaves_each_of_its_lines_nothing_at_least(tmp_path: Path, staged: Callable) -> None:
    rows = [
        [f"o{n}", f"a{n % 9}@example.org", START + timedelta(hours=n), f"S{place}", 1, "3.3367", "10.02" if n < 9 else ""]
        for n in range(60)
        for place in range(3)
    ]
    write(tmp_path / "in" / "lines.csv", "order id|email|order date|sku|quantity|unit price|discount amount", rows)
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert "order_discount_amount" in shop.sources["sales"].columns["lines"]
    found = staged(shop, ["stg_sales__lines"]).rows
    assert found("select distinct kind from staging.stg_sales__lines") == [("sale",)]
    free = "select count(*), min(net_amount) >= 0, max(net_amount) <= 0.01 from staging.stg_sales__lines where net_amount < 3"
    assert found(free) == [(27, True, True)]


EVENTS = "visitor id|customer id|session id|created at|page|event type"


def test_the_number_of_a_visit_is_its_visitors_own(tmp_path: Path, staged: Callable) -> None:
    shop = visited(tmp_path)
    select = ["stg_sales__web_events", "stg_sales__sessions"]
    visits = "select count(distinct session_id), sum(events_count) from staging.stg_sales__sessions"
    assert staged(shop, select).rows(visits) == [(60, 120)]


def test_an_event_that_comes_once_more_with_its_customer_counts_once(tmp_path: Path, staged: Callable) -> None:
    shop = visited(tmp_path)
    write_night(shop, "events", EVENTS, [[*row[:1], "c1", *row[2:]] for row in visits_of(0)] + [["v0", "c1", 1, START, "/", "cart"]])
    rows = staged(shop, ["stg_sales__web_events", "stg_sales__sessions"]).rows
    found = (
        "select version_number, source_customer_id, events_count, pages_count from staging.stg_sales__sessions where session_id = 'v0:1'"
    )
    assert rows(f"{found} order by 1") == [(1, "v0", 2, 2), (2, "c1", 3, 2)]


def visits_of(visitor: int) -> list[list[object]]:
    """A visitor's first visit: two pages."""
    return [
        [
            f"v{visitor}",
            f"k{visitor}" if visitor % 3 else "",
            1,
            START + timedelta(hours=visitor, minutes=minutes),
            f"/{minutes}",
            "page view",
        ]
        for minutes in range(2)
    ]


def visited(folder: Path) -> Shop:
    """Sixty visitors, of whom each one's visits are numbered from 1."""
    write(folder / "in" / "events.csv", EVENTS, [row for visitor in range(60) for row in visits_of(visitor)])
    write(folder / "in" / "lines.csv", LINES, lines(REFUNDED))
    shop = draft_shop(folder / "shop", folder / "in").shop
    columns = shop.sources["sales"].columns["events"]
    assert (columns["visitor_id"], columns["session_id"]) == ("visitor id", "session id")
    return shop


PRODUCTS = "sku|handle|title|tags|price"
FIRST = [
    ["A1", "shirt", "Shirt", "vegan", 9],
    ["A2", "shirt", "", "", 9],
    ["B1", "bag", "", "", 20],
    *([f"C{n}", f"cup-{n}", f"Cup {n}", "glass", 5] for n in range(9)),
]
SAID = "select title, tags, price from staging.stg_sales__products where product_id = '{}' order by version_at"


def catalogue(folder: Path) -> Shop:
    write(folder / "in" / "products.csv", PRODUCTS, FIRST)
    rows = [[f"o{n}", f"a{n % 9}@example.org", START + timedelta(hours=n), FIRST[n % 12][0], 1, 9] for n in range(60)]
    write(folder / "in" / "lines.csv", "order id|email|order date|sku|quantity|unit price", rows)
    shop = draft_shop(folder / "shop", folder / "in").shop
    assert {"product_id", "handle", "product_name", "tags"} <= set(shop.sources["sales"].columns["products"])
    return shop


def test_what_a_product_no_longer_says_does_not_come_back(tmp_path: Path, staged: Callable) -> None:
    shop = catalogue(tmp_path)
    write_night(shop, "products", PRODUCTS, [["A1", "shirt", "Shirt", "", 9]], 2)
    write_night(shop, "products", PRODUCTS, [["A2", "shirt", "", "", 10]], 3)
    rows = staged(shop, ["stg_sales__lines", "stg_sales__products"]).rows
    assert rows(SAID.format("A1")) == [("Shirt", "vegan", 9), ("Shirt", None, 9)]
    # Its variant said it by its page alone, and ceases with it; what it is called stays.
    assert rows(SAID.format("A2")) == [("Shirt", "vegan", 9), ("Shirt", None, 9), ("Shirt", None, 10)]


def test_a_variants_later_title_changes_no_day_before(tmp_path: Path, staged: Callable) -> None:
    shop = catalogue(tmp_path)
    versions = "select * from staging.stg_sales__products where version_at < timestamp '2024-06-10' order by all"
    before = staged(shop, ["stg_sales__lines", "stg_sales__products"]).rows(versions)
    write_night(shop, "products", PRODUCTS, [["B2", "bag", "Bag", "linen", 21]], 10)
    rows = staged(shop, ["stg_sales__lines", "stg_sales__products"]).rows
    assert rows(versions) == before
    assert rows(SAID.format("B1")) == [("B1", None, 20), ("Bag", "linen", 20)]


def test_a_country_that_is_spelt_two_ways_is_one(tmp_path: Path) -> None:
    write(tmp_path / "in" / "lines.csv", LINES, lines(REFUNDED))
    people = [[n, f"a{n}@example.org", ["Germany", "DE", "Germany", "DE", "Austria"][n % 5]] for n in range(60)]
    write(tmp_path / "in" / "customers.csv", "id|email|country", people)
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert (shop.country, shop.currency, shop.zone) == ("DE", "EUR", "Europe/Berlin")


@pytest.mark.parametrize(("products", "is_named"), [(("Blue Shirt", "Tasse", "帽子"), True), (("85123A", "SKU-12", "7"), False)])
def test_a_product_that_is_sold_by_its_name_has_one(products: tuple[str, ...], is_named: bool, tmp_path: Path) -> None:
    """One column says which product it was: a name is shown in mails, a number is not, and the draft says so."""
    rows = [[100 + n // 2, f"a{n % 9}@example.org", START + timedelta(hours=n), products[n % 3], 1, 20] for n in range(60)]
    write(tmp_path / "in" / "lines.csv", "order id|email|order date|product|quantity|unit price", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert draft.shop.sources["sales"].columns["lines"]["product_id"] == "product"
    assert any("says what a product is called" in line for line in draft.review) is not is_named
