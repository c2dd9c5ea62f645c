"""Tables that someone else keeps: in a DuckDB file, or in a database that SQLAlchemy reaches (Postgres), read through dlt."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb

CHUNK = 10_000
Row = dict[str, Any]


@dataclass(frozen=True)
class Since:
    """Where a table is read from: not before `start` by its `cursor`; None for everything."""

    cursor: str
    start: datetime | int | None


@dataclass(frozen=True)
class Within:
    """Only the rows whose column is one of some values."""

    column: str
    values: Sequence[Any]


def start_of(newest: str | None, overlap: int) -> datetime | int | None:
    """Where a pull begins: `overlap` before the newest value seen (seconds, or numbers where the cursor is a number); None for everything."""
    if newest is None:
        return None
    return int(newest) - overlap if newest.lstrip("-").isdigit() else datetime.fromisoformat(newest) - timedelta(seconds=overlap)


class Tables(Protocol):
    """The tables of one schema of a database."""

    def names(self) -> list[str]:
        """What its tables and views are called."""

    def columns(self, table: str) -> list[str]:
        """A table's columns in their order; none where it is not there."""

    def rows(self, table: str, since: Since | None = None, within: Within | None = None) -> Iterator[Row]:
        """The rows of a table: those whose cursor is not before the start (those without a cursor come each time), and whose column is among values."""


@dataclass(frozen=True)
class DuckDBFile:
    """A schema of a DuckDB file."""

    path: Path
    schema: str

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.is_file():
            raise ValueError(f"{self.path} is not there: it is named as the file of a source.")
        with duckdb.connect(self.path, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            yield connection

    def names(self) -> list[str]:
        with self.opened() as connection:
            sql = (
                "select table_name from information_schema.tables where table_catalog = current_database() and table_schema = ? order by 1"
            )
            return [str(name) for (name,) in connection.execute(sql, [self.schema]).fetchall()]

    def columns(self, table: str) -> list[str]:
        with self.opened() as connection:
            sql = (
                "select column_name from information_schema.columns where table_catalog = current_database() "
                "and table_schema = ? and table_name = ? order by ordinal_position"
            )
            return [str(name) for (name,) in connection.execute(sql, [self.schema, table]).fetchall()]

    def rows(self, table: str, since: Since | None = None, within: Within | None = None) -> Iterator[Row]:
        conditions: list[str] = []
        values: list[Any] = []
        if since and since.start is not None:
            conditions.append(f'("{since.cursor}" >= ? or "{since.cursor}" is null)')
            values.append(since.start)
        if within:
            conditions.append(f'"{within.column}" in (select unnest(?))')
            values.append(list(within.values))
        where = f"where {' and '.join(conditions)}" if conditions else ""
        order = f'order by "{since.cursor}"' if since and since.start is not None else ""
        with self.opened() as connection:
            # With its file's name ahead: a file is often called as the schema in it.
            ((catalog,),) = connection.execute("select current_database()").fetchall()
            result = connection.execute(f'select * from "{catalog}"."{self.schema}"."{table}" {where} {order}', values)
            names = [column[0] for column in result.description or []]
            while rows := result.fetchmany(CHUNK):
                yield from (dict(zip(names, row, strict=True)) for row in rows)


@dataclass(frozen=True)
class Server:
    """A schema of a database by its address (postgresql://…), reached by SQLAlchemy and read through dlt."""

    address: str
    schema: str | None

    @contextmanager
    def opened(self) -> Iterator[Any]:
        import sqlalchemy as sa

        engine = sa.create_engine(sqlalchemy_address(self.address))
        try:
            yield engine
        finally:
            engine.dispose()

    def names(self) -> list[str]:
        import sqlalchemy as sa

        with self.opened() as engine:
            inspector = sa.inspect(engine)
            return sorted([*inspector.get_table_names(self.schema), *inspector.get_view_names(self.schema)])

    def columns(self, table: str) -> list[str]:
        import sqlalchemy as sa

        with self.opened() as engine:
            try:
                return [str(column["name"]) for column in sa.inspect(engine).get_columns(table, self.schema)]
            except sa.exc.NoSuchTableError:
                return []

    def rows(self, table: str, since: Since | None = None, within: Within | None = None) -> Iterator[Row]:
        import sqlalchemy as sa
        from dlt.sources.sql_database import sql_table

        def only_new(query: Any, source: Any) -> Any:
            if within:
                query = query.where(source.c[within.column].in_(within.values))
            if since is None:
                return query
            column, start = source.c[since.cursor], since.start
            if start is not None:
                # A column without a zone is read as UTC, whatever the value seen says, and the other way round.
                is_zoned = getattr(column.type, "timezone", False)
                moment = start.replace(tzinfo=None) if isinstance(start, datetime) and not is_zoned else start
                query = query.where(sa.or_(column >= moment, column.is_(None)))
            return query.order_by(column)

        with self.opened() as engine:
            yield from sql_table(
                credentials=engine,
                table=table,
                schema=self.schema,
                chunk_size=CHUNK,
                query_adapter_callback=only_new,
                reflection_level="minimal",
            )


def database(address: str, schema: str | None) -> Tables:
    """The tables behind an address: duckdb:////folder/lake.duckdb, or whatever SQLAlchemy reaches."""
    if address.startswith("duckdb:///"):
        return DuckDBFile(Path(address.removeprefix("duckdb:///")), schema or "main")
    return Server(address, schema)


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
