"""Tables without a key of their own: equal rows stay apart by their place, and the same file still loads once."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, SourceSystem, load_shop
from dagster_project.sources.contract import load_system
from dagster_project.sources.ledger import Batch
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse

COLUMNS = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice")
LINE = ("536365", "85123A", 6, "2010-12-01 08:26:00", 2.55)
OTHER = ("536366", "22633", 6, "2010-12-01 08:28:00", 1.85)


@pytest.fixture
def store(tmp_path: Path) -> tuple[Warehouse, Shop, Path]:
    (tmp_path / "extracts" / "lines").mkdir(parents=True)
    shop = load_shop(SHOPS / "online_retail").model_copy(
        update={"sources": {"online_retail": SourceSystem(path=str(tmp_path / "extracts"))}, "folder": tmp_path}
    )
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    return warehouse, shop, tmp_path


def load(store, stamp: str, *rows: tuple[object, ...], numbers: list[int] | None = None) -> Batch:
    table = pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    if numbers:
        table = table.append_column("line_number", pa.array(numbers))
    pq.write_table(table, store[2] / "extracts" / "lines" / f"lines_{stamp}.parquet")
    (batch,) = load_shop_extracts(store[0], store[1], store[2] / "store")
    return batch


def lines(store) -> list[tuple[object, ...]]:
    return store[0].rows("select invoice_no, line_number, quantity from sources.online_retail__lines order by _known_at, _row_number")


def test_equal_lines_are_counted_within_their_invoice_in_the_files_order(store) -> None:
    load(store, "20110818T050000Z", LINE, OTHER, LINE, LINE)
    assert lines(store) == [("536365", "1", "6"), ("536366", "1", "6"), ("536365", "2", "6"), ("536365", "3", "6")]


def test_an_invoice_pulled_again_brings_only_the_line_that_changed(store) -> None:
    load(store, "20110818T050000Z", LINE, LINE, OTHER)
    again = load(store, "20110819T050000Z", LINE, ("536365", "85123A", 5, *LINE[3:]), OTHER)
    assert (again.rows_in, again.rows_loaded, again.rows_duplicate) == (3, 1, 2)
    back = load(store, "20110820T050000Z", LINE, LINE)
    assert (back.rows_loaded, back.rows_duplicate) == (1, 1)
    assert [line for line in lines(store) if line[1] == "2"] == [("536365", "2", "6"), ("536365", "2", "5"), ("536365", "2", "6")]


def test_an_older_extract_undoes_no_line_that_a_newer_one_repeated(store) -> None:
    load(store, "20110818T050000Z", LINE, LINE)
    load(store, "20110820T050000Z", LINE, LINE, OTHER)
    older = load(store, "20110819T050000Z", LINE, ("536365", "85123A", 5, *LINE[3:]))
    assert (older.rows_loaded, older.rows_duplicate) == (0, 2)


def test_a_number_that_the_extract_states_is_kept(store) -> None:
    load(store, "20110818T050000Z", LINE, LINE, numbers=[7, 3])
    assert [line[1] for line in lines(store)] == ["7", "3"]


def test_a_column_that_is_not_declared_cannot_number(tmp_path: Path) -> None:
    folder = tmp_path / "online_retail"
    folder.mkdir()
    shutil.copy(SHOPS.parent / "dagster_project" / "sources" / "online_retail" / "source.yaml", folder)
    text = (folder / "source.yaml").read_text()
    (folder / "source.yaml").write_text(text.replace("number_within: [invoice_no]", "number_within: [invoice]"))
    with pytest.raises(ValueError, match="numbers line_number within columns that it does not declare"):
        load_system("online_retail", tmp_path)
