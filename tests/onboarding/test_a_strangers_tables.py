"""A stranger's files become a shop: which table is what, how its values are written, and the same money as plain SQL over the files."""

import csv
import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.checks import findings
from dagster_project.onboarding.layout import NothingToSell
from dagster_project.onboarding.shops import ShopExists, draft_shop
from dagster_project.runs import last_closed_day
from dagster_project.settings import SHOPS, load
from dagster_project.shop import ASSUMED, Header, load_shop
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse

ORDERS = 120
START = datetime(2019, 1, 1)


def moments() -> list[datetime]:
    draw = random.Random(3)
    return sorted(START + timedelta(minutes=draw.randrange(150 * 1440)) for _ in range(ORDERS))


def write(path: Path, header: str, rows: list[list[object]], delimiter: str = ",", encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header.split("|"), *rows])


def marketplace(folder: Path) -> None:
    """Orders, their lines, customers by order, products: each in its file, with others that say nothing of sales."""
    at = moments()
    write(
        folder / "mk_orders.csv",
        "order_id|customer_id|order_status|order_purchase_timestamp",
        [[f"o{n}", f"c{n}", "delivered", at[n]] for n in range(ORDERS)],
    )
    lines = [[f"o{n}", k, f"p{(n + k) % 9}", 10 + k, 2.5] for n in range(ORDERS) for k in (1, 2)]
    write(folder / "mk_order_items.csv", "order_id|order_item_id|product_id|price|freight_value", lines)
    people = [[f"c{n}", f"u{n % 50}", "14409", "Franca", "SP"] for n in range(ORDERS)]
    write(folder / "mk_customers.csv", "customer_id|customer_unique_id|customer_zip_code_prefix|customer_city|customer_state", people)
    write(folder / "mk_products.csv", "product_id|product_category_name|product_photos_qty", [[f"p{n}", "arts", 1] for n in range(9)])
    write(folder / "mk_sellers.csv", "seller_id|seller_city", [["s1", "Campinas"]])


def ids_only(folder: Path) -> None:
    """A database's own tables, each with a plain id."""
    at = moments()
    write(
        folder / "users.csv",
        "id|first_name|last_name|email|country|created_at",
        [[n, "Ann", "Lee", f"a{n}@example.org", "Brasil", f"{START} UTC"] for n in range(50)],
    )
    write(
        folder / "orders.csv",
        "id|user_id|status|created_at",
        [[n, n % 50, "Complete" if n % 4 else "Cancelled", f"{at[n]} UTC"] for n in range(ORDERS)],
    )
    write(folder / "order_items.csv", "id|order_id|product_id|sale_price", [[n, n, n % 9, 20] for n in range(ORDERS)])
    write(
        folder / "products.csv",
        "id|cost|category|name|brand|retail_price|sku",
        [[n, 9, "Jeans", f"Jeans {n}", "L", 20, f"S{n}"] for n in range(9)],
    )


def ids_and_totals(folder: Path) -> None:
    """Orders under a plain id that say what they come to, and lines with a discount in money."""
    at = moments()
    write(folder / "orders.csv", "id|customer_id|ordered_at|total", [[n, n % 50, at[n], 38.5] for n in range(ORDERS)])
    lines = [[n, n, f"S{n % 9}", 2, 20, 1.5 if n % 2 else 0] for n in range(ORDERS)]
    write(folder / "order_items.csv", "id|order_id|sku|qty|unit_price|discount", lines)


def one_semicolon_file(folder: Path) -> None:
    """One row per line, German: semicolons, decimal commas, day first, Windows' letters."""
    at = moments()
    rows = [
        [f"R{n}", at[n].strftime("%d.%m.%Y %H:%M"), f"K{n % 50}", f"A{n % 9}", "Käse", 2, f"1.0{n % 10}0,50", "Germany"]
        for n in range(ORDERS)
    ]
    write(
        folder / "umsatz.csv",
        "Invoice No|Invoice Date|Customer No|Article No|Description|Quantity|Unit Price|Country",
        rows,
        ";",
        "latin-1",
    )


def purchases_without_numbers(folder: Path) -> None:
    """One row per bought product, without an order number."""
    at = moments()
    rows = [[at[n].strftime("%-m/%-d/%Y"), f"{n % 50:08d}", 471000 + n % 9, 1 + n % 2, 30] for n in range(ORDERS)]
    write(folder / "merged.csv", "TRANSACTION_DT|CUSTOMER_ID|PRODUCT_ID|AMOUNT|SALES_PRICE", rows)


def events_with_purchases(folder: Path) -> None:
    at = moments()
    rows = [
        [f"{at[n]} UTC", ("view", "cart", "purchase")[n % 3], n % 9, "electronics.phone", "acme", 99.9, n % 50, f"s{n % 40}"]
        for n in range(ORDERS)
    ]
    write(folder / "2019-Oct.csv", "event_time|event_type|product_id|category_code|brand|price|user_id|user_session", rows)


def shop_export(folder: Path) -> None:
    """What a shop system exports: an order's own facts stand on its first line only."""
    at = moments()
    header = "Name|Email|Financial Status|Currency|Subtotal|Created at|Lineitem quantity|Lineitem name|Lineitem price|Lineitem sku|Billing Name|Billing Country"
    rows = []
    for n in range(ORDERS):
        created = at[n].strftime("%Y-%m-%d %H:%M:%S +0200")
        rows.append([f"#{n}", f"a{n % 50}@example.org", "paid", "EUR", 20, created, 1, f"Mug {n % 9}", 10, f"M{n % 9}", "Ann Lee", "DE"])
        rows.append([f"#{n}", f"a{n % 50}@example.org", "", "", "", created, 2, "Cup", 5, "CUP", "", ""])
    write(folder / "orders_export.csv", header, rows)


# layout → (orders, net revenue, rows without a refusal, some parts)
CASES = {
    marketplace: {
        "lines": {"unit_price": "price"},
        "customers": {"login_id": "customer_unique_id"},
        "orders": {"ordered_at": "order_purchase_timestamp"},
        "products": {},
    },
    ids_only: {
        "customers": {"customer_id": "id"},
        "orders": {"order_id": "id"},
        "lines": {"line_number": "id"},
        "products": {"product_id": "id"},
    },
    ids_and_totals: {
        "orders": {"order_id": "id", "total_amount": "total"},
        "lines": {"product_id": "sku", "discount_amount": "discount"},
    },
    one_semicolon_file: {"lines": {"ordered_at": "%d.%m.%Y %H:%M", "unit_price": "1.234,56", "customer_id": "Customer No"}},
    purchases_without_numbers: {"purchases": {"ordered_at": "%m/%d/%Y", "quantity": "AMOUNT", "line_amount": "SALES_PRICE"}},
    events_with_purchases: {"events": {"visitor_id": "user_session"}, "purchases": {"customer_id": "user_id"}},
    shop_export: {"lines": {"order_id": "Name", "ordered_at": "%Y-%m-%d %H:%M:%S %z", "email": "Email"}},
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_each_table_gets_its_part_and_no_row_is_refused(make, tmp_path: Path) -> None:
    make(tmp_path / "files")
    draft = draft_shop(tmp_path / "shops" / "stranger", tmp_path / "files")
    columns = draft.shop.sources["sales"].columns
    assert set(columns) == set(CASES[make])
    for table, parts in CASES[make].items():
        for column, expected in parts.items():
            stated = columns[table][column]
            assert expected in ((stated.header, stated.format) if isinstance(stated, Header) else (stated,)), (table, column, stated)
    assert findings(load({"DEARLY_HOME": str(tmp_path)}, shop=str(draft.shop.folder))) == []
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    load_shop_extracts(warehouse, draft.shop, tmp_path / "store")
    ((rows_in, loaded),) = warehouse.rows("select sum(rows_in), sum(rows_loaded) from sources.load_ledger")
    assert (rows_in, loaded) == (sum(reading.sample.rows for reading in draft.layout.own), rows_in)
    # What the draft itself says is not used was some forty lines of news in `dearly status` after the first night.
    assert warehouse.rows("select table_name, column_name from sources.differences where drift = 'new_column'") == []
    last = date(2019, 5, 30)
    assert abs((draft.shop.last_day - last).days) <= 1


def test_a_folder_of_pulls_of_known_systems_is_known_by_its_columns(tmp_path: Path) -> None:
    draft = draft_shop(tmp_path / "shops" / "again", SHOPS / "small" / "extracts")
    assert sorted(draft.shop.sources) == ["hubspot", "shopify"]
    assert sum(1 for _ in draft.shop.folder.glob("extracts/*/*/*")) == sum(1 for _ in (SHOPS / "small").glob("extracts/*/*/*"))
    assert draft.shop.sources["shopify"].history_until == datetime(2026, 2, 28, 23)
    assert draft.shop.soft_opt_in is None


def test_what_nobody_can_sell_with_is_refused_in_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "files" / "weather.csv", "day|degrees", [[1, 20]])
    with pytest.raises(NothingToSell, match=r"No table says who bought what and when .* weather: nothing of a sale \(day, degrees\)"):
        draft_shop(tmp_path / "shops" / "none", tmp_path / "files")
    assert not (tmp_path / "shops" / "none").exists()


def test_a_shop_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shops" / "mine").mkdir(parents=True)
    with pytest.raises(ShopExists):
        draft_shop(tmp_path / "shops" / "mine", tmp_path)


def test_an_assumed_opt_in_does_not_leave_the_machine(tmp_path: Path) -> None:
    marketplace(tmp_path / "files")
    shop = draft_shop(tmp_path / "shops" / "stranger", tmp_path / "files").shop
    assert shop.soft_opt_in is not None
    assert shop.soft_opt_in.notice == ASSUMED
    assert shop.refusal(delivers_outside=False) is None
    assert "soft_opt_in is assumed" in str(shop.refusal(delivers_outside=True))
    told = shop.model_copy(update={"soft_opt_in": shop.soft_opt_in.model_copy(update={"notice": "at the checkout"})})
    assert told.refusal(delivers_outside=True) is None


def test_the_drafted_key_is_the_shops_own_and_secret(tmp_path: Path) -> None:
    marketplace(tmp_path / "files")
    keys = set()
    for name in ("one", "two"):
        shop = draft_shop(tmp_path / "shops" / name, tmp_path / "files").shop
        keys.add(shop.pseudonym_key(None))
        assert (shop.folder / "pseudonym.key").stat().st_mode & 0o077 == 0
    assert len(keys) == 2


def test_a_column_that_comes_after_the_draft_is_news(tmp_path: Path) -> None:
    marketplace(tmp_path / "files")
    shop = draft_shop(tmp_path / "shops" / "stranger", tmp_path / "files").shop
    assert shop.sources["sales"].not_used == {"lines": ["freight_value"], "products": ["product_photos_qty"]}
    extracts = shop.folder / "extracts" / "sales" / "products"
    write(extracts / "products_20190602T050000Z.csv", "product_id|product_category_name|product_photos_qty|rating", [["p9", "arts", 1, 4]])
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    load_shop_extracts(warehouse, shop, tmp_path / "store")
    assert warehouse.rows("select table_name, column_name from sources.differences where drift = 'new_column'") == [("products", "rating")]


def test_a_column_that_is_called_otherwise_from_a_night_on_has_both_names_in_the_shops_file(tmp_path: Path) -> None:
    ids_and_totals(tmp_path / "files")
    draft = draft_shop(tmp_path / "shops" / "stranger", tmp_path / "files")
    extracts = draft.shop.folder / "extracts" / "sales" / "lines"
    write(extracts / "lines_20190602T050000Z.csv", "id|order_id|sku|qty|price_each|discount", [[900, 7, "S1", 1, 30, 0]])
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    load_shop_extracts(warehouse, draft.shop, tmp_path / "store")
    ((reason,),) = warehouse.rows("select reason from sources.refused_extracts")
    assert (
        "'unit_price', which earlier extracts had, is missing (new are price_each): where it is called otherwise now, `from: [unit_price, …]`"
        in reason
    )
    stated = draft.shop.folder / "shop.yaml"
    stated.write_text(stated.read_text().replace("unit_price: unit_price", "unit_price: {from: [unit_price, price_each]}"))
    load_shop_extracts(warehouse, load_shop(draft.shop.folder), tmp_path / "store")
    assert warehouse.rows("select count(*) from sources.refused_extracts") == [(0,)]
    assert warehouse.rows("select count(*), count(unit_price) from sources.sales__lines") == [(ORDERS + 1, ORDERS + 1)]


def test_a_file_of_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "sales.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"save sales.xlsx as CSV"):
        draft_shop(tmp_path / "shops" / "none", tmp_path / "files")


@pytest.mark.parametrize("format", ["%d/%m/%Y", "%m/%d/%Y"])
def test_day_and_month_are_told_apart_by_the_files_order(format: str, tmp_path: Path) -> None:
    """Days that read either way: only one reading is in order."""
    days = [day for n in range(11) if (day := date(2019, 1, 1) + timedelta(days=30 * n + n % 3)).day <= 12]
    rows = [[f"o{n}", f"c{n}", f"p{n % 3}", day.strftime(format), 5, 1] for n, day in enumerate(days)]
    write(tmp_path / "files" / "sales.csv", "order id|customer id|product id|order date|price|quantity", rows)
    draft = draft_shop(tmp_path / "shops" / "s", tmp_path / "files")
    stated = draft.shop.sources["sales"].columns["lines"]["ordered_at"]
    assert isinstance(stated, Header)
    assert stated.format == format
    assert any("which comes first, the day or the month?" in line for line in draft.review)


def german_shop(folder: Path) -> None:
    """Semicolons, Windows' letters, days first, decimal commas, German headers."""
    lines = [
        [f"B{n // 2}", f"{n // 40 + 1:02d}.10.2025", f"K{n % 30}", f"A{n % 9}", "Große Tüte", 2, "1.250,50", "2.501,00"] for n in range(240)
    ]
    header = "Bestellnummer|Bestelldatum|Kundennummer|Artikelnummer|Artikelbezeichnung|Menge|Einzelpreis|Gesamtpreis"
    write(folder / "Bestellpositionen.csv", header, lines, delimiter=";", encoding="cp1252")
    people = [[f"K{n}", "Jörg", "Müller", f"k{n}@beispiel.de", "Deutschland", "nein" if n % 4 else "ja"] for n in range(30)]
    write(
        folder / "Kunden.csv",
        "Kundennummer|Vorname|Nachname|E-Mail-Adresse|Land|Newsletter",
        people,
        delimiter=";",
        encoding="cp1252",
    )


def test_a_german_shop_is_read_as_it_writes(tmp_path: Path) -> None:
    german_shop(tmp_path / "in")
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    source = draft.shop.sources["sales"]
    assert source.columns["lines"]["unit_price"] == Header(**{"from": "Einzelpreis", "format": "1.234,56"})
    assert source.columns["lines"]["ordered_at"] == Header(**{"from": "Bestelldatum", "format": "%d.%m.%Y", "required": True})
    assert source.columns["customers"]["accepts_marketing"] == "Newsletter"
    assert (draft.shop.zone, draft.shop.last_day) == ("Europe/Berlin", date(2025, 10, 6))
    assert not [doubt for doubt in draft.review if "times" in doubt]
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    assert {batch.table_name: batch.rows_loaded for batch in load_shop_extracts(warehouse, draft.shop, tmp_path / "store")} == {
        "lines": 240,
        "customers": 30,
    }
    assert warehouse.rows("select distinct line_amount, product_name from sources.sales__lines") == [("2501.00", "Große Tüte")]


@pytest.mark.whole
@pytest.mark.xdist_group("stranger")
def test_a_no_to_the_newsletter_is_one_to_profiling_too(tmp_path: Path, small_settings, build, rows) -> None:
    german_shop(tmp_path / "in")
    shop = draft_shop(tmp_path / "shops" / "laden", tmp_path / "in").shop
    assert shop.soft_opt_in
    assert shop.soft_opt_in.purposes == ("profiling",)
    settings = build(small_settings(shop.folder), [shop.last_day])

    said_yes = {f"k{n}@beispiel.de" for n in range(0, 30, 4)}
    for purpose in ("marketing", "profiling"):
        permitted = rows(
            settings,
            "select customers.email from profile.current_permissions as permissions inner join profile.current_customers as customers "
            "using (customer_id) where channel = 'email' and purpose = ? and is_permitted and customers.as_of = (select max(as_of) from profile.current_customers)",
            purpose,
        )
        assert {email for (email,) in permitted} == said_yes, purpose

    assert rows(settings, "select count(*) from features.customer_features") == [(len(said_yes),)]


def french_shop(folder: Path) -> None:
    """Semicolons, the euro sign as Windows writes it, accents, decimal commas, oui and non."""
    lines = [
        [f"CMD-{n // 2}", f"{n // 20 + 1:02d}/10/2025 08:30", f"CL{n % 30}", f"R{n % 9}", "Thé n° 7 « bio »", 2, "4,50", "9,00 €"]
        for n in range(240)
    ]
    header = "Numéro de commande|Date de commande|Code client|Référence article|Désignation|Quantité|Prix unitaire TTC|Montant TTC"
    write(folder / "commandes.csv", header, lines, delimiter=";", encoding="cp1252")
    people = [
        [f"CL{n}", "Élodie", "Lefèvre", f"c{n}@exemple.fr", "oui" if n % 2 else "non", f"{n % 27 + 1:02d}/02/1961", f"1 61 02 75 {n:03d}"]
        for n in range(30)
    ]
    write(
        folder / "clients.csv",
        "Code client|Prénom|Nom|Adresse e-mail|Newsletter|Date de naissance|NIF",
        people,
        delimiter=";",
        encoding="cp1252",
    )


def test_a_french_shop_is_read_as_it_writes_and_its_next_extract_too(tmp_path: Path) -> None:
    french_shop(tmp_path / "in")
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    source = shop.sources["sales"]
    assert (shop.zone, source.encoding) == ("Europe/Paris", "cp1252")
    assert source.columns["lines"]["line_amount"] == Header(**{"from": "Montant TTC", "format": "1.234,56"})
    assert source.columns["customers"]["accepts_marketing"] == "Newsletter"
    assert source.columns["customers"]["national_id"] == "NIF"
    assert source.columns["customers"]["birth_date"] == Header(**{"from": "Date de naissance", "format": "%d/%m/%Y"})
    night = tmp_path / "shop" / "extracts" / "sales" / "lines" / "lines_20251014T050000Z.csv"
    text = (tmp_path / "in" / "commandes.csv").read_bytes().decode("cp1252").splitlines()
    night.write_bytes("\r\n".join([text[0], text[1].replace("CMD-0", "CMD-900"), ""]).encode("cp1252"))
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    loaded = load_shop_extracts(warehouse, shop, tmp_path / "store")
    assert sorted((batch.table_name, batch.rows_loaded, batch.rows_quarantined) for batch in loaded) == [
        ("customers", 30, 0),
        ("lines", 1, 0),
        ("lines", 240, 0),
    ]
    assert warehouse.rows("select distinct line_amount, product_name from sources.sales__lines") == [("9.00", "Thé n° 7 « bio »")]


def test_an_export_with_the_side_of_each_address_behind_its_header(tmp_path: Path) -> None:
    header = "Order Number|Order Date|First Name (Billing)|Last Name (Billing)|City (Billing)|Email (Billing)|SKU|Item Name|Quantity (- Refund)|Item Cost"
    rows = [
        [n // 2, f"2024-05-{n % 28 + 1:02d} 10:00", "Ann", "Lee", "Wien", f"a{n % 9}@example.org", f"S{n % 5}", "Bag", 1, 20]
        for n in range(80)
    ]
    write(tmp_path / "in" / "orders-2024.csv", header, rows)
    columns = draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns["lines"]
    wanted = {
        "email": "Email (Billing)",
        "first_name": "First Name (Billing)",
        "quantity": "Quantity (- Refund)",
        "unit_price": "Item Cost",
    }
    assert {column: columns[column] for column in wanted} == wanted


@pytest.mark.parametrize(
    ("amount", "price", "kept", "gone"),
    [
        (lambda n: 100 + n // 3, lambda n: 5 + n % 3, "unit_price", "line_amount"),
        (None, lambda n: (5 + n % 3) * (1 + n % 5), "line_amount", "unit_price"),
    ],
    ids=["an order's total on each line", "a price of all pieces together"],
)
def test_an_amount_is_of_an_order_of_a_line_or_of_a_piece(amount, price, kept: str, gone: str, tmp_path: Path) -> None:
    rows = [
        [f"o{n // 3}", f"2024-05-{n // 3 % 28 + 1:02d}", f"c{n % 20}", f"p{n % 3}", 1 + n % 5, price(n), *([amount(n)] if amount else [])]
        for n in range(150)
    ]
    write(tmp_path / "in" / "sales.csv", "order id|order date|customer id|sku|qty|price" + ("|grand_total" if amount else ""), rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    columns = draft.shop.sources["sales"].columns["lines"]
    assert columns[kept] == "price" and gone not in columns
    assert any("an order: its total" in line or "grows with" in line for line in draft.review)


def test_what_was_sold_is_a_product_though_its_table_says_nothing_of_it(tmp_path: Path, staged) -> None:
    marketplace(tmp_path / "in")
    write(tmp_path / "in" / "mk_products.csv", "product_id|product_category_name", [[f"p{n}", "arts" if n else ""] for n in range(9)])
    rows = staged(draft_shop(tmp_path / "shop", tmp_path / "in").shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), count(category), min(price) from staging.stg_sales__products") == [(9, 8, 11)]


@pytest.mark.parametrize("bought", ["transaction", "checkout_completed"])
def test_events_without_prices_are_purchases_that_come_to_nothing(bought: str, tmp_path: Path) -> None:
    at = moments()
    rows = [
        [int(at[n].timestamp() * 1000), n % 50, ("view", "addtocart", bought)[n % 3], n % 9, n if n % 3 == 2 else ""] for n in range(ORDERS)
    ]
    write(tmp_path / "in" / "events.csv", "timestamp|visitorid|event|itemid|transactionid", rows)
    draft = draft_shop(tmp_path / "shop", tmp_path / "in")
    columns = draft.shop.sources["sales"].columns
    assert (columns["events"]["visitor_id"], columns["lines"]["customer_id"]) == ("visitorid", "visitorid")
    assert any("no table says what a product is called" in line for line in draft.review)
    assert any("not for how much" in line for line in draft.review)


def test_a_refusal_says_what_each_table_lacks(tmp_path: Path) -> None:
    write(tmp_path / "in" / "report.csv", "Order ID|Date|SKU|Qty|Amount", [[f"o{n}", f"04-{n + 1:02d}-22", "S", 1, 9] for n in range(28)])
    with pytest.raises(NothingToSell, match=r"report: date \(Date\), order number \(Order ID\).* but no customer"):
        draft_shop(tmp_path / "shop", tmp_path / "in")


def test_a_shop_without_a_last_day_has_a_day_for_each_night_that_came(tmp_path: Path) -> None:
    marketplace(tmp_path / "files")
    shop = draft_shop(tmp_path / "shop", tmp_path / "files").shop
    text = (shop.folder / "shop.yaml").read_text()
    assert shop.last_day is not None
    (shop.folder / "shop.yaml").write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("last_day")))
    settings = load({"DEARLY_HOME": str(tmp_path)}, shop=str(shop.folder))
    opened = load_shop(shop.folder)
    assert last_closed_day(settings, opened) == shop.last_day
    folder = shop.folder / "extracts" / "sales" / "orders"
    night = shop.moment(shop.last_day + timedelta(days=1)).known_by
    (folder / f"orders_{night:%Y%m%dT%H%M%S}Z.csv").write_text("order_id,customer_id,order_status,order_purchase_timestamp\n")
    assert last_closed_day(settings, opened) == shop.last_day + timedelta(days=1)
    assert last_closed_day(settings, shop) == shop.last_day, "a last day that is stated stays the last"
