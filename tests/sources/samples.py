"""Good rows of every declared table, made from its contract, and files of them in any shape a vendor may think of."""

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, SourceSystem, load_shop
from dagster_project.sources.contract import Column, Table, all_systems
from dagster_project.sources.ledger import Batch
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse

# DEARLY_TORTURE=whole asks everything of every table (`make torture`); without it a sample is asked, which CI can afford.
WHOLE = os.environ.get("DEARLY_TORTURE") == "whole"
GOOD = {"text": "stated", "integer": "7", "decimal": "7.50", "boolean": "true", "timestamp": "2026-01-02T10:00:00", "date": "2026-01-02"}
# What a rule on a whole row or a JSON Schema asks for.
PARTICULAR: dict[tuple[str, str], Any] = {
    ("orders", "line_items"): [{"quantity": 1, "price": "5.00"}],
    ("cart_abandons", "items"): [{"product_id": "P1"}],
    ("checkouts", "line_items"): [{"quantity": 1, "price": "5.00"}],
    ("products", "variants"): [{"price": "5.00"}],
    ("profiles", "attributes"): {"created": "2026-01-02T10:00:00", "email": "a@example.org"},
    ("events", "attributes"): {"datetime": "2026-01-02T10:00:00"},
    ("events", "relationships"): {"profile": {"data": {"id": "p"}}, "metric": {"data": {"id": "m"}}},
    ("events", "event_params"): [],
    ("events", "event_date"): "20260102",
    ("receipts", "total"): "45.00",
    ("receipts", "discount"): "7.50",
}


def good_value(name: str, table: str, column: Column, number: int) -> Any:
    if (table, name) in PARTICULAR:
        return PARTICULAR[table, name]
    if column.type == "json":
        return {"stated": True}
    if column.values:
        return column.values[0]
    if column.currency:
        return "EUR"
    if column.holds == "email":
        return f"person{number}@example.org"
    if column.holds == "phone":
        return "+49 30 901820"
    return GOOD[column.type]


def good_rows(system: str, name: str, count: int = 6) -> list[dict[str, Any]]:
    """Rows under the extract's own column names, each with a key of its own."""
    table = all_systems()[system].tables[name]
    rows = []
    for number in range(1, count + 1):
        row = {table.headers[column]: good_value(column, name, declared, number) for column, declared in table.columns.items()}
        key = table.key[0]
        if table.columns[key].values is None and table.columns[key].holds is None:
            row[table.headers[key]] = str(1000 + number)
        rows.append(row)
    return rows


def as_text(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, dict | list) else value


def content(table: Table, rows: list[dict[str, Any]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """The rows as a file in the table's own format."""
    if table.format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding)
    headers = list(dict.fromkeys(name for row in rows for name in row))
    if table.format == "csv":
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerow(headers)
        writer.writerows([as_text(row.get(name)) for name in headers] for row in rows)
        return text.getvalue().encode(encoding)
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([as_text(row.get(name)) for row in rows], pa.string()) for name in headers}), sink)
    return sink.getvalue()


class Store:
    """A shop with one source system, an empty store, and extracts that a test writes."""

    def __init__(self, folder: Path, system: str, table: str) -> None:
        self.folder, self.system, self.name = folder, system, table
        self.table = all_systems()[system].tables[table]
        self.extracts = folder / "extracts" / table
        self.extracts.mkdir(parents=True)
        self.shop: Shop = load_shop(SHOPS / "small").model_copy(
            update={"sources": {system: SourceSystem(path=str(folder / "extracts"))}, "folder": folder}
        )
        self.warehouse = Warehouse(folder / "store" / "warehouse.duckdb")
        self.warehouse.create()

    def write(self, stamp: str, content: bytes, name: str | None = None) -> Path:
        path = self.extracts / f"{name or self.name}_{stamp}.{self.table.format}"
        path.write_bytes(content)
        return path

    def write_gz(self, stamp: str, content: bytes) -> Path:
        path = self.extracts / f"{self.name}_{stamp}.{self.table.format}.gz"
        path.write_bytes(gzip.compress(content, mtime=0))
        return path

    def good(self, count: int = 6) -> list[dict[str, Any]]:
        return good_rows(self.system, self.name, count)

    def load(self) -> list[Batch]:
        return load_shop_extracts(self.warehouse, self.shop, self.folder / "store")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(sql)

    @property
    def raw(self) -> str:
        return f"sources.{self.system}__{self.name}"

    @property
    def refused(self) -> str:
        return " ".join(reason for (reason,) in self.rows("select reason from sources.refused_extracts order by file"))

    def differences(self) -> list[tuple[str, str | None]]:
        return self.rows("select drift, column_name from sources.differences order by all")  # type: ignore[return-value]

    def is_whole(self) -> bool:
        """Whether every row of every batch is accounted for, where the rows lie."""
        ((lost,),) = self.rows(
            "select count(*) from sources.load_ledger where rows_in <> rows_loaded + rows_duplicate + rows_quarantined + rows_erased"
        )
        return lost == 0
