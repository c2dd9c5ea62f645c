"""The hour at which a person is likely to read, between their own habit and the shop's: over small tables."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.moments import Moment
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
FACT = "customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp"
TABLES = f"""
create schema features; create schema profile; create table sources.shop as select 'UTC' as zone;
create table features.int_profiled_customers (as_of timestamp, customer_id varchar);
create table profile.dim_customers (customer_id varchar, timezone varchar, valid_from timestamp, valid_to timestamp);
create table profile.fct_email_events ({FACT}, event varchar, is_machine boolean);
create table profile.fct_web_events ({FACT}, session_id varchar);
create table profile.fct_orders ({FACT}, channel varchar);
"""


def best_hours(folder: Path, opened: dict[str, Sequence[int]]) -> dict[str, int | None]:
    """Of people who opened mails at these hours (UTC, their own zone) who is written to when."""
    warehouse = Warehouse(folder / "warehouse.duckdb")
    warehouse.create()
    warehouse.write_run_days([Moment(AS_OF, AS_OF)])
    with warehouse.transaction() as connection:
        connection.execute(TABLES)
        for customer, hours in opened.items():
            connection.execute("insert into features.int_profiled_customers values (?, ?)", [AS_OF, customer])
            connection.execute("insert into profile.dim_customers values (?, null, timestamp '2026-01-01', null)", [customer])
            for hour in hours:
                at = datetime(2026, 3, 1, hour)
                connection.execute("insert into profile.fct_email_events values (?, ?, ?, null, 'opened', false)", [customer, at, at])
    dbt_build.invoke(warehouse.path, 2, folder / "target", ["run", "--select", "send_hours"], dbt_build.parse().manifest.deepcopy())
    return dict(warehouse.rows("select customer_id, best_send_hour from scores.send_hours"))


EVENING = {f"evening {number}": [20] * 10 for number in range(50)} | {f"earlier {number}": [18] * 10 for number in range(20)}


@pytest.mark.parametrize(("own", "best"), [([], 20), ([3], 20), ([3] * 3, 20), ([3] * 9, 3), ([21], 20), ([19], 20)])
def test_of_few_actions_the_shops_habit_counts_beside_ones_own(own: list[int], best: int, tmp_path: Path) -> None:
    found = best_hours(tmp_path, EVENING | {"one": own})
    assert found["one"] == best
    assert {found[name] for name in EVENING if name.startswith("evening")} == {20}
    assert {found[name] for name in EVENING if name.startswith("earlier")} == {18}


def test_a_shop_that_knows_no_action_has_no_hour(tmp_path: Path) -> None:
    assert best_hours(tmp_path, {"one": [], "another": []}) == {"one": None, "another": None}
