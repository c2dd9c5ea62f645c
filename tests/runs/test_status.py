"""`dearly status` says what was sold, given back and earned, as a person would add it up."""

from decimal import Decimal

import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.settings import Settings
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
    assert "extract till.orders: from: [id, nr]; `dearly run --shop small --accept 'extract till.orders'` lets it go" in said.output
    assert "no extract came; a newer day is built, which delivers in its place" in said.output
    assert "long since" not in said.output
    assert "is not one of [/], [b]" in said.output
    assert "new columns, kept in the landed file alone: shoe" in said.output
