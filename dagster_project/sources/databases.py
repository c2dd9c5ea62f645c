"""Rows of a table that someone else keeps: a DuckDB file, or a database that SQLAlchemy reaches (Postgres), read through dlt."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

CHUNK = 10_000
Row = dict[str, Any]


def start_of(newest: str | None, overlap: int) -> datetime | int | None:
    """Where a pull begins: `overlap` before the newest value seen (seconds, or numbers where the cursor is a number); None for everything."""
    if newest is None:
        return None
    return int(newest) - overlap if newest.lstrip("-").isdigit() else datetime.fromisoformat(newest) - timedelta(seconds=overlap)


def rows_of_duckdb(path: Path, schema: str, table: str, cursor: str | None, start: datetime | int | None) -> Iterator[Row]:
    """The rows of a DuckDB file's table whose cursor is not before the start; those without a cursor come each time."""
    if not path.is_file():
        raise ValueError(f"{path} is not there: shop.yaml names it as the file of a source.")
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        new = f'where "{cursor}" >= ? or "{cursor}" is null order by "{cursor}"' if cursor and start is not None else ""
        # With its file's name ahead: a file is often called as the schema in it.
        ((catalog,),) = connection.execute("select current_database()").fetchall()
        result = connection.execute(f'select * from "{catalog}"."{schema}"."{table}" {new}', [start] if new else [])
        names = [column[0] for column in result.description or []]
        while rows := result.fetchmany(CHUNK):
            yield from (dict(zip(names, row, strict=True)) for row in rows)


def rows_of_database(address: str, schema: str | None, table: str, cursor: str | None, start: datetime | int | None) -> Iterator[Row]:
    """As `rows_of_duckdb`, for a database by its address (postgresql://…)."""
    import sqlalchemy as sa
    from dlt.sources.sql_database import sql_table

    def only_new(query: Any, source: Any) -> Any:
        if cursor is None:
            return query
        column = source.c[cursor]
        if start is not None:
            # A column without a zone is read as UTC, whatever the value seen says, and the other way round.
            moment = start.replace(tzinfo=None) if isinstance(start, datetime) and not getattr(column.type, "timezone", False) else start
            query = query.where(sa.or_(column >= moment, column.is_(None)))
        return query.order_by(column)

    engine = sa.create_engine(sqlalchemy_address(address))
    try:
        yield from sql_table(
            credentials=engine, table=table, schema=schema, chunk_size=CHUNK, query_adapter_callback=only_new, reflection_level="minimal"
        )
    finally:
        engine.dispose()


def sqlalchemy_address(address: str) -> str:
    """postgres:// and postgresql:// mean psycopg, the driver that is installed."""
    scheme, _, rest = address.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else address


def plain(value: Any) -> Any:
    """A database's value as JSON has it; exact numbers stay text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)
