"""Whose word holds: the newest of one address, and the refusal where a customer's addresses disagree, as after a link of two people."""

import os
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks.transactions import DBT_PROJECT
from dagster_project.transform import dbt_build

AS_OF, KNOWN_BY = datetime(2026, 3, 1, 23), datetime(2026, 3, 2, 5)
# Past days that models learn from: one that was built and published, one that was not.
BUILT_BEFORE, ONLY_TEACHES = datetime(2026, 2, 1, 23), datetime(2026, 1, 1, 23)
# Customer → what was said: record, its address, year, state, whether it is a soft opt-in.
SAID = {
    "one address, changed mind": [("a1", "a@x.de", 2024, "withdrawn", False), ("a2", "A@x.de ", 2025, "granted", False)],
    "two addresses, one refused before": [("b1", "b@x.de", 2024, "withdrawn", False), ("b2", "bb@x.de", 2025, "granted", False)],
    "two addresses, one refused after": [("c1", "c@x.de", 2025, "withdrawn", False), ("c2", "cc@x.de", 2024, "granted", False)],
    "two addresses, one given again": [
        ("d1", "d@x.de", 2024, "withdrawn", False),
        ("d1", "d@x.de", 2025, "granted", False),
        ("d2", "dd@x.de", 2024, "granted", False),
    ],
    "bought and refused elsewhere": [("e1", "e@x.de", 2025, "granted", True), ("e2", "ee@x.de", 2024, "withdrawn", False)],
    "no addresses": [("f1", None, 2024, "withdrawn", False), ("f2", None, 2025, "granted", False)],
}
PERMITTED = {"one address, changed mind", "two addresses, one given again", "no addresses"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    folder = tmp_path_factory.mktemp("consents")
    store = folder / "warehouse.duckdb"
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            """
            create schema sources; create schema identity; create schema profile;
            create table sources.run_days (as_of timestamp, known_by timestamp, is_day boolean, is_training boolean);
            create table sources.built_days (as_of timestamp);
            create table identity.customer_records (
                source varchar, source_customer_id varchar, email varchar, known_at timestamp, version_at timestamp, version_number integer
            );
            create table profile.fct_suppressions (customer_id varchar, channel varchar, superseded_at timestamp);
            create table profile.fct_consents (
                consent_id varchar, source varchar, source_customer_id varchar, customer_id varchar, occurred_at timestamp, known_at timestamp,
                superseded_at timestamp, channel varchar, purpose varchar, state varchar, evidence varchar, is_soft_opt_in boolean,
                is_logged boolean
            );
            """
        )
        connection.execute("insert into sources.run_days values (?, ?, true, false)", [AS_OF, KNOWN_BY])
        for day in (BUILT_BEFORE, ONLY_TEACHES):
            connection.execute("insert into sources.run_days values (?, ?, false, true)", [day, day])
        connection.execute("insert into sources.built_days values (?)", [BUILT_BEFORE])
        connection.execute(
            "insert into profile.fct_consents values ('p', 'shop', 'p1', 'profiled', ?, ?, null, 'email', 'profiling', 'granted', 'said', false, false)",
            [datetime(2023, 1, 1), datetime(2023, 1, 1)],
        )
        for customer, statements in SAID.items():
            for record, address, year, state, is_soft in statements:
                first, at = datetime(2023, 1, 1), datetime(year, 1, 1)
                connection.execute("insert into identity.customer_records values ('shop', ?, ?, ?, ?, 0)", [record, address, first, first])
                connection.execute(
                    "insert into profile.fct_consents values (?, 'shop', ?, ?, ?, ?, null, 'email', 'marketing', ?, 'said', ?, false)",
                    [f"{record} {year}", record, customer, at, at, state, is_soft],
                )
    manifest = dbt_build.parse().manifest.deepcopy()
    before = os.environ.get("DEARLY_WAREHOUSE")
    os.environ |= {"DEARLY_WAREHOUSE": str(store), "DO_NOT_TRACK": "1"}
    folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT, "--target-path", folder / "target", "--log-path", folder]
    models = ["int_record_addresses", "int_logged_purposes", "int_permission_state", "customer_permissions", "current_permissions"]
    try:
        result = dbtRunner(manifest=manifest).invoke(["run", "--quiet", "--select", *models, *map(str, folders)])
        assert result.success, result.exception or result.result
    finally:
        DuckDBConnectionManager.close_all_connections()
        os.environ.pop("DEARLY_WAREHOUSE", None) if before is None else os.environ.update(DEARLY_WAREHOUSE=before)
    return store


@pytest.mark.parametrize("table", ["customer_permissions", "current_permissions"])
def test_where_addresses_of_a_customer_disagree_the_refusal_holds(built: Path, table: str) -> None:
    with duckdb.connect(str(built), read_only=True) as connection:
        newest = f"where as_of = timestamp '{AS_OF}'" if table == "customer_permissions" else ""
        found = dict(connection.execute(f"select customer_id, is_permitted from profile.{table} {newest}").fetchall())
    assert found.pop("profiled")
    assert found == {customer: customer in PERMITTED for customer in SAID}


def test_a_day_that_only_teaches_asks_for_profiling_and_a_built_one_keeps_all(built: Path) -> None:
    with duckdb.connect(str(built), read_only=True) as connection:
        asked = connection.execute(
            "select as_of, list(distinct purpose order by purpose) from profile.customer_permissions group by as_of"
        ).fetchall()
    both = ["marketing", "profiling"]
    assert dict(asked) == {AS_OF: both, BUILT_BEFORE: both, ONLY_TEACHES: ["profiling"]}
