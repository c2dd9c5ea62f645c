"""A database as a stranger's shop: its tables as samples, and those of a loader that we know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.onboarding.samples import DATABASES, CannotRead, Sample, described
from dagster_project.settings import secret, variable
from dagster_project.sources.contract import SYSTEMS, Pull, System, load_loader
from dagster_project.sources.databases import CHUNK, DuckDBFile, Row, Server, Tables, database, plain

OF_THE_DATABASE = ("information_schema", "pg_catalog", "pg_toast")


@dataclass(frozen=True)
class Lake:
    """Tables that somebody else keeps, and what shop.yaml calls them: a DuckDB file, or the environment variable that holds an address."""

    file: Path | None = None
    connection: str | None = None

    def schema(self, name: str) -> Tables:
        return DuckDBFile(self.file, name) if self.file else database(secret(self.connection or ""), name)

    def schemas(self) -> list[str]:
        tables = self.schema("main")
        if isinstance(tables, DuckDBFile):
            with tables.opened() as connection:
                sql = "select schema_name from information_schema.schemata where catalog_name = current_database()"
                found = [str(name) for (name,) in connection.execute(sql).fetchall()]
        else:
            assert isinstance(tables, Server)
            import sqlalchemy as sa

            with tables.opened() as engine:
                found = sa.inspect(engine).get_schema_names()
        return sorted(name for name in found if not name.startswith(OF_THE_DATABASE))


def lake_at(source: str) -> Lake | None:
    """The database that a shop is drafted from; None where files are named.

    Raises:
        CannotRead: an address itself is named, which would stand in the shell's history with its password.
    """
    path = Path(source).expanduser()
    if "://" in source:
        raise CannotRead("An address may hold a password: put it into an environment variable, and name that (--from LAKE_DATABASE).")
    if path.is_file() and path.suffix in DATABASES:
        return Lake(file=path.resolve())
    return Lake(connection=source) if not path.exists() and "://" in variable(source) else None


def read_lake(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[Sample]:
    """Every table that has rows, as texts as a pull would land them.

    Raises:
        CannotRead: there is none, or the database cannot be reached; the message has no address in it.
    """
    samples: list[Sample] = []
    try:
        for schema in lake.schemas():
            tables = lake.schema(schema)
            for table in tables.names():
                relation = f"sample_{len(samples)}"
                if read_rows(connection, tables, table, relation):
                    samples.append(described(connection, relation, table, schema=schema))
    except Exception as error:
        raise CannotRead(f"{lake.file or lake.connection} cannot be read as a database ({type(error).__name__}).") from None
    if not samples:
        raise CannotRead(f"{lake.file or lake.connection} has no table with rows.")
    return samples


def read_rows(connection: duckdb.DuckDBPyConnection, tables: Tables, table: str, relation: str) -> bool:
    headers: list[str] = []
    for rows in in_chunks(tables.rows(table)):
        columns = headers or list(rows[0])
        texts = {name: pa.array([text_of(row.get(name)) for row in rows], pa.string()) for name in columns}
        connection.register("incoming", pa.table(texts))
        connection.execute(f"insert into {relation} select * from incoming" if headers else f"create table {relation} as from incoming")
        connection.unregister("incoming")
        headers = columns
    return bool(headers)


def in_chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def text_of(value: object) -> str | None:
    said = plain(value)
    return None if said is None else str(said).lower() if isinstance(said, bool) else str(said)


def loaders_of(systems: dict[str, System]) -> list[tuple[str, str, str, Pull]]:
    """Every table that a loader cuts into pieces: system, loader, table, how it is put together."""
    files = sorted(path for path in SYSTEMS.glob("*/*.yaml") if path.stem != "source" and path.parent.name in systems)
    return [
        (path.parent.name, path.stem, table, pull)
        for path in files
        for table, pull in load_loader(path.parent.name, path.stem).tables.items()
    ]


def landed(samples: Sequence[Sample], systems: dict[str, System]) -> list[tuple[Sample, str, str, str]]:
    """The tables that loaders' schemas hold, schema by schema: the sample that gives the rows, system, table, loader."""
    found = []
    for schema in sorted({sample.schema or "" for sample in samples}):
        here = {sample.name: sample for sample in samples if (sample.schema or "") == schema}
        for system, loader, table, pull in loaders_of(systems):
            needed = {name: piece for name, piece in pull.pieces.items() if not piece.may_be_absent}
            is_whole = all(name in here and set(piece.needs) <= set(here[name].headers) for name, piece in needed.items())
            if needed and is_whole:
                found.append((here[next(iter(pull.pieces))], system, table, loader))
    return found
