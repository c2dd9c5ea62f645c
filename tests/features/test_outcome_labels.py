"""What followed a training day, for models of outcomes: over small tables."""

from datetime import datetime

import duckdb
import pytest

from benchmarks.transactions import LINKS
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

TAUGHT, TODAY = datetime(2026, 1, 5), datetime(2026, 3, 10)
JOINED, LATER = datetime(2026, 1, 10), datetime(2026, 1, 20)
FACT = "customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp"
TABLES = f"""
create schema features; create schema profile;
create table features.customer_features (as_of timestamp, customer_id varchar, orders_count integer);
create table features.category_features (as_of timestamp, customer_id varchar, category varchar);
create table profile.dim_products ({FACT}, product_id varchar, category varchar);
create table profile.fct_orders ({FACT}, order_id varchar, net_amount decimal(18, 2), is_unpriced boolean);
create table profile.fct_order_items ({FACT}, order_id varchar, product_id varchar, quantity integer);
create table profile.fct_email_events ({FACT}, email_event_id varchar, campaign varchar, event varchar);
"""
# Of the first two one buys and clicks as "ann" after the other account is found to be hers.
PEOPLE = ["ann", "annie", "bob", "new", "twin"]
LINKED = [
    ("ann", "1", "first record", datetime(2025, 1, 1), None),
    ("annie", "2", "first record", datetime(2025, 1, 1), JOINED),
    ("ann", "2", "same e-mail", JOINED, None),
    # Nobody had heard of the account that "twin" turns out to be.
    ("twin", "4", "first record", datetime(2025, 1, 1), JOINED),
    ("first", "4", "same e-mail", JOINED, None),
    ("first", "3", "first record", JOINED, None),
]
ORDERED = [("ann", 20), ("first", 20), ("bob", 0)]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str, str, bool]]:
    folder = tmp_path_factory.mktemp("labels")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    warehouse.create()
    with duckdb.connect(str(warehouse.path)) as connection:
        days = [(TAUGHT, TAUGHT, False, True), (TODAY, TODAY, True, False)]
        connection.executemany("insert into sources.run_days values (?, ?, ?, ?)", days)
        connection.execute(TABLES)
        connection.execute("drop table if exists identity.customer_links")
        connection.execute(LINKS)
        connection.executemany("insert into identity.customer_links values (?, 'shop', ?, ?, ?, ?)", LINKED)
        connection.executemany("insert into features.customer_features values (?, ?, 0)", [(TAUGHT, one) for one in PEOPLE])
        connection.executemany("insert into features.category_features values (?, ?, 'tea')", [(TAUGHT, one) for one in PEOPLE])
        connection.execute("insert into profile.dim_products values (null, '2025-01-01', '2025-01-01', null, 'green', 'tea')")
        for customer, amount in ORDERED:
            fact = [customer, LATER, LATER, None, customer]
            connection.execute("insert into profile.fct_orders values (?, ?, ?, ?, ?, ?, false)", [*fact, amount])
            connection.execute("insert into profile.fct_order_items values (?, ?, ?, ?, ?, 'green', 1)", fact)
            for event in ("received", "clicked"):
                connection.execute("insert into profile.fct_email_events values (?, ?, ?, ?, ?, 'spring', ?)", [*fact, event])
        connection.execute("insert into profile.fct_email_events values ('refuses', ?, ?, null, 'e', 'spring', 'received')", [LATER, LATER])
    dbt_build.invoke(warehouse.path, 2, folder / "target", ["run", "--select", "outcome_labels"], dbt_build.parse().manifest.deepcopy())
    rows = warehouse.rows("select outcome, customer_id, category, has_happened from features.outcome_labels")
    assert len(set(rows)) == len(rows)
    return set(rows)


def test_who_turned_out_to_be_somebody_else_did_it_as_that_one(labels: set[tuple[str, str, str, bool]]) -> None:
    happened = {(outcome, customer): has_happened for outcome, customer, _, has_happened in labels if customer != "bob"}
    # The other account of ann's is taught once, with all that she did.
    assert happened == {
        ("first_purchase", "ann"): True,
        ("first_purchase", "twin"): True,
        ("first_purchase", "new"): False,
        ("category", "ann"): True,
        ("category", "twin"): True,
        ("category", "new"): False,
        ("click", "ann"): True,
        ("click", "twin"): True,
    }


def test_a_free_sample_is_no_first_purchase(labels: set[tuple[str, str, str, bool]]) -> None:
    assert ("first_purchase", "bob", "", False) in labels
