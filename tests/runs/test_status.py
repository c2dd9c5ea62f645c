"""`dearly status` says what was sold, given back and earned, as a person would add it up."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.cli.common import Refused
from dagster_project.failures import Mistake
from dagster_project.privacy.erasing import ask
from dagster_project.privacy.person import Person
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.sources.identifiers import Identifier
from dagster_project.status import status_of
from dagster_project.warehouse import Warehouse


def test_sales_are_those_that_are_known_now(bare: Settings) -> None:
    with Warehouse(bare.warehouse).connect() as connection:
        connection.execute("create schema if not exists profile")
        connection.execute(
            "create table profile.fct_orders as select * from (values ('till', 'o1', 'ann', 10.00::decimal(18, 2), null::timestamp), "
            "('till', 'o1', 'ann', 99.00, timestamp '2026-01-02'), ('till', 'o2', 'ann', 5.00, null), ('web', 'o3', null, 7.00, null)) "
            "as orders (source, order_id, customer_id, net_amount, superseded_at)"
        )
        connection.execute(
            "create table profile.fct_returns as select 'till' as source, 2.50::decimal(18, 2) as net_amount, null::timestamp as superseded_at"
        )
    (sales,) = [rows for title, _, rows in status_of(bare).tables if title.startswith("Sales")]
    assert sales == [
        ("till", 2, 1, Decimal("15.00"), Decimal("2.50"), Decimal("12.50")),
        ("web", 1, 0, Decimal("7.00"), Decimal("0.00"), Decimal("7.00")),
    ]


def test_what_holds_and_what_waits_is_printed_word_for_word(bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets are no markup: a renamed column's remedy (`from: [old, new]`) vanished, and a refused value such as `[/]` ended `status`."""
    with Warehouse(bare.warehouse).connect() as connection:
        connection.execute("insert into sources.built_days values (timestamp '2026-03-09 23:00')")
        connection.execute(
            "insert into sources.load_ledger (source, table_name, batch_id, extracted_at, rows_in, rows_loaded, rows_duplicate, rows_quarantined, "
            "rows_erased) values ('till', 'orders', 'b1', timestamp '2026-03-10 05:00', 2, 1, 0, 1, 0)"
        )
        connection.execute(
            "insert into sources.differences values ('till', 'orders', 'b1', 'new_column', 'shoe', 'the column ''shoe'' is new')"
        )
        connection.execute(
            "insert into sources.quarantine (source, table_name, batch_id, row_number, reason, column_name) "
            "values ('till', 'orders', 'b1', 1, 'is not one of [/], [b]', 'status')"
        )
        connection.execute(
            "insert into sources.guards values (timestamp '2026-03-09 23:00', 'extract till.orders', true, 'from: [id, nr]', null), "
            "(timestamp '2026-03-08 23:00', 'extract till.orders', true, 'no extract came', null), "
            "(timestamp '2026-03-02 23:00', 'extract till.orders', true, 'long since', null)"
        )
    monkeypatch.setenv("DEARLY_HOME", str(bare.home))
    said = CliRunner().invoke(app, ["status", "--shop", str(bare.shop_folder)], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.exception
    assert said.output.startswith("small: Monday, 09 March 2026 is built, known by 10 March, ")
    assert "extract till.orders: from: [id, nr]; `dearly run --shop small --accept 'extract till.orders'` lets it go" in said.output
    assert "no extract came; a newer day is built, which delivers in its place" in said.output
    assert "long since" not in said.output
    assert "is not one of [/], [b]" in said.output
    assert "new columns, kept in the landed file alone: shoe" in said.output


def test_a_store_without_a_built_day_says_which_command_builds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path))
    for made in (False, True):
        if made:
            # As a plan of nothing, or a run that failed at once, leaves it.
            (tmp_path / "demo").mkdir(exist_ok=True)
            duckdb.connect(tmp_path / "demo" / "warehouse.duckdb").close()
        said = CliRunner().invoke(app, ["status"])
        assert "demo has no day built yet: `dearly demo --shop demo` builds one." in said.output, said.exception
        for command in (["query", "from customers"], ["explain", "scores", "a@b.de"], ["identity", "review"], ["report"]):
            refused = CliRunner().invoke(app, command).exception
            assert isinstance(refused, Refused | Mistake), command
            assert (str(refused), refused.code) == ("demo has no day built yet: `dearly demo --shop demo` builds one.", 1)
    refused = CliRunner().invoke(app, ["identity", "link", "shopify:1", "shopify:2", "--why", "x"]).exception
    assert "Nobody is linked yet" in str(refused)
    refused = CliRunner().invoke(app, ["run"]).exception
    assert "demo has no extracts yet: `dearly demo` makes them" in str(refused)


def test_an_erasure_that_is_not_proven_is_said(bare: Settings) -> None:
    shop = load_shop(bare.shop_folder)
    assert status_of(bare).open == []
    ask(bare, shop, Person(frozenset({Identifier("email", "ann@example.org")}), frozenset(), frozenset(), frozenset()))
    assert ["is not proven" in line for line in status_of(bare).open] == [True]


@pytest.mark.parametrize(("red", "code"), [(True, 3), (False, 0)])
def test_a_run_whose_day_is_held_does_not_end_as_one_that_delivered(
    bare: Settings, monkeypatch: pytest.MonkeyPatch, red: bool, code: int
) -> None:
    def built(settings: Settings, *_: object) -> None:
        with Warehouse(settings.warehouse).connect() as connection:
            connection.execute("insert into sources.built_days values (timestamp '2026-03-09 23:00')")
            connection.execute(
                "insert into sources.guards values (timestamp '2026-03-09 23:00', 'extract till.orders', ?, 'none came', null)", [red]
            )

    monkeypatch.setattr("dagster_project.runs.run_days", built)
    monkeypatch.setenv("DEARLY_HOME", str(bare.home))
    said = CliRunner().invoke(app, ["run", "--shop", str(bare.shop_folder), "--as-of", "2026-03-09"])
    assert said.exit_code == code, said.exception
    assert ("Nothing is held." in said.output) != red
