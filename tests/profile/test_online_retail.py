"""A real shop's invoices: what the store says equals plain SQL over the files, and buyers may be written to because they bought."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dagster_project.delivery.feeds import Day, Gate, addressed
from dagster_project.resources import Store
from dagster_project.settings import SHOPS
from dagster_project.transform.dbt_build import build

pytestmark = pytest.mark.whole

DAY = date(2011, 8, 31)
SHOP = SHOPS / "online_retail"
LINES = str(SHOP / "extracts" / "online_retail" / "lines" / "*.parquet")
AMOUNT = "cast(Quantity as decimal(18, 0)) * cast(UnitPrice as decimal(18, 4))"


@pytest.fixture(scope="session")
def retail(small_settings, build_stages):
    """The shop's last day, from extracts to profiles: what is compared here is true before anything is scored."""
    return build_stages(small_settings(SHOP), ("sources", "staging", "identity", "profile"), DAY)


def plain(sql: str) -> tuple[object, ...]:
    with duckdb.connect() as connection:
        row = connection.execute(sql.replace("lines", f"'{LINES}'")).fetchone()
    assert row is not None
    return row


def test_net_revenue_customers_and_invoices_equal_plain_sql_over_the_files(retail, rows) -> None:
    net, customers, invoices = plain(f"select sum({AMOUNT}), count(distinct CustomerID), count(distinct InvoiceNo) from lines")
    ((sold, orders),) = rows(retail, "select sum(net_amount), count(distinct order_id) from profile.fct_orders where superseded_at is null")
    ((returned, credits),) = rows(
        retail, "select sum(net_amount), count(distinct split_part(return_id, ':', 1)) from profile.fct_returns where superseded_at is null"
    )
    ((known,),) = rows(retail, "select count(distinct customer_id) from profile.dim_customers where valid_to is null")
    assert sold - returned == round(net, 2)
    assert (known, orders + credits) == (customers, invoices)


def test_every_line_is_there_once_also_those_that_repeat_another(retail, rows) -> None:
    lines, different, worth = plain(
        f"""select count(*), (select count(*) from (select distinct * from lines)),
            sum({AMOUNT}) - (select sum({AMOUNT}) from (select distinct * from lines)) from lines"""
    )
    ((items,),) = rows(retail, "select count(*) from profile.fct_order_items where superseded_at is null")
    ((returns,),) = rows(retail, "select count(*) from profile.fct_returns where superseded_at is null")
    assert items + returns == lines
    # Without the repetitions the comparison above would fail by this much.
    assert (lines - different, worth) == (2483, Decimal("11736.2000"))
    assert rows(retail, "select sum(rows_in), sum(rows_loaded), sum(rows_quarantined) from sources.load_ledger") == [(lines, lines, 0)]


def test_each_customers_net_and_each_days_returns_equal_plain_sql(retail, rows) -> None:
    with duckdb.connect() as connection:
        expected = connection.execute(
            f"select CustomerID::varchar, round(sum({AMOUNT}), 2) from '{LINES}' where CustomerID is not null group by 1 order by 1"
        ).fetchall()
        days = connection.execute(
            f"select InvoiceDate::date, round(-sum({AMOUNT}), 2) from '{LINES}' where InvoiceNo[1] in ('A', 'C') group by 1 order by 1"
        ).fetchall()
    sums = """
    with movements as (
        select customer_id, net_amount from profile.fct_orders where superseded_at is null
        union all
        select customer_id, -net_amount from profile.fct_returns where superseded_at is null
    )
    select links.source_customer_id, sum(net_amount)
    from movements inner join identity.customer_links as links using (customer_id) where valid_to is null group by 1 order by 1
    """
    assert rows(retail, sums) == expected
    by_day = """
    select (occurred_at at time zone 'UTC' at time zone 'Europe/London')::date, sum(net_amount)
    from profile.fct_returns where superseded_at is null and kind <> 'write-off' group by 1 order by 1
    """
    assert rows(retail, by_day) == days


def test_lines_without_a_customer_stay_and_are_nobodys(retail, rows) -> None:
    anonymous, net = plain(f"select count(*), round(sum({AMOUNT}), 2) from lines where CustomerID is null")
    ((items, sold),) = rows(
        retail, "select count(*), sum(net_amount) from profile.fct_order_items where superseded_at is null and customer_id is null"
    )
    ((returns, returned),) = rows(
        retail, "select count(*), sum(net_amount) from profile.fct_returns where superseded_at is null and customer_id is null"
    )
    assert (items + returns, sold - returned) == (anonymous, net)


def test_an_article_has_the_last_price_it_was_sold_at_and_no_stock(retail, rows) -> None:
    title, price = plain(
        "select max_by(Description, InvoiceDate), max_by(UnitPrice, InvoiceDate) from lines "
        "where upper(StockCode) = '22423' and UnitPrice > 0 and Quantity > 0"
    )
    article = "select title, price, stock, status from profile.dim_products where product_id = '22423' and superseded_at is null"
    assert rows(retail, article) == [(str(title).strip(), Decimal(str(price)), None, "active")]
    notes = "select count(*) from profile.dim_products where lower(title) in ('damaged', 'check', 'found', '?', 'wet', 'lost')"
    assert rows(retail, notes) == [(0,)]


def test_buyers_are_opted_in_by_their_first_purchase_and_those_who_only_gave_back_are_not(retail, rows) -> None:
    (buyers,) = plain(
        f"""select count(*) from (
            select distinct CustomerID from (
                select CustomerID, InvoiceNo from lines where CustomerID is not null and Quantity > 0 and InvoiceNo not like 'C%'
                group by all having sum({AMOUNT}) > 0
            )
        )"""
    )
    on_the_day = "profile.customer_permissions where as_of = (select max(as_of) from sources.run_days)"
    permitted = rows(retail, f"select purpose, count(*) from {on_the_day} and is_permitted group by 1 order by 1")
    assert permitted == [("marketing", buyers), ("profiling", buyers)]
    first = "select min_by(order_id, occurred_at) from profile.fct_orders where customer_id = customer_permissions.customer_id"
    newest = f"select evidence, ({first}) from {on_the_day} order by since, customer_id, purpose limit 1"
    ((evidence, order),) = rows(retail, newest)
    assert f"order {order};" in evidence
    assert "untick to refuse" in evidence


def test_a_soft_opt_in_never_goes_over_a_refusal_whenever_that_was(retail, copy_of, rows) -> None:
    changed = copy_of(retail)
    with duckdb.connect(changed.warehouse) as connection:
        (customer,) = connection.execute("select min(customer_id) from profile.current_permissions where is_permitted").fetchone()
        connection.execute(
            """
            insert into profile.fct_consents
            select * replace (
                'refusal' as consent_id, 'withdrawn' as state, occurred_at - interval 1 year as occurred_at, false as is_soft_opt_in
            )
            from profile.fct_consents where customer_id = ? and purpose = 'marketing'
            """,
            [customer],
        )
    asked = "select purpose, is_permitted from profile.current_permissions where customer_id = ? order by 1"
    assert rows(retail, asked, customer) == [("marketing", True), ("profiling", True)]
    assert rows(changed, asked, customer) == [("marketing", False), ("profiling", True)]


def test_a_shop_with_a_consent_source_has_no_soft_opt_in(retail, copy_of, rows) -> None:
    changed = copy_of(retail)
    with duckdb.connect(changed.warehouse) as connection:
        connection.execute("update sources.shop set systems = ['hubspot', 'online_retail']")
    assert rows(retail, "select count(*) > 6000 from profile.int_soft_opt_ins") == [(True,)]
    list(build(changed, ["int_soft_opt_ins", "fct_consents"], exclude_tests=True))
    assert rows(changed, "select count(*) from profile.int_soft_opt_ins") == [(0,)]
    assert rows(changed, "select count(*) from profile.fct_consents") == [(0,)]


def test_rows_leave_with_the_ids_that_the_shops_tool_knows_and_no_address(retail, rows) -> None:
    store = Store.of(retail)
    store.open()
    people = rows(retail, "select customer_id, source_customer_id from identity.customer_links where valid_to is null order by 1")
    customers = [customer for customer, _ in people]
    leaving = pa.table({"external_id": customers, "email": ["somebody@example.org"] * len(customers)})
    left = addressed(Day(store.warehouse, store.shop, retail, store.shop.moment(DAY), Gate(frozenset(), frozenset(), None)), leaving)
    assert left.column_names == ["external_id", "source_ids"]
    assert left["source_ids"].to_pylist() == [f"online_retail:{number}" for _, number in people]


def test_the_history_is_split_where_its_name_says(retail, rows) -> None:
    late = "select count(*) from sources.online_retail__lines where invoice_date >= '2011-08-18' and _is_history"
    assert rows(retail, late) == [(0,)]
    assert rows(retail, "select count(*) from sources.load_ledger where rows_in = 0") == [(3,)]
    assert sum(path.stat().st_size for path in Path(SHOP).rglob("*") if path.is_file()) < 2_000_000
