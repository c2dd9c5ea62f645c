"""What shop systems export with an order per block of lines: its discount, its refund, its variants' page; against plain sums of the file."""

import csv
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop

START = datetime(2024, 5, 1, 8)
CENT = Decimal("0.01")


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split("|"), *rows])


def orders_export(folder: Path, is_repeated: bool) -> dict[str, Decimal]:
    """Orders whose discount, status and refund stand on the first line, or on every line; what they come to."""
    draw = random.Random(3)
    rows: list[list[object]] = []
    sums = dict.fromkeys(("sold", "cancelled", "refunded"), Decimal(0))
    for n in range(120):
        lines = [(f"V{draw.randrange(6)}", Decimal(draw.choice([299, 999, 2495])) / 100, draw.randrange(1, 3)) for _ in range(1 + n % 4)]
        gross = sum((price * pieces for _, price, pieces in lines), Decimal(0))
        # A fifth of all of it: on the first line alone it may be more than that line comes to.
        discount = (gross / 5).quantize(CENT) if n % 3 == 0 else Decimal(0)
        status = {5: "refunded", 7: "partially_refunded"}.get(n % 20, "paid")
        # What is refunded whole holds the shipping too.
        refunded = {"refunded": gross - discount + Decimal("4.90"), "partially_refunded": Decimal("2.50")}.get(status, Decimal(0))
        sums["sold"] += gross - discount
        sums["cancelled"] += gross - discount if status == "refunded" else 0
        sums["refunded"] += refunded if status == "partially_refunded" else 0
        at = (START + timedelta(hours=7 * n)).strftime("%Y-%m-%d %H:%M:%S +0200")
        for place, (sku, price, pieces) in enumerate(lines):
            said = [status, f"{discount:.2f}", f"{refunded:.2f}"] if is_repeated or place == 0 else ["", "", ""]
            rows.append([f"#{1000 + n}", f"a{n % 30}@example.org", *said, at, pieces, f"Shirt {sku}", f"{price:.2f}", sku])
    header = (
        "Name|Email|Financial Status|Discount Amount|Refunded Amount|Created at|Lineitem quantity|Lineitem name|Lineitem price|Lineitem sku"
    )
    write(folder / "orders_export.csv", header, rows)
    return sums


@pytest.mark.parametrize("is_repeated", [False, True], ids=["on the first line", "on each line"])
def test_what_an_order_says_once_counts_once(is_repeated: bool, tmp_path: Path, staged: Callable) -> None:
    sums = orders_export(tmp_path / "in", is_repeated)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert any("taken off the order once" in line for line in draft.review)
    assert any("Refunded Amount is given back" in line for line in draft.review)
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), sum(net_amount) from staging.stg_sales__orders") == [(120, sums["sold"])]
    back = dict(rows("select kind, sum(net_amount) from staging.stg_sales__returns group by 1"))
    assert back == {"cancellation": sums["cancelled"], "refund": sums["refunded"]}
    # Money came back, and nobody says which pieces.
    assert rows("select sum(quantity) from staging.stg_sales__returns where kind = 'refund'") == [(0,)]
    # A share of the discount lies on each line, and none comes to less than nothing.
    assert rows("select count(*) from staging.stg_sales__lines where net_amount < 0 or net_amount > gross_amount") == [(0,)]


def test_a_discount_of_a_line_stays_the_lines(tmp_path: Path) -> None:
    rows = [[f"o{n // 3}", f"a{n % 9}@example.org", START + timedelta(hours=n // 3), f"S{n % 5}", 1, 20, n % 3] for n in range(120)]
    write(tmp_path / "in" / "lines.csv", "order id|email|order date|sku|quantity|unit price|discount amount", rows)
    columns = draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["lines"]
    assert columns["discount_amount"] == "discount amount" and "order_discount_amount" not in columns


def test_pieces_without_what_came_back_are_not_given_back_once_more(tmp_path: Path) -> None:
    rows = [[f"o{n}", f"a{n % 9}@example.org", START + timedelta(hours=n), f"S{n % 5}", 1, 20, 20 * (n % 9 == 0)] for n in range(90)]
    write(tmp_path / "in" / "lines.csv", "order id|email|order date|sku|quantity (- refund)|item cost|order refund amount", rows)
    assert "refunded_amount" not in draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["lines"]


def test_products_are_known_by_what_the_lines_call_them(tmp_path: Path, staged: Callable) -> None:
    """A row per variant and picture; the title stands on a page's first row only, and lines name the variant's sku."""
    orders_export(tmp_path / "in", False)
    header = "Handle|Title|Vendor|Option1 Value|Variant SKU|Variant Price|Image Src"
    products = [
        ["shirt-a", "Shirt A", "Acme", "S", "V0", 9, "a.jpg"],
        ["shirt-a", "", "", "M", "V1", 9, ""],
        ["shirt-a", "", "", "", "", "", "a-2.jpg"],
        *(["shirt-" + str(n), f"Shirt {n}", "Acme", "S", f"V{n}", 12, f"{n}.jpg"] for n in range(2, 6)),
    ]
    write(tmp_path / "in" / "products_export.csv", header, products)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    columns = draft.shop.sources["sales"].columns["products"]
    assert (columns["product_id"], columns["handle"]) == ("Variant SKU", "Handle")
    assert any("1 rows of products_export have none" in line for line in draft.review)
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select product_id, title, brand, image_url from staging.stg_sales__products where product_id < 'V2' order by 1") == [
        ("V0", "Shirt A", "Acme", "a.jpg"),
        ("V1", "Shirt A", "Acme", "a.jpg"),
    ]
    assert rows("select count(*) from staging.stg_sales__products") == [(6,)]
    assert rows("select count(*), min(reason) from sources.quarantine")[0][0] == 1


def test_the_apostrophe_of_a_spreadsheet_is_no_part_of_a_number(tmp_path: Path, staged: Callable) -> None:
    orders_export(tmp_path / "in", False)
    people = [[f"'69000{n:03d}", f"a{n}@example.org", "'01067", f"'+49 151 23456{n:02d}"] for n in range(30)]
    write(tmp_path / "in" / "customers_export.csv", "Customer ID|Email|Default Address Zip|Phone", people)
    rows = staged(draft_shop(tmp_path / "shop", tmp_path / "in").shop, ["path:models/staging/sales"]).rows
    found = "select source_customer_id, postal_code, phone from staging.stg_sales__records where source_customer_id like '%69000000'"
    assert rows(found) == [("69000000", "01067", "+49 151 2345600")]


def events(folder: Path) -> None:
    """theLook's shape: a browser's name on each event, the product in the page's address, customers of many countries."""
    kinds = [("/", "home"), ("/product/7", "product"), ("/cart", "cart"), ("/purchase", "purchase")]
    seen = [
        [n, n // 4 % 30 if n % 8 > 3 else "", f"s{n // 4}", START + timedelta(minutes=n), ("Chrome", "Safari")[n % 8 > 5], *kinds[n % 4]]
        for n in range(240)
    ]
    write(folder / "events.csv", "id|user_id|session_id|created_at|browser|uri|event_type", seen)
    bought = [[n, n // 2, n // 2 % 30, n % 9, START + timedelta(hours=n // 2), 9.5] for n in range(120)]
    write(folder / "order_items.csv", "id|order_id|user_id|product_id|created_at|sale_price", bought)
    lands = ["China", "United States", "Brasil", "South Korea", "England"]
    write(folder / "users.csv", "id|email|country", [[n, f"a{n}@example.org", lands[n % 5]] for n in range(30)])


def test_a_browsers_name_is_no_visitor_and_a_page_names_its_product(tmp_path: Path, staged: Callable) -> None:
    events(tmp_path / "in")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert shop.sources["sales"].columns["events"]["visitor_id"] == "session_id"
    rows = staged(shop, ["path:models/staging/sales"]).rows
    assert rows("select event, sku, count(*) from staging.stg_sales__web_events where sku is not null group by all") == [
        ("view_item", "7", 60)
    ]
    assert rows("select count(distinct browser_id) from staging.stg_sales__web_events") == [(60,)]
    # Each visit, of a known customer or not.
    visits = (
        "select count(*), count(distinct session_id), sum(product_views_count), sum(cart_adds_count), count(distinct source_customer_id)"
    )
    assert rows(f"{visits} from staging.stg_sales__sessions") == [(60, 60, 60, 60, 45)]


def test_customers_of_many_countries_do_not_say_where_the_shop_is(tmp_path: Path, staged: Callable) -> None:
    events(tmp_path / "in")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert (shop.currency, shop.zone) == ("USD", "Etc/UTC")
    assert "none has half of the rows" in (shop.folder / "shop.yaml").read_text()
    rows = staged(shop, ["path:models/staging/sales"]).rows
    assert rows("select distinct country from staging.stg_sales__records order by 1") == [("BR",), ("CN",), ("GB",), ("KR",), ("US",)]


def test_a_visit_goes_on_in_the_next_nights_extract(tmp_path: Path, staged: Callable) -> None:
    events(tmp_path / "in")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    select = ["stg_sales__web_events", "stg_sales__sessions"]
    before = staged(shop, select).rows("select count(*), sum(events_count) from staging.stg_sales__sessions")
    header = "id|user_id|session_id|created_at|browser|uri|event_type"
    later = [
        [900, "", "s59", "2024-05-09 10:00:00", "Chrome", "/cart", "cart"],
        [901, "", "s900", "2024-05-09 11:00:00", "Chrome", "/", "home"],
    ]
    write(shop.folder / "extracts" / "sales" / "events" / "events_20240510T050000Z.csv", header, later)
    rows = staged(shop, select).rows
    assert (before, rows("select count(distinct session_id), count(*) from staging.stg_sales__sessions")) == ([(60, 240)], [(61, 62)])
    versions = (
        "select version_number, events_count, cart_adds_count from staging.stg_sales__sessions where session_id = 's59:s59' order by 1"
    )
    assert rows(versions) == [(1, 4, 1), (2, 5, 2)]
