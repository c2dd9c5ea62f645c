"""What strangers' headers and values say: numbers in other languages, dates with offsets, statuses that give an order back."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.onboarding import values
from dagster_project.onboarding.headers import meaning_of
from dagster_project.onboarding.layout import NothingToSell
from dagster_project.onboarding.samples import read_file
from dagster_project.onboarding.shops import draft_shop
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse


@pytest.mark.parametrize(
    ("header", "meaning"),
    [
        ("N° client", "customer id"),
        ("Numéro de commande", "order id"),
        ("Nº Pedido", "order id"),
        ("n° ordine", "order id"),
        ("Note", "note"),
        ("Customer No", "customer no"),
    ],
)
def test_a_number_is_known_by_what_it_numbers(header: str, meaning: str) -> None:
    assert meaning_of(header) == meaning


def test_a_moment_with_an_offset_is_read_with_it(tmp_path: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
    (tmp_path / "orders.csv").write_text("at,word\n" + "".join(f"{day} 10:00:00 +0100,w{day}\n" for day in days))
    with duckdb.connect() as connection:
        sample = read_file(connection, tmp_path / "orders.csv", 0)
        assert values.moment(connection, sample, "at") == values.Written("%Y-%m-%d %H:%M:%S %z")
        assert values.moment(connection, sample, "word") is None


def lines_with(status: list[str], folder: Path, header: str = "Statut") -> Path:
    rows = [f"o{n};c{n % 9};{date(2024, 1, 1) + timedelta(days=n)};p{n % 5};1;9,50;{status[n % len(status)]}" for n in range(90)]
    (folder / "lignes.csv").write_text(
        f"N° commande;N° client;Date de commande;Référence article;Quantité;Prix unitaire;{header}\n" + "\n".join(rows) + "\n"
    )
    return folder / "lignes.csv"


def test_it_is_said_which_statuses_give_an_order_back(tmp_path: Path) -> None:
    draft = draft_shop(
        tmp_path / "shop", lines_with(["Expédiée", "Annulée", "Partiellement remboursée", "Remboursée", "Retournée"], tmp_path)
    )
    (said,) = [line for line in draft.review if line.startswith("Statut")]
    back, sold = said.split(" gives an order back; ")
    assert set(back.removeprefix("Statut: ").split(", ")) == {"Annulée", "Remboursée", "Retournée"}
    assert set(sold.removesuffix(" counts as sold").split(", ")) == {"Expédiée", "Partiellement remboursée"}


def test_a_status_of_numbers_gives_nothing_back_and_says_so(tmp_path: Path) -> None:
    draft = draft_shop(tmp_path / "shop", lines_with(["1", "2"], tmp_path))
    assert "status" not in draft.shop.sources["sales"].columns["lines"]
    assert any("nobody says which of them give an order back" in line for line in draft.review)


def test_days_that_are_counted_come_after_an_assumed_one(tmp_path: Path) -> None:
    rows = [f"{n % 40},{n},{1 + n % 300},p{n % 7},1,2.5" for n in range(600)]
    (tmp_path / "till.csv").write_text("household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE\n" + "\n".join(rows) + "\n")
    draft = draft_shop(tmp_path / "shop", tmp_path / "till.csv")
    assert draft.shop.last_day == date(2019, 12, 31) + timedelta(days=300)
    assert any("counts days and names no date" in line for line in draft.review)
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    load_shop_extracts(warehouse, draft.shop, tmp_path / "store")
    assert warehouse.rows("select count(*), min(ordered_at), max(ordered_at) from sources.sales__lines") == [
        (600, "2020-01-01", "2020-10-26")
    ]


def test_totals_with_shipping_and_products_side_by_side_are_said(tmp_path: Path) -> None:
    header = "Order ID,Order Date,Order Status,Customer User Id,Product 1 SKU,Product 1 Quantity,Order Shipping Amount,Order Total Amount"
    rows = [f"{n},2024-01-{1 + n % 28:02d} 10:00,{'failed' if n % 9 else 'completed'},{n % 20},S{n % 5},1,4.99,24.99" for n in range(90)]
    (tmp_path / "orders.csv").write_text("\n".join([header, *rows]) + "\n")
    review = draft_shop(tmp_path / "shop", tmp_path / "orders.csv").review
    assert any("Order Total Amount may hold Order Shipping Amount" in line for line in review)
    assert any("side by side" in line for line in review)
    assert any("failed gives an order back" in line for line in review)


def test_days_since_the_order_before_are_no_dates_and_it_is_said(tmp_path: Path) -> None:
    rows = [f"{n},{n % 20},{n // 20},{n % 30}.0" for n in range(90)]
    (tmp_path / "orders.csv").write_text("order_id,user_id,order_number,days_since_prior_order\n" + "\n".join(rows) + "\n")
    with pytest.raises(NothingToSell, match="add a column with the day of each order"):
        draft_shop(tmp_path / "shop", tmp_path / "orders.csv")


def test_a_country_is_told_by_its_states(tmp_path: Path) -> None:
    states = ["SP", "RJ", "MG", "BA"]
    rows = [f"o{n},c{n % 20},2024-01-{1 + n % 28:02d},{states[n % 20 % 4]},5" for n in range(90)]
    (tmp_path / "orders.csv").write_text("order_id,customer_id,order_date,customer_state,total\n" + "\n".join(rows) + "\n")
    shop = draft_shop(tmp_path / "shop", tmp_path / "orders.csv").shop
    assert (shop.country, shop.currency, shop.zone) == ("BR", "BRL", "America/Sao_Paulo")


@pytest.mark.parametrize(
    ("header", "is_read"),
    [("newsletter_opt_in", True), ("Agreed to e-mails", True), ("opted_out", False), ("GDPR ok?", False), ("do_not_email", False)],
)
def test_an_answer_beside_the_orders_is_never_taken_for_none(header: str, is_read: bool, tmp_path: Path) -> None:
    lines = [["order_id", "order_date", "customer_id", "email", "product_id", "quantity", "unit_price", header]]
    lines += [
        [str(n), f"2025-11-{n % 28 + 1:02}", str(n % 9), f"c{n % 9}@example.org", str(n % 4), "1", "9.5", "yes" if n % 3 else "no"]
        for n in range(60)
    ]
    (tmp_path / "orders.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    draft = draft_shop(tmp_path / "shop", tmp_path / "orders.csv")
    assumed = () if draft.shop.soft_opt_in is None else draft.shop.soft_opt_in.purposes
    assert "marketing" not in assumed, "who said no at an order would be written to"
    columns = draft.shop.sources["sales"].columns["lines"]
    assert (columns.get("accepts_marketing") == header) == is_read
    told = (draft.shop.folder / "shop.yaml").read_text()
    assert (f"REVIEW {header} may say who agreed" in told) == (not is_read)
