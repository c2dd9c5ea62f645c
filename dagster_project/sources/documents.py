"""A source's documents, put together again from the tables that a loader cut them into.

    order, order_line, refund, … ──→ texts in a DuckDB of their own ──→ one row per order with its lines and refunds, as the source's API gives it

From there on the rows are those of the API: one contract, one staging, whoever brought them. A document comes when the row that heads it was synced
since the pull before, with all of its pieces.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.sources.contract import Piece, Pull
from dagster_project.sources.databases import CHUNK, Row, Since, Tables, Within, plain

# Pieces of so many documents are asked for by name; of more, the whole table is read.
ASKED_BY_NAME = 5_000


class PieceMissing(ValueError):
    """A loader's table, or a column without which nothing can be read, is not there."""


def documents(tables: Tables, pull: Pull, start: datetime | int | None) -> Iterator[Row]:
    """The documents whose first piece has changed since `start`, by its key.

    Raises:
        PieceMissing: a table or a needed column is not there.
    """
    there = set(tables.names())
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/pieces.duckdb", config={"threads": 1}) as connection:
        absent: set[str] = set()
        for name, piece in pull.pieces.items():
            if name not in there and not piece.may_be_absent:
                raise PieceMissing(f"There is no table {name!r}; it has {', '.join(sorted(there)[:20]) or 'none'}.")
            rows = read_piece(connection, tables, name, piece, pull, start) if name in there else iter(())
            missing = keep(connection, name, piece, rows)
            absent |= missing if name == next(iter(pull.pieces)) else set()
        head = next(iter(pull.pieces))
        # What a loader has no column for is not said at all: a column that was there before and is gone shows as drift.
        stated = {column: sql for column, sql in pull.columns.items() if sql not in absent}
        chosen = ", ".join(f'({sql}) as "{column}"' for column, sql in stated.items())
        cursor = f', "{pull.cursor}"' if pull.cursor else ""
        result = connection.execute(
            f'select to_json(document)::varchar from (select {chosen}{cursor} from "{head}" order by id) as document'
        )
        while found := result.fetchmany(CHUNK):
            yield from (json.loads(text) for (text,) in found)


def read_piece(
    connection: duckdb.DuckDBPyConnection, tables: Tables, name: str, piece: Piece, pull: Pull, start: datetime | int | None
) -> Iterator[Row]:
    """The rows of a piece: of the first what is new, of the others what belongs to rows that are there already."""
    if piece.of is None or piece.by is None:
        return tables.rows(name, Since(pull.cursor, start) if pull.cursor else None)
    table, column = piece.of.split(".")
    if start is None:
        return tables.rows(name)
    keys = [key for (key,) in connection.execute(f'select distinct "{column}" from "{table}" where "{column}" is not null').fetchall()]
    if not keys:
        return iter(())
    return tables.rows(name, within=Within(piece.by, as_numbers(keys))) if len(keys) <= ASKED_BY_NAME else tables.rows(name)


def as_numbers(keys: Sequence[str]) -> Sequence[Any]:
    """Keys as the database has them: numbers where all of them are."""
    return [int(key) for key in keys] if all(key.isdigit() and str(int(key)) == key for key in keys) else keys


def keep(connection: duckdb.DuckDBPyConnection, name: str, piece: Piece, rows: Iterable[Row]) -> set[str]:
    """Keep a piece's declared columns as texts; return those that it may have and has not.

    Raises:
        PieceMissing: it has not what it needs.
    """
    columns = [*piece.needs, *piece.may_have]
    listed = ", ".join(f'"{column}" varchar' for column in columns)
    connection.execute(f'create table "{name}" ({listed})')
    there: set[str] | None = None
    waiting = iter(rows)
    while chunk := list(islice(waiting, CHUNK)):
        there = set(chunk[0]) if there is None else there
        lacking = [column for column in piece.needs if column not in there]
        if lacking:
            raise PieceMissing(f"The table {name!r} has no column {', '.join(map(repr, lacking))}; it has {', '.join(sorted(there)[:30])}.")
        texts = {column: pa.array([as_text(row.get(column)) for row in chunk], pa.string()) for column in columns}
        connection.register("incoming", pa.table(texts))
        connection.execute(f'insert into "{name}" select * from incoming')
        connection.unregister("incoming")
    return set() if there is None else set(piece.may_have) - there


def as_text(value: Any) -> str | None:
    value = plain(value)
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
