"""A stranger's tables that mark rows as deleted: found whatever the mark is called, gone from the night that saw it, and back when they are."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.onboarding.shops import draft_shop
from dagster_project.settings import Settings
from dagster_project.shop import Shop, load_shop

START = datetime(2026, 1, 1, 10)
TABLES = {
    "customers": "id,email,first_name,newsletter,{mark}",
    "orders": "id,customer_id,ordered_at,{mark}",
    "order_items": "id,order_id,sku,qty,unit_price,{mark}",
    "products": "sku,name,price,{mark}",
    "newsletter": "email,subscribed_at,{mark}",
    "refunds": "id,order_id,sku,qty,refund_amount,refunded_at,{mark}",
}
# What is deleted on the second night: a customer, an order, a line, a product, who signed up for the newsletter, a refund.
DELETED = {"customers": 1, "orders": 2, "order_items": 3, "products": 4, "newsletter": 5, "refunds": 1}
# Of a line of the order that is deleted, and of one that is not; what came back as a line of its own, of the order that is deleted.
REFUNDS = [[0, 2, "S4", 1, 7, START + timedelta(days=20)], [1, 5, "S1", 1, 9, START + timedelta(days=20)]]
BACK = [120, 2, "S5", -1, 10]


def rows_of(table: str) -> list[list[object]]:
    if table == "customers":
        return [[n, f"a{n}@example.org", "Ann", "yes"] for n in range(20)]
    if table == "orders":
        return [[n, n % 20, START + timedelta(hours=12 * n)] for n in range(60)]
    if table == "order_items":
        return [*([n, n // 2, f"S{n % 9}", 2, 10 + n % 5] for n in range(120)), BACK]
    if table == "products":
        return [[f"S{n}", f"Bag {n}", 20] for n in range(9)]
    if table == "refunds":
        return REFUNDS
    return [[f"n{n}@example.org", START + timedelta(days=n)] for n in range(10)]


def write(folder: Path, mark: str, deleted: dict[str, int], said: tuple[str, str], stamp: str = "") -> None:
    """Every table whole, with `said` (there, gone) in the mark's column."""
    for table, header in TABLES.items():
        lines = [header.format(mark=mark)]
        lines += [",".join(map(str, [*row, said[deleted.get(table) == n]])) for n, row in enumerate(rows_of(table))]
        path = folder / f"{table}{stamp}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("mark", "there", "gone"),
    [
        ("deleted_at", "", "2026-01-20 08:00:00"),
        ("_ab_cdc_deleted_at", "", "2026-01-20T08:00:00.000Z"),
        ("_fivetran_deleted", "false", "true"),
        ("is_deleted", "0", "1"),
        ("is_deleted", "ei", "yes"),
        ("gelöscht_am", "", "20.01.2026"),
        ("deletedAt", "", "1768896000"),
    ],
)
def test_a_mark_of_deletion_is_found_by_its_name_and_read_by_its_values(mark: str, there: str, gone: str, tmp_path: Path, staged) -> None:
    write(tmp_path / "in", mark, DELETED, (there, gone))
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    columns = shop.sources["sales"].columns
    assert {table: stated.get("deleted_at") for table, stated in columns.items()} == dict.fromkeys(
        ("customers", "orders", "lines", "products", "consents", "returns"), mark
    )
    rows = staged(shop, ["path:models/staging/sales"]).rows
    assert rows("select distinct source_customer_id, reason from staging.stg_sales__suppressions") == [("1", "customer deleted")]
    assert rows("select return_id, kind from staging.stg_sales__returns where kind is not null order by 1") == [
        (item, "cancellation") for item in ("1:3", "2:4", "2:5")
    ]
    assert rows("select product_id from staging.stg_sales__products where status = 'archived'") == [("S4",)]
    withdrawn = "select purpose, count(*) from staging.stg_sales__consents where state = 'withdrawn' group by 1"
    assert rows(withdrawn) == [("marketing", 1)]


def test_a_column_of_another_meaning_is_no_mark_of_deletion(tmp_path: Path) -> None:
    write(tmp_path / "in", "deleted", {}, ("by hand", "by hand"))
    assert not any(
        "deleted_at" in stated for stated in draft_shop(tmp_path / "shop", tmp_path / "in").shop.sources["sales"].columns.values()
    )


def test_a_yes_without_a_date_is_no_newer_when_its_row_changes_or_was_deleted_and_is_back(tmp_path: Path, staged) -> None:
    """Or it would go before the no that somebody said elsewhere in between."""
    write(tmp_path / "in", "deleted_at", {}, ("", ""))
    newsletter = "email,consent,deleted_at\n" + "".join(f"n{n}@example.org,yes,{{}}\n" for n in range(10))
    (tmp_path / "in" / "newsletter.csv").write_text(newsletter.replace("{}", ""))
    shop = draft_shop(tmp_path / "shop", tmp_path / "in").shop
    assert shop.last_day
    extracts = shop.folder / "extracts" / "sales"
    customers = (tmp_path / "in" / "customers.csv").read_text()
    for n, mark in ((1, "2026-01-20 08:00:00"), (2, "")):
        stamp = shop.moment(shop.last_day + timedelta(days=n)).known_by.strftime("%Y%m%dT%H%M%SZ")
        (extracts / "consents" / f"consents_{stamp}.csv").write_text(newsletter.replace("{}", mark))
        (extracts / "customers" / f"customers_{stamp}.csv").write_text(customers.replace("Ann", f"Ann{n}"))
    rows = staged(shop, ["path:models/staging/sales"]).rows
    said = "select list(state order by version_at), count(distinct occurred_at) from staging.stg_sales__consents where purpose = 'marketing' and {} group by source_customer_id"
    assert {(tuple(states), moments) for states, moments in rows(said.format("evidence like 'Table of consents%'"))} == {
        (("granted", "withdrawn", "granted"), 1)
    }
    assert {(tuple(states), moments) for states, moments in rows(said.format("evidence like 'Customer table%'"))} == {(("granted",) * 3, 1)}


@pytest.mark.whole
@pytest.mark.xdist_group("stranger")
def test_what_is_deleted_is_gone_from_then_on_and_back_when_it_is(tmp_path: Path, small_settings, build_stages, rows) -> None:
    write(tmp_path / "in", "deleted_at", {}, ("", ""))
    shop = draft_shop(tmp_path / "shops" / "stranger", tmp_path / "in").shop
    assert shop.last_day
    first, second, third = (shop.last_day + timedelta(days=n) for n in range(3))
    later(shop, third)
    settings = small_settings(shop.folder)
    stated = {}
    for day, deleted in ((first, None), (second, DELETED), (third, {})):
        if deleted is not None:
            night(load_shop(shop.folder), day, deleted)
        build_stages(settings, ("sources", "staging", "identity", "profile", "features"), day)
        stated[day] = standing(settings, rows)
    total = sum((Decimal(2 * (10 + n % 5)) for n in range(120)), Decimal(0))
    gone = sum((Decimal(2 * (10 + n % 5)) for n in (3, 4, 5)), Decimal(0))
    refunded = sum((Decimal(row[4]) for row in (*REFUNDS, BACK)), Decimal(0))
    assert stated[first] == stated[third]
    assert stated[first] == {"revenue": total - refunded, "suppressed": set(), "profiled": 20, "mailed": 30, "archived": set()}
    assert stated[second] == {
        "revenue": total - gone,
        "suppressed": {"a1@example.org"},
        "profiled": 19,
        "mailed": 28,
        "archived": {"S4"},
    }
    # What a built day knew stays.
    known = f"select count(*) from features.customer_features where as_of = '{shop.moment(second).as_of}'"
    assert rows(settings, known) == [(19,)]


def later(shop: Shop, last_day: date) -> None:
    path = shop.folder / "shop.yaml"
    path.write_text(path.read_text().replace(f"last_day: {shop.last_day}", f"last_day: {last_day}"))


def night(shop: Shop, day: date, deleted: dict[str, int]) -> None:
    """The whole of every table, as the shop has it that night."""
    stamp = shop.moment(day).known_by.strftime("%Y%m%dT%H%M%SZ")
    write(shop.folder / "came", "deleted_at", deleted, ("", f"{day} 09:00:00"))
    called = {"order_items": "lines", "newsletter": "consents", "refunds": "returns"}
    for path in (shop.folder / "came").iterdir():
        table = called.get(path.stem, path.stem)
        path.rename(shop.folder / "extracts" / "sales" / table / f"{table}_{stamp}.csv")


def standing(settings: Settings, rows) -> dict[str, object]:
    """What the newest day says of money, people and products."""
    newest = "as_of = (select max(as_of) from sources.run_days)"
    sold = "select coalesce(sum(net_amount), 0) from profile.{} where superseded_at is null"
    ((sold_for,),), ((given_back,),) = (rows(settings, sold.format(table)) for table in ("fct_order_items", "fct_returns"))
    suppressed = rows(
        settings,
        f"select distinct customers.email from profile.customer_suppressions as suppressions inner join profile.dim_customers as customers "
        f"using (customer_id) where suppressions.reason = 'customer deleted' and customers.valid_to is null and suppressions.{newest}",
    )
    ((profiled,),) = rows(settings, f"select count(*) from features.customer_features where {newest}")
    ((mailed,),) = rows(
        settings,
        "select count(*) from profile.current_permissions where channel = 'email' and purpose = 'marketing' and is_permitted",
    )
    archived = rows(settings, "select product_id from profile.dim_products where superseded_at is null and status = 'archived'")
    return {
        "revenue": sold_for - given_back,
        "suppressed": {email for (email,) in suppressed},
        "profiled": profiled,
        "mailed": mailed,
        "archived": {product for (product,) in archived},
    }
