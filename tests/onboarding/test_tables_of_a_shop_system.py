"""A shop system's own tables, as a loader lands them (Magento's names): what they come to, and who may be written to."""

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop
from dagster_project.shop import load_shop

ORDERS, PEOPLE = 80, 20


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(str(one) for one in row) for row in rows)]) + "\n")


def address(n: int) -> str:
    return f"p{n % PEOPLE}@example.org"


def magento(folder: Path) -> dict[str, Decimal]:
    orders: list[list[object]] = []
    lines: list[list[object]] = []
    refunds: list[list[object]] = []
    sums = {"sold": Decimal(0), "back": Decimal(0)}
    for n in range(ORDERS):
        day = f"2025-0{1 + n % 6}-{1 + n % 28:02d} 10:00:00"
        came = Decimal(0)
        for k in range(1 + n % 3):
            price, pieces = Decimal(1000 + 250 * ((n + k) % 5)) / 100, 1 + k
            discount = Decimal("1.50") if (n + k) % 4 == 0 else Decimal(0)
            lines.append([3 * n + k, n, day, (n + k) % 5, f"Tent {(n + k) % 5}", pieces, price, price * pieces, discount])
            came += price * pieces - discount
        person = 1000 + n % PEOPLE
        state = "canceled" if n % 10 == 2 else "complete"
        orders.append([n, 100000000 + n, state, state, person, address(n), day, "USD", came + 5])
        sums["sold"] += came
        if n % 10 == 0:  # with shipping, which was never revenue
            refunds.append([f"re{n}", n, int((came + 5) * 100), day])
            sums["back"] += came
        elif n % 10 == 2:
            sums["back"] += came
        elif n % 10 == 1:
            refunds.append([f"re{n}", n, 250, day])
            sums["back"] += Decimal("2.50")
    write(
        folder / "sales_order.csv",
        "entity_id,increment_id,state,status,customer_id,customer_email,created_at,order_currency_code,grand_total",
        orders,
    )
    write(folder / "sales_order_item.csv", "item_id,order_id,created_at,product_id,name,qty_ordered,price,row_total,discount_amount", lines)
    write(folder / "refunds.csv", "refund_id,order_id,amount_cents,created_at", refunds)
    return sums


def test_sold_and_given_back_are_what_the_tables_say(tmp_path: Path, staged) -> None:
    sums = magento(tmp_path / "in")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), sum(net_amount) from staging.stg_sales__orders") == [(ORDERS, sums["sold"])]
    assert rows("select sum(net_amount) from staging.stg_sales__returns") == [(sums["back"],)]
    columns = draft.shop.sources["sales"].columns
    assert columns["lines"]["product_name"] == "name", "a product's name would be its buyer's"
    assert "region" not in columns["orders"], "the state of an order is no place"


def test_numbers_that_stand_for_answers_are_read_where_a_system_is_known_for_them(tmp_path: Path, staged) -> None:
    magento(tmp_path / "in")
    people = [[n, 1000 + n if n < PEOPLE else 0, f"p{n}@example.org", 1 + n % 4, "2025-02-01 10:00:00"] for n in range(2 * PEOPLE)]
    write(
        tmp_path / "in" / "newsletter_subscriber.csv",
        "subscriber_id,customer_id,subscriber_email,subscriber_status,change_status_at",
        people,
    )
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    told = "select state, count(distinct source_customer_id) from staging.stg_sales__consents where purpose = 'marketing' group by 1 order by 1"
    assert rows(told) == [("granted", PEOPLE // 2), ("withdrawn", PEOPLE * 3 // 2)]


@pytest.mark.parametrize("sale_first", [True, False])
def test_products_of_an_export_with_further_names_and_prices(sale_first: bool, tmp_path: Path, staged) -> None:
    """WooCommerce's: a description before the name, a sale price that is mostly empty, several pictures in one cell."""
    magento(tmp_path / "in")
    prices = "Sale price,Regular price" if sale_first else "Regular price,Sale price"
    picture = "https://example.org/{0}.jpg, https://example.org/{0}-2.jpg"
    rows = []
    for n in range(5):
        each = ["", "20"] if sale_first else ["20", ""]
        rows.append([n, "simple", f"S{n}", "<p>Fine</p>", f"Tent {n}", *each, '"Camp > Tents, New"', int(n < 4), f'"{picture.format(n)}"'])
    write(tmp_path / "in" / "wc-product-export.csv", f"ID,Type,SKU,Description,Name,{prices},Categories,Published,Images", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    staging = staged(draft.shop, ["path:models/staging/sales"]).rows
    said = "select distinct title, category, price, image_url from staging.stg_sales__products where product_id = '3'"
    assert staging(said) == [("Tent 3", "Tents", Decimal(20), "https://example.org/3.jpg")]
    assert staging("select product_id from staging.stg_sales__products where status = 'archived'") == [("4",)]


def test_moments_of_a_database_that_keeps_utc_are_read_so_where_the_shop_says_it(tmp_path: Path, staged) -> None:
    magento(tmp_path / "in")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    settings = draft.shop.folder / "shop.yaml"
    drafted = settings.read_text().replace("zone: Etc/UTC", "zone: America/New_York")
    settings.write_text(drafted.replace("ordered_at: created_at", "ordered_at: {from: created_at, format: utc}"))
    rows = staged(load_shop(draft.shop.folder), ["path:models/staging/sales"]).rows
    assert rows("select distinct hour(occurred_at) from staging.stg_sales__orders") == [(10,)]
