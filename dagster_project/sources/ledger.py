"""The ledger: what became of each extract's rows. A batch is known by its content, so that what a table said before is not loaded twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.moments import stamp
from dagster_project.shop import Shop
from dagster_project.sources.contract import System, Table
from dagster_project.sources.extracts import Extract
from dagster_project.sources.reading.text_lines import open_bytes
from dagster_project.warehouse import Warehouse


@dataclass(frozen=True)
class Batch:
    """What became of one extract's rows, as the ledger has it."""

    source: str
    table_name: str
    batch_id: str
    extracted_at: datetime
    is_history: bool
    path: str
    rows_in: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_erased: int
    known_at: datetime


COLUMNS = [field.name for field in fields(Batch)]


class RowsLost(RuntimeError):
    """A batch's rows do not add up: our own mistake, so the run stops."""


def batch_name(system: str, table: str, content: str, stamped: str | None) -> str:
    """A batch's id: the content (its SHA-256) and the table it is meant for, and the moment of extraction where that tells batches apart."""
    return hashlib.sha256("|".join([system, table, content] + ([stamped] if stamped else [])).encode()).hexdigest()[:16]


def all_batches(warehouse: Warehouse) -> list[Batch]:
    """Every batch of the ledger, oldest extract first."""
    return [Batch(*row) for row in warehouse.rows(f"select {', '.join(COLUMNS)} from sources.load_ledger order by extracted_at, batch_id")]


def newest_known(warehouse: Warehouse) -> datetime | None:
    """The last moment of which anything is known: the store's clock. None while it is empty."""
    ((newest,),) = warehouse.rows("select max(greatest(extracted_at, known_at)) from sources.load_ledger")
    return newest


class Ledger:
    """One table's part of the ledger. `known` are the batches that it has, with the time of their extraction."""

    def __init__(self, warehouse: Warehouse, shop: Shop, store: Path, system: System, name: str) -> None:
        self.warehouse, self.shop, self.store = warehouse, shop, store
        self.system, self.name = system.system, name
        self.table: Table = system.tables[name]
        sql = "select batch_id, extracted_at from sources.load_ledger where source = ? and table_name = ?"
        self.known: dict[str, datetime] = dict(warehouse.rows(sql, [self.system, name]))

    def batch_id(self, extract: Extract, content: str, stamped: bool = False) -> str:
        """The batch's identity: the content, and the table it is meant for. Two empty extracts are two batches: each says its day had nothing."""
        return batch_name(extract.system, extract.table, content, stamp(extract.extracted_at) if stamped else None)

    def new_id(self, extract: Extract, content: str, rows: int) -> str:
        """The id of a batch to be entered, with its moment where the content alone is another batch's already, or is no batch's own."""
        is_of_an_older_one = self.batch_id(extract, content) in self.known
        return self.batch_id(extract, content, stamped=rows == 0 or is_of_an_older_one or self.is_dated_by_extract())

    def is_said(self, extract: Extract, content: str, known: dict[str, datetime]) -> bool:
        """Whether an extract is loaded, or says what the table's extract before it said. What an older one said, and one between did not, is news."""
        own = self.batch_id(extract, content)
        if self.batch_id(extract, content, stamped=True) in known or known.get(own) == extract.extracted_at:
            return True
        # What happened at its extract's moment happened once more in the next one.
        if self.is_dated_by_extract():
            return False
        before = max((moment for moment in known.values() if moment < extract.extracted_at), default=None)
        if own not in known or before is None:
            return own in known
        return known[own] == before or self.batch_id(replace(extract, extracted_at=before), content, stamped=True) in known

    def is_dated_by_extract(self) -> bool:
        return any(column.or_extracted for column in self.table.columns.values())

    def is_history(self, extract: Extract, known_at: datetime) -> bool:
        """Whether an extract's rows count from when they happened: it is of before the shop's first day, and no day is built without it."""
        history_until = self.shop.sources[self.system].history_until
        return (
            history_until is not None
            and extract.extracted_at <= history_until
            and known_at == extract.extracted_at
            and not self.is_pulled_again(extract)
        )

    def is_pulled_again(self, extract: Extract) -> bool:
        """Whether a pull follows another of its table: what it brings is the night's news, not history."""
        sql = "select count(*) from sources.load_ledger where source = ? and table_name = ? and extracted_at < ?"
        ((earlier,),) = self.warehouse.rows(sql, [extract.system, extract.table, extract.extracted_at])
        return bool(earlier) and self.shop.sources[extract.system].kind != "files"

    def usually_ends(self) -> bool:
        """Whether the table's newest extract that has rows ends with a line break."""
        others = self.warehouse.rows(
            "select path from sources.load_ledger where source = ? and table_name = ? and rows_in > 0 order by extracted_at desc, path limit 1",
            [self.system, self.name],
        )
        if not others or not (self.store / others[0][0]).is_file():
            return False
        last = b""
        with open_bytes(self.store / others[0][0]) as file:
            while block := file.read(1 << 20):
                last = block[-1:]
        return last in (b"\n", b"\r")

    def enter(self, connection: duckdb.DuckDBPyConnection, extract: Extract, batch: Batch) -> None:
        """Enter a batch, in the transaction that its rows are inserted in.

        Raises:
            RowsLost: the counts do not add up.
        """
        if batch.rows_in != batch.rows_loaded + batch.rows_duplicate + batch.rows_quarantined + batch.rows_erased:
            raise RowsLost(f"{extract.path}: {batch.rows_in} rows came in, but {batch} does not account for all of them.")
        connection.execute(
            f"insert into sources.load_ledger ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})",
            [getattr(batch, name) for name in COLUMNS],
        )
        self.known[batch.batch_id] = batch.extracted_at

    def note_refused(self, refused: Sequence[tuple[Extract, str]]) -> None:
        """State the extracts at hand that are refused, and no others: one that is mended or taken away is refused no more."""
        with self.warehouse.transaction() as connection:
            connection.execute("delete from sources.refused_extracts where source = ? and table_name = ?", [self.system, self.name])
            for extract, reason in refused:
                connection.execute(
                    "insert into sources.refused_extracts values (?, ?, ?, ?, ?)",
                    [extract.system, extract.table, extract.extracted_at, extract.path.name, reason],
                )
