"""PrestaShop's tables as they are: `id_customer` and the like, statuses by number, an order's discount beside its lines, credit slips."""

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop

ORDERS, PEOPLE = 80, 20
STATES = {2: ("Pago aceptado", "Payment accepted"), 6: ("Cancelado; agotado", "Canceled"), 8: ("Error de pago", "Payment error")}


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(str(one) for one in row) for row in rows)]) + "\n")


def prestashop(folder: Path, is_before: bool = True) -> dict[str, Decimal]:
    """What the tables come to; with lines before their order's discount, or after it."""
    orders: list[list[object]] = []
    lines: list[list[object]] = []
    slips: list[list[object]] = []
    sums = {"sold": Decimal(0), "back": Decimal(0)}
    for n in range(ORDERS):
        day, pieces, price = f"2025-0{1 + n % 6}-{1 + n % 28:02d} 10:00:00", 1 + n % 3, Decimal(1000 + 250 * (n % 5)) / 100
        discount, state = Decimal(8) if n % 4 == 0 else Decimal(0), {1: 6, 2: 8}.get(n % 10, 2)
        lines.append([900 + n, n, n % 5, 0, f"Queso {n % 5}", pieces, 0, price, price * pieces])
        came = price * pieces - (discount if is_before else 0)
        # The cart and the invoice are numbered too; an order that is not paid has no invoice.
        invoiced = day if state == 2 else ""
        orders.append([n, f"REF{n}", 5000 + n, n % PEOPLE, 1, state, discount, came + Decimal("4.95"), invoiced, day])
        sums["sold"] += came
        sums["back"] += came if state != 2 else 0
        if n % 10 == 3:
            slips.append([n, n % PEOPLE, n, "2.50", day])
            sums["back"] += Decimal("2.50")
    write(
        folder / "ps_orders.csv",
        "id_order,reference,id_cart,id_customer,id_currency,current_state,total_discounts,total_paid,invoice_date,date_add",
        orders,
    )
    header = "id_order_detail,id_order,product_id,product_attribute_id,product_name,product_quantity,product_quantity_refunded,unit_price_tax_incl"
    write(folder / "ps_order_detail.csv", f"{header},total_price_tax_incl", lines)
    write(folder / "ps_order_slip.csv", "id_order_slip,id_customer,id_order,amount,date_add", slips)
    states = [[number, language, name] for number, names in STATES.items() for language, name in enumerate(names, 1)]
    write(folder / "ps_order_state_lang.csv", "id_order_state,id_lang,name", states)
    # Provinces are states too, and their numbers are among those of orders.
    write(folder / "ps_state.csv", "id_state,id_country,name", [[number, 6, "Madrid"] for number in range(1, 12)])
    write(folder / "ps_product.csv", "id_product,id_category_default,price,active", [[n, 3 + n % 2, 9, 1] for n in range(5)])
    named = [[3, 1, "Quesos"], [3, 2, "Cheeses"], [4, 1, "Vinos"], [4, 2, "Wines"]]
    write(folder / "ps_category_lang.csv", "id_category,id_lang,name", named)
    people = [[n, "Ana", f"p{n}@example.org", n % 2, 1, "2024-12-01 10:00:00"] for n in range(PEOPLE)]
    write(folder / "ps_customer.csv", "id_customer,firstname,email,newsletter,optin,date_add", people)
    return sums


@pytest.mark.parametrize("is_before", [True, False])
def test_sold_and_given_back_are_what_the_tables_say(is_before: bool, tmp_path: Path, staged) -> None:
    sums = prestashop(tmp_path / "in", is_before)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), count(distinct source_customer_id), sum(net_amount) from staging.stg_sales__orders") == [
        (ORDERS, PEOPLE, sums["sold"])
    ]
    assert rows("select sum(net_amount) from staging.stg_sales__returns") == [(sums["back"],)]
    said = "\n".join(draft.review)
    assert "current_state: Cancelado, agotado, Error de pago gives an order back; Pago aceptado counts as sold" in said
    assert "holds numbers" not in said and ("is taken off nothing" in said) != is_before
    agreed = "select count(distinct source_customer_id) from staging.stg_sales__consents where state = 'granted' and purpose = 'marketing'"
    called = "select title, category from staging.stg_sales__products where product_id = '3'"
    assert rows(called) == [("Queso 3", "Vinos")], "a mail would show numbers"
    assert rows(agreed) == [(PEOPLE // 2,)], "who agrees to a partner's offers would have agreed to the newsletter"


def test_lines_that_state_a_discount_are_not_discounted_twice(tmp_path: Path) -> None:
    prestashop(tmp_path / "in")
    lines = tmp_path / "in" / "ps_order_detail.csv"
    header, *rows = lines.read_text().splitlines()
    lines.write_text("\n".join([header + ",discount_amount", *(f"{row},{number % 2}.50" for number, row in enumerate(rows))]) + "\n")
    (orders,) = draft_shop(tmp_path / "shop", tmp_path / "in").layout.own_of("orders")
    assert "order_discount_amount" not in orders.parts
