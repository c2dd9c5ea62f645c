"""Segments of days are as their words say: over small tables."""

from datetime import datetime
from pathlib import Path

from dagster_project.moments import Moment
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
# Days since the last order and since the first: features count whole days, so 7 is seven and some hours.
PEOPLE = {
    "bought this week": (2, 6, 400),
    "bought a week ago": (2, 7, 400),
    "new, once": (1, 3, 3),
    "new, twice": (2, 3, 29),
    "a month": (1, 30, 30),
}
TABLES = """
create schema features; create schema profile;
create table features.customer_features (
    as_of timestamp, customer_id varchar, orders_count integer, recency_days integer, tenure_days integer, order_value_mean_cents double,
    return_share double, sessions_7d_count integer, cart_adds_7d_count integer, open_recency_days integer, emails_received_90d_count integer,
    emails_opened_90d_count integer, kept_orders_count integer
);
create table profile.dim_customers (customer_id varchar, membership_tier varchar, valid_from timestamp, valid_to timestamp);
"""


def test_who_bought_again_is_still_new_and_who_bought_a_week_ago_may_browse(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute(TABLES)
        for name, (orders, last, first) in PEOPLE.items():
            values = [AS_OF, name, orders, last, first, orders]
            connection.execute("insert into features.customer_features values (?, ?, ?, ?, ?, 0, 0, 2, 1, null, 0, 0, ?)", values)
            connection.execute("insert into profile.dim_customers values (?, null, timestamp '2026-01-01', null)", [name])
    dbt_build.invoke(warehouse.path, 2, tmp_path / "target", ["run", "--select", "segment_flags"], dbt_build.parse().manifest.deepcopy())

    def members(segment: str) -> set[str]:
        return {name for (name,) in warehouse.rows(f"select customer_id from segments.segment_flags where {segment}")}

    assert members("new_buyers") == {"new, once", "new, twice"}
    assert members("active_browsers") == members("carts_left_open") == {"bought a week ago", "a month"}


def test_a_window_of_thirty_days_is_thirty_days(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute(TABLES)
        for opened in (0, 29, 30, None):
            values = [AS_OF, str(opened), opened]
            connection.execute("insert into features.customer_features values (?, ?, 0, null, null, 0, 0, 0, 0, ?, 1, 1, 0)", values)
            connection.execute("insert into profile.dim_customers values (?, null, timestamp '2026-01-01', null)", [str(opened)])
    dbt_build.invoke(warehouse.path, 2, tmp_path / "target", ["run", "--select", "segment_flags"], dbt_build.parse().manifest.deepcopy())
    readers = warehouse.rows("select customer_id from segments.segment_flags where engaged_readers order by customer_id")
    assert readers == [("0",), ("29",)]


def test_an_order_that_came_back_whole_makes_no_buyer(tmp_path: Path) -> None:
    # Orders, those of which something was kept, days since the last and since the first.
    people = {
        (1, 1, 100, 100): {"one_time_buyers", "lapsing_buyers"},
        (1, 0, 100, 100): set(),
        (2, 1, 100, 200): {"one_time_buyers", "lapsing_buyers"},
        (2, 2, 100, 200): {"lapsing_buyers"},
        (1, 1, 10, 10): {"new_buyers"},
        (1, 0, 10, 10): set(),
        (3, 3, 10, 100): {"loyal_buyers"},
        (3, 2, 10, 100): set(),
    }
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute(TABLES)
        for orders, kept, last, first in people:
            name = f"{orders} {kept} {last} {first}"
            values = [AS_OF, name, orders, last, first, kept]
            connection.execute("insert into features.customer_features values (?, ?, ?, ?, ?, 0, 0, 0, 0, null, 0, 0, ?)", values)
            connection.execute("insert into profile.dim_customers values (?, null, timestamp '2026-01-01', null)", [name])
    dbt_build.invoke(warehouse.path, 2, tmp_path / "target", ["run", "--select", "segment_flags"], dbt_build.parse().manifest.deepcopy())
    names = ("lapsing_buyers", "loyal_buyers", "new_buyers", "one_time_buyers", "prospects")
    rows = warehouse.rows(f"select customer_id, {', '.join(names)} from segments.segment_flags")
    found = {tuple(map(int, one.split())): {name for name, flag in zip(names, flags, strict=True) if flag} for one, *flags in rows}
    assert found == people
