"""A stranger's returns, newsletter, totals and purchases without a price, against plain sums of the files."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.checks import findings
from dagster_project.onboarding.samples import CannotRead
from dagster_project.onboarding.shops import draft_shop
from dagster_project.settings import load

START = datetime(2024, 1, 1)


def write(path: Path, header: str, rows: list[list[object]], delimiter: str = ";") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header.replace("|", delimiter), *(delimiter.join(str(one) for one in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")


def comma(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")


def laden(folder: Path) -> dict[str, Decimal]:
    """Orders with totals that hold shipping, their lines, returns, a newsletter by address: a German shop's tables. What they come to."""
    draw = random.Random(4)
    prices = {f"A-{n}": Decimal(draw.randrange(500, 150000)) / 100 for n in range(20)}
    orders, lines, returns, sums = [], [], [], {"sold": Decimal(0), "cancelled": Decimal(0), "returned": Decimal(0)}
    for n in range(200):
        at = START + timedelta(hours=30 * n)
        bought = [(product, draw.randrange(1, 4)) for product in draw.sample(sorted(prices), draw.randrange(1, 4))]
        total = sum((prices[product] * pieces for product, pieces in bought), Decimal(0))
        status = "storniert" if n % 20 == 7 else "versendet"
        orders.append([f"B{n}", f"K{n % 60}", at.strftime("%d/%m/%Y %H:%M"), status, "4,90", comma(total + Decimal("4.90")), "Web"])
        lines += [
            [f"B{n}", k, product, pieces, comma(prices[product]), comma(prices[product] * pieces)]
            for k, (product, pieces) in enumerate(bought, 1)
        ]
        sums["sold"] += total
        sums["cancelled"] += total if status == "storniert" else 0
        came = (at + timedelta(days=9)).strftime("%d/%m/%Y")
        if n % 10 == 3:
            returns.append([f"R{n}", f"B{n}", bought[0][0], 1, came, "defekt", comma(prices[bought[0][0]])])
            sums["returned"] += prices[bought[0][0]]
        elif n % 10 == 5:
            returns.append([f"R{n}", f"B{n}", "", "", came, "alles", comma(total / 3)])
            sums["returned"] += round(total / 3, 2)
    people = [[f"K{n}", "Jörg", "Müller", f"k{n}@beispiel.de"] for n in range(60)]
    news = [[f"K{n}@Beispiel.de", "05/01/2024 10:00", "01/03/2024 08:00" if n % 5 == 0 else ""] for n in range(0, 60, 2)]
    write(folder / "kunden.csv", "Kundennr|Vorname|Nachname|E-Mail", people)
    write(folder / "bestellungen.csv", "Bestellnr|Kundennr|Bestelldatum|Status|Versandkosten|Gesamtbetrag|Kanal", orders)
    write(folder / "positionen.csv", "Bestellnr|Pos|Artikelnr|Menge|Einzelpreis|Gesamtpreis", lines)
    write(folder / "retouren.csv", "Retourennr|Bestellnr|Artikelnr|Menge|Retourendatum|Grund|Erstattungsbetrag", returns)
    write(folder / "newsletter.csv", "E-Mail|Anmeldedatum|Abmeldedatum", news)
    return sums


def test_lines_returns_and_newsletter_come_to_what_the_files_say(tmp_path: Path, staged) -> None:
    sums = laden(tmp_path / "in")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {reading.sample.name: reading.kind for reading in draft.layout.own} == {
        "bestellungen": "orders",
        "kunden": "customers",
        "newsletter": "consents",
        "positionen": "lines",
        "retouren": "returns",
    }
    assert draft.shop.soft_opt_in is not None and draft.shop.soft_opt_in.purposes == ("profiling",)
    rows = staged(draft.shop, ["stg_sales__lines", "path:models/staging/sales"]).rows
    assert rows("select count(*), sum(net_amount) from staging.stg_sales__orders") == [(200, sums["sold"])]
    given_back = dict(rows("select kind, sum(net_amount) from staging.stg_sales__returns group by 1"))
    assert given_back == {"cancellation": sums["cancelled"], "refund": sums["returned"]}
    assert rows("select count(*) from staging.stg_sales__returns where source_customer_id is null or product_id is null") == [(0,)]
    assert rows(
        "select count(*) from staging.stg_sales__returns where kind = 'refund' and date_diff('day', occurred_at, date '2024-01-10') > 0"
    ) == [(0,)]
    said = "select channel, purpose, state, count(*) from staging.stg_sales__consents group by all order by all"
    assert rows(said) == [
        ("email", "marketing", "granted", 30),
        ("email", "marketing", "withdrawn", 6),
        ("email", "profiling", "withdrawn", 6),
    ]
    # Whom the newsletter alone names is a record by the address, which is the customer's own.
    named = "select count(*) from staging.stg_sales__records as one inner join staging.stg_sales__records as other on lower(one.email) = lower(other.email)"
    assert rows(f"{named} where one.source_customer_id like 'guest:%' and other.source_customer_id like 'K%'") == [(30,)]


def test_a_return_of_a_cancelled_order_gives_nothing_back_twice(tmp_path: Path, staged) -> None:
    laden(tmp_path / "in")
    (tmp_path / "in" / "retouren.csv").write_text(
        "Retourennr;Bestellnr;Retourendatum\nR1;B7;05/02/2024\nR2;B8;06/02/2024\nR3;B8;07/02/2024\n"
    )
    rows = staged(draft_shop(tmp_path / "shop", tmp_path / "in").shop, ["path:models/staging/sales"]).rows
    assert rows("select count(distinct kind) from staging.stg_sales__returns where order_id = 'B7'") == [(1,)]
    back = "select sum(net_amount) from staging.stg_sales__returns where order_id = 'B7'"
    assert rows(back) == rows("select net_amount from staging.stg_sales__orders where order_id = 'B7'")


@pytest.mark.parametrize(("purpose", "granted"), [("Personalisierung|personalised offers", 0), ("Newsletter|newsletter", 20)])
def test_a_table_that_names_profiling_is_the_only_one_to_grant_it(purpose: str, granted: int, tmp_path: Path, staged) -> None:
    bought = [[f"o{n}", f"c{n % 20}", f"2024-05-{n % 28 + 1:02d}", f"p{n % 5}", 1, 10] for n in range(60)]
    write(tmp_path / "in" / "sales.csv", "order id|customer id|order date|sku|quantity|price", bought, ",")
    answers = [[f"c{n}", "email", purpose.split("|")[1], "granted" if n % 2 else "withdrawn", "2024-05-01"] for n in range(10)]
    write(tmp_path / "in" / "consents.csv", "customer id|channel|purpose|status|date", answers, ",")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert (shop.soft_opt_in is None) == (granted == 0)
    if shop.soft_opt_in is None:
        text = (shop.folder / "shop.yaml").read_text()
        (shop.folder / "shop.yaml").write_text(text + "soft_opt_in: {notice: at the checkout, purposes: [profiling]}\n")
        from dagster_project.shop import load_shop

        shop = load_shop(shop.folder)
    rows = staged(shop, ["+int_soft_opt_ins", "stg_sales__consents"]).rows
    assert rows("select count(*) from profile.int_soft_opt_ins where purpose = 'profiling'") == [(granted,)]
    stated = {purpose for (purpose,) in rows("select distinct purpose from staging.stg_sales__consents where state = 'granted'")}
    assert stated == ({"profiling"} if granted == 0 else {"marketing"})


def test_what_was_bought_without_a_price_is_bought_and_a_gift_is_not(tmp_path: Path, staged) -> None:
    """Buyers of things without a known price are asked like others; who got a thing for nothing, or cancelled, is no buyer."""
    orders = [[n, f"c{n}", f"2024-05-{n + 1:02d}", "cancelled" if n == 3 else "done"] for n in range(10)]
    write(tmp_path / "in" / "orders.csv", "order id|user id|order date|status", orders, ",")
    write(tmp_path / "in" / "order_products.csv", "order_id|product_id|add_to_cart_order", [[n, f"p{n % 4}", 1] for n in range(10)], ",")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    assert {reading.kind for reading in draft.layout.own} == {"orders", "lines"}
    assert any("not for how much" in line for line in draft.review)
    rows = staged(draft.shop, ["+int_soft_opt_ins"]).rows
    buyers = "select count(distinct source_customer_id) from profile.int_soft_opt_ins"
    assert rows(buyers) == [(9,)]
    priced = [[n, f"p{n % 4}", 1, 0 if n < 4 else 5] for n in range(10)]
    write(tmp_path / "in" / "order_products.csv", "order_id|product_id|add_to_cart_order|price", priced, ",")
    rows = staged(draft_shop(tmp_path / "priced", tmp_path / "in").shop, ["+int_soft_opt_ins"], "priced").rows
    assert rows(buyers) == [(6,)]


def test_columns_that_stand_in_blanks_are_columns(tmp_path: Path) -> None:
    lines = [" customer_id  date number_of_cds  dollar_value"]
    lines += [f" {n % 20:05d} {START + timedelta(days=n):%Y%m%d} {1 + n % 3:2d} {10 + n % 7:6d}.00" for n in range(90)]
    (tmp_path / "master.txt").write_text("\r\n".join(lines) + "\r\n")
    columns = draft_shop(tmp_path / "shop", tmp_path / "master.txt").shop.sources["sales"].columns["purchases"]
    assert (columns["customer_id"], columns["quantity"], columns["line_amount"]) == ("customer_id", "number_of_cds", "dollar_value")


def test_a_file_without_names_of_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("00001,19970101,1,11.77\n00002,19970112,1,12.00\n")
    with pytest.raises(CannotRead, match=r"begins with values \(00001, 19970101.*add a first line of names"):
        draft_shop(tmp_path / "shop", tmp_path / "sales.csv")


def test_a_browser_and_a_person_are_told_apart(tmp_path: Path) -> None:
    bought = [[f"o{n}", f"c{n % 20}", f"2024-05-{n % 28 + 1:02d}", f"p{n % 5}", 1, 10] for n in range(60)]
    write(tmp_path / "in" / "sales.csv", "order id|customer id|order date|sku|quantity|price", bought, ",")
    seen = [[f"2024-05-01T10:{n:02d}:00Z", f"v{n % 9}", f"c{n % 20}" if n % 2 else "", "page_view", f"s{n}"] for n in range(60)]
    write(tmp_path / "in" / "web.csv", "timestamp|visitor_id|user_id|event_type|session_id", seen, ",")
    events = draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["events"]
    assert (events["visitor_id"], events["customer_id"]) == ("visitor_id", "user_id")


def test_a_campaign_or_destination_that_is_not_there_is_refused(tmp_path: Path) -> None:
    bought = [[f"o{n}", f"c{n % 20}", f"2024-05-{n % 28 + 1:02d}", f"p{n % 5}", 1, 10] for n in range(60)]
    write(tmp_path / "in" / "sales.csv", "order id|customer id|order date|sku|quantity|price", bought, ",")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    path = shop.folder / "shop.yaml"
    path.write_text(path.read_text().replace("[win_back]", "[win_bak]").replace("[generic]", "[klavio]"))
    found = findings(load({"DEARLY_HOME": str(tmp_path)}, shop=str(shop.folder)))
    assert [one for one in found if "campaigns: there is no win_bak; there are cart_recovery" in one and str(path) in one]
    assert [one for one in found if "destinations: there is no klavio; there are generic" in one]
