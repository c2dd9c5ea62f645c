"""What a reviewer is asked: once about two customers, a guest at a shared mailbox as one case, and nothing twice."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.identity.pictures import by_band
from dagster_project.identity.review import APART, review_of
from dagster_project.settings import SHOPS, load
from dagster_project.warehouse import Warehouse

EDGE = "record_a varchar, record_b varchar, rule varchar, match_probability double, known_at timestamp, known_until timestamp, match_weight double"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A guest order to info@, and four people of two records each whose mailbox that is; the second is nearest."""
    with duckdb.connect() as made:
        made.begin()
        plant(made)
        yield made


def plant(connection: duckdb.DuckDBPyConnection) -> None:
    people = {"shop:guest": "shop:guest"} | {f"{system}:{n}": f"crm:{n}" for n in range(4) for system in ("crm", "shop")}
    connection.execute(f"create schema if not exists identity; create table identity.edges ({EDGE})")
    connection.execute("create table identity.stood (record_id varchar, anchor varchar)")
    connection.execute("create table identity.stays (source varchar, source_customer_id varchar, customer_id varchar, valid_to timestamp)")
    for record, anchor in people.items():
        connection.execute("insert into identity.stood values (?, ?)", [record, anchor])
        connection.execute("insert into identity.stays values (?, ?, ?, null)", [*record.split(":"), f"c-{anchor}"])
    for n in range(4):
        for system, weight in (("crm", 2.0), ("shop", 3.5 if n == 1 else 1.0)):
            row = [f"{system}:{n}", "shop:guest", "model", 0.5, datetime(2026, 1, 1), None, weight]
            connection.execute("insert into identity.edges values (?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute(
            "insert into identity.edges values (?, ?, 'same e-mail', 1, timestamp '2026-01-01', null, null)", [f"crm:{n}", f"shop:{n}"]
        )


def told(connection: duckdb.DuckDBPyConnection, unlinked: list[tuple[str, str]]) -> list[tuple[object, ...]]:
    names = ("customer_id", "candidate_id", "place", "candidates", "pairs", "record_a")
    return [tuple(row[name] for name in names) for row in review_of(connection, unlinked).to_pylist()]


def test_a_guest_at_a_shared_mailbox_is_one_case_with_a_row_a_candidate(connection: duckdb.DuckDBPyConnection) -> None:
    assert told(connection, []) == [
        ("c-shop:guest", "c-crm:1", 1, 4, 2, "shop:1"),
        ("c-shop:guest", "c-crm:0", 2, 4, 2, "crm:0"),
        ("c-shop:guest", "c-crm:2", 3, 4, 2, "crm:2"),
        ("c-shop:guest", "c-crm:3", 4, 4, 2, "crm:3"),
    ]


def test_two_customers_who_were_unlinked_are_not_asked_about_by_another_pair(connection: duckdb.DuckDBPyConnection) -> None:
    assert [row[1] for row in told(connection, [("crm:1", "shop:guest")])] == ["c-crm:0", "c-crm:2", "c-crm:3"]


def test_a_rule_that_something_speaks_against_comes_first(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into identity.edges values ('crm:2', 'crm:3', 'same phone', 1, timestamp '2026-01-01', null, null)")
    (first, *others) = review_of(connection, []).to_pylist()
    assert (first["customer_id"], first["candidate_id"]) == ("c-crm:2", "c-crm:3")
    assert first["reason"] == "a rule says one person, and something speaks against it"
    assert {row["reason"] for row in others} == {"near, and not near enough"}


def test_an_edge_that_ended_asks_nobody(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("update identity.edges set known_until = timestamp '2026-02-01'")
    assert told(connection, []) == []


def test_it_is_found_without_comparing_all_records_with_all() -> None:
    with duckdb.connect() as connection:
        connection.begin()
        connection.execute("create schema identity")
        connection.execute(
            "create table identity.stood as select 'crm:' || n as record_id, 'crm:' || n // 2 * 2 as anchor from range(5000) as r (n)"
        )
        connection.execute(
            "create table identity.edges as select 'crm:' || n as record_a, 'crm:' || n + 1 as record_b, null::timestamp as known_until "
            "from range(4999) as r (n), range(4)"
        )
        apart = connection.execute(APART).to_arrow_table()
        plan = connection.execute(f"explain {APART}").fetchall()[0][1]
    assert apart.num_rows == 2499 * 4
    assert "NESTED_LOOP" not in plan


def test_the_command_lists_a_line_a_case_and_how_to_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path))
    monkeypatch.setenv("DEARLY_SHOP", str(SHOPS / "small"))
    warehouse = Warehouse(load().warehouse)
    warehouse.create()
    assert "small has no day built yet" in str(CliRunner().invoke(app, ["identity", "review"]).exception)
    with warehouse.transaction() as connection:
        plant(connection)
        connection.register("found", review_of(connection, []))
        connection.execute("create table identity.clerical_review as select * from found")
    said = " ".join(CliRunner().invoke(app, ["identity", "review"]).output.replace("│", " ").split())
    assert "1 case" in said
    assert "c-shop:guest c-crm:1 near, and not near enough +3.5 3 more" in said
    assert "dearly explain link" in said
    with warehouse.transaction() as connection:
        connection.execute(
            "update identity.clerical_review set customer_id = 'c876604fe21cfb1759c7d', candidate_id = 'c3a3bc8ebef82eacbb64a', reason = repeat('why ', 20)"
        )
    said = CliRunner().invoke(app, ["identity", "review"], env={"COLUMNS": "80"}).output
    assert "c876604fe21cfb1759c7d" in said and "c3a3bc8ebef82eacbb64a" in said, "an id that is cut cannot be asked about"


def test_cases_by_weight_come_in_the_order_of_the_weights() -> None:
    assert [band for band, _ in by_band([11.0, None, 3.0, -1.0, 2.5])] == [
        "-2 to +0",
        "+2 to +4",
        "+10 to +12",
        "an exact rule, kept apart",
    ]
