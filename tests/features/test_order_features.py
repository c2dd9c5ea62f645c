"""Order features and labels on a shop of three customers, worked out by hand."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.transactions import DBT_PROJECT, LINKS, run_dbt

FIRST_DAY = datetime(2024, 3, 1)
SECOND_DAY = datetime(2024, 3, 11)

# order, customer, occurred_at, known_at, superseded_at, net_amount, discount_amount
ORDERS = [
    ("o1", "ann", "2024-01-31 12:00", "2024-01-31 12:00", None, 10, 0),
    ("o2", "ann", "2024-02-10 12:00", "2024-02-10 12:00", None, 20, 5),
    ("o3", "ann", "2024-02-10 18:00", "2024-02-10 18:00", None, 30, 0),
    ("o4", "ann", "2024-02-24 09:00", "2024-02-24 09:00", None, 40, 0),
    ("o5", "bob", "2024-02-28 10:00", "2024-02-28 10:00", None, 100, 0),
    # Happened before the first day, heard of after it.
    ("o6", "bob", "2024-02-20 10:00", "2024-03-05 10:00", None, 60, 0),
    # Stated wrongly at first; the correction was known on the second day only.
    ("o7", "cat", "2024-02-01 10:00", "2024-02-01 10:00", "2024-03-05 10:00", 500, 0),
    ("o7", "cat", "2024-02-01 10:00", "2024-03-05 10:00", None, 50, 0),
    ("o8", None, "2024-02-01 10:00", "2024-02-01 10:00", None, 70, 0),
    ("o9", "ann", "2024-03-04 10:00", "2024-03-04 10:00", None, 15, 0),
    ("o10", "ann", "2024-03-20 10:00", "2024-03-20 10:00", None, 25, 0),
    # Nobody says for how much; and a thing that is said to cost nothing.
    ("unpriced", "dan", "2024-02-20 10:00", "2024-02-20 10:00", None, 0, 0),
    ("gift", "eve", "2024-02-20 10:00", "2024-02-20 10:00", None, 0, 0),
    # May not be profiled on the first day, and may on the second.
    ("o11", "fay", "2024-02-20 10:00", "2024-02-20 10:00", None, 45, 0),
    # Three accounts of one person, which is known on 5 March, and is gus from then on.
    ("o12", "gus", "2024-02-20 10:00", "2024-02-20 10:00", None, 10, 0),
    ("o13", "gustav", "2024-02-21 10:00", "2024-02-21 10:00", "2024-03-05 10:00", 20, 0),
    ("o13", "gus", "2024-02-21 10:00", "2024-03-05 10:00", None, 20, 0),
    ("o14", "gus", "2024-03-06 10:00", "2024-03-06 10:00", None, 30, 0),
    # And of another, who had bought with one of hers only.
    ("o15", "hanna", "2024-02-21 10:00", "2024-02-21 10:00", "2024-03-05 10:00", 20, 0),
    ("o15", "hana", "2024-02-21 10:00", "2024-03-05 10:00", None, 20, 0),
    ("o16", "hana", "2024-03-06 10:00", "2024-03-06 10:00", None, 35, 0),
]
# Customer, its first record, since when, until when; and whose that record is afterwards.
STAYS = [
    ("gus", "g1", "first record", "2024-02-01", None),
    ("gustav", "g2", "first record", "2024-02-01", "2024-03-05"),
    ("gus", "g2", "same e-mail", "2024-03-05", None),
    ("hana", "h1", "first record", "2024-02-01", None),
    ("hanna", "h2", "first record", "2024-02-01", "2024-03-05"),
    ("hana", "h2", "same e-mail", "2024-03-05", None),
]
PROFILED = ["ann", "bob", "cat", "dan", "eve", "gus", "gustav", "hana", "hanna"]
RETURNS = [("r1", "ann", "2024-02-26 12:00", 8), ("r2", "ann", "2024-03-05 12:00", 5)]
ITEMS = [("i1", "o1", "ann", "tea", 2), ("i2", "o2", "ann", "tea", 1), ("i3", "o2", "ann", "pot", 1), ("i4", "o4", "ann", "cup", 4)]


def write_facts(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("create schema profile")
        connection.execute("create schema sources")
        connection.execute(
            "create table profile.fct_orders (order_id varchar, customer_id varchar, occurred_at timestamp, known_at timestamp, "
            "superseded_at timestamp, net_amount decimal(18, 2), discount_amount decimal(18, 2))"
        )
        connection.executemany("insert into profile.fct_orders values (?, ?, ?, ?, ?, ?, ?)", ORDERS)
        connection.execute("alter table profile.fct_orders add column is_unpriced boolean default false")
        connection.execute("update profile.fct_orders set is_unpriced = true where order_id = 'unpriced'")
        connection.execute(
            "create table profile.fct_returns (return_id varchar, customer_id varchar, occurred_at timestamp, net_amount decimal(18, 2), "
            "known_at timestamp, superseded_at timestamp)"
        )
        connection.executemany("insert into profile.fct_returns values (?, ?, ?, ?, ?, null)", [(*row, row[2]) for row in RETURNS])
        connection.execute(
            "create table profile.fct_order_items as select items.*, occurred_at, known_at, superseded_at from profile.fct_orders "
            "join (select * from (values "
            + ", ".join(str(row) for row in ITEMS)
            + ") as given (order_item_id, order_id, buyer, product_id, quantity)) "
            "as items using (order_id)"
        )
        connection.execute("alter table profile.fct_order_items rename buyer to customer_id")
        connection.execute("create table sources.run_days (as_of timestamp, known_by timestamp, is_day boolean, is_training boolean)")
        connection.executemany(
            "insert into sources.run_days values (?, ?, ?, ?)",
            [(FIRST_DAY, FIRST_DAY, False, True), (SECOND_DAY, SECOND_DAY, True, False)],
        )
        connection.execute(LINKS)
        connection.executemany("insert into identity.customer_links values (?, 'shop', ?, ?, ?, ?)", STAYS)
        connection.execute("create schema features")
        connection.execute("create table features.int_profiled_customers (as_of timestamp, customer_id varchar)")
        permitted = [(FIRST_DAY, customer) for customer in PROFILED] + [(SECOND_DAY, customer) for customer in [*PROFILED, "fay"]]
        connection.executemany("insert into features.int_profiled_customers values (?, ?)", permitted)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("features") / "warehouse.duckdb"
    write_facts(path)
    before = os.environ.get("DEARLY_WAREHOUSE")
    run_dbt(path, [7, 30], DBT_PROJECT)
    yield path
    os.environ.pop("DEARLY_WAREHOUSE") if before is None else os.environ.update(DEARLY_WAREHOUSE=before)


def row(store: Path, customer: str, as_of: datetime) -> dict[str, Any]:
    with duckdb.connect(str(store)) as connection:
        rows = connection.execute("select * from features.order_features where customer_id = ? and as_of = ?", [customer, as_of])
        names = [column[0] for column in rows.description]
        (found,) = rows.fetchall()
    return dict(zip(names, found, strict=True))


def test_a_customer_s_features_are_those_worked_out_by_hand(store: Path) -> None:
    ann = row(store, "ann", FIRST_DAY)
    # Ages on 1 March 00:00: 29, 19, 19 and 5 days; the return 3 days.
    expected = {
        "history_days": 30,
        "purchase_days_count": 3,
        "recency_days": 5,
        "tenure_days": 29,
        "repeat_days_count": 2,
        "active_span_days": 24,
        "repeat_day_value_cents": 4500.0,
        "gap_mean_days": 12.0,
        "gap_median_days": 12.0,
        "gap_max_days": 14,
        "gap_last_days": 14,
        "gap_deviation_days": 8**0.5,
        # Only ann came back: the shop's mean gap is hers.
        "gap_expected_days": 12.0,
        "orders_count": 4,
        "bought_cents": 10000,
        "returned_cents": 800,
        "net_cents": 9200,
        "returns_count": 1,
        "orders_7d_count": 1,
        "net_7d_cents": 3200,
        "orders_14d_count": 1,
        "orders_30d_count": 4,
        "net_30d_cents": 9200,
        "orders_60d_count": None,
        "net_365d_cents": None,
        "order_value_mean_cents": 2500.0,
        "order_value_median_cents": 2500.0,
        "order_value_max_cents": 4000,
        "order_value_first_cents": 1000,
        "order_value_last_cents": 4000,
        "order_value_deviation_cents": (5_000_000 / 3) ** 0.5,
        "return_share": 0.08,
        "discount_share": 500 / 10500,
        # 10 and 24 February 2024 are Saturdays.
        "weekend_share": 0.75,
        "hour_mean": (12 + 12 + 18 + 9) / 4,
        "lines_count": 4,
        "units_count": 8,
        "products_count": 3,
        "lines_per_order": 1.0,
        "units_per_order": 2.0,
    }
    assert {name: ann[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    # Each weighs what it does beside the newest, the return of three days ago.
    weights = [round(1e6 * 0.5 ** ((age - 3) / 15)) for age in (29, 19, 19, 5)]
    assert ann["orders_decayed_15d"] == pytest.approx(sum(weights) / 1e6 * 0.5 ** (3 / 15), abs=1e-12)


def test_a_purchase_without_a_known_price_is_one_and_a_gift_is_none(store: Path) -> None:
    dan = row(store, "dan", FIRST_DAY)
    assert (dan["orders_count"], dan["bought_cents"], dan["recency_days"]) == (1, 0, 9)
    # Nothing of nothing is no share: what is no number would be above every threshold.
    assert (dan["return_share"], dan["discount_share"]) == (0, 0)
    with duckdb.connect(str(store)) as connection:
        assert connection.execute("select count(*) from features.order_features where customer_id = 'eve'").fetchall() == [(0,)]


def test_a_late_row_changes_nothing_before_it_is_known(store: Path) -> None:
    early, late = row(store, "bob", FIRST_DAY), row(store, "bob", SECOND_DAY)
    assert (early["orders_count"], early["bought_cents"], early["tenure_days"]) == (1, 10000, 1)
    assert (late["orders_count"], late["bought_cents"], late["tenure_days"]) == (2, 16000, 19)


def test_a_correction_counts_from_the_day_it_is_known(store: Path) -> None:
    assert row(store, "cat", FIRST_DAY)["bought_cents"] == 50000
    assert row(store, "cat", SECOND_DAY)["bought_cents"] == 5000


def test_nothing_after_the_moment_counts(store: Path) -> None:
    assert row(store, "ann", FIRST_DAY)["orders_count"] == 4
    assert row(store, "ann", SECOND_DAY)["orders_count"] == 5


def test_unidentified_orders_have_no_row(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        found = connection.execute("select distinct customer_id from features.order_features order by 1").fetchall()
    assert found == [(name,) for name in ("ann", "bob", "cat", "dan", "fay", "gus", "gustav", "hana", "hanna")]


def test_who_may_not_be_profiled_has_no_features_and_teaches_nothing(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        days = connection.execute("select as_of from features.order_features where customer_id = 'fay'").fetchall()
        taught = connection.execute("select count(*) from features.training_labels where customer_id = 'fay'").fetchall()
    assert (days, taught) == ([(SECOND_DAY,)], [(0,)])


def test_labels_hold_what_followed_and_only_horizons_that_have_passed(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        labels = connection.execute(
            "select customer_id, horizon_days, label_until, orders_count, cast(net_amount as double), first_order_at "
            "from features.training_labels where customer_id < 'g' order by customer_id, horizon_days"
        ).fetchall()
    until = datetime(2024, 3, 8)
    # 30 days after 1 March had not passed on 11 March.
    assert labels == [
        ("ann", 7, until, 1, 10.0, datetime(2024, 3, 4, 10)),
        ("bob", 7, until, 0, 0.0, None),
        ("cat", 7, until, 0, 0.0, None),
        ("dan", 7, until, 0, 0.0, None),
    ]


def test_who_turned_out_to_be_somebody_else_bought_as_that_one(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        labels = connection.execute(
            "select customer_id, orders_count, cast(net_amount as double) from features.training_labels where customer_id >= 'g' order by customer_id"
        ).fetchall()
        bought = connection.execute(
            "select customer_id from features.order_features where as_of = ? and customer_id >= 'g' order by 1", [FIRST_DAY]
        )
        assert bought.fetchall() == [("gus",), ("gustav",), ("hanna",)]
    assert labels == [("gus", 1, 30.0), ("hanna", 1, 35.0)]
