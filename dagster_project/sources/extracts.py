"""Extract files: which are there, when each was pulled, and their rows as text."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.moments import parse_stamp
from dagster_project.sources.contract import System, Table

STAMP = re.compile(r"\d{8}T\d{6}Z")


class UnreadableExtract(ValueError):
    """A whole file is refused: the message says which, what is wrong, and what to do."""


@dataclass(frozen=True, order=True)
class Extract:
    """One extract file. `extracted_at` (UTC) is part of its name, never its modification time."""

    extracted_at: datetime
    system: str
    table: str
    path: Path


@dataclass(frozen=True)
class Rows:
    """The rows of one extract, all text: one column per declared column and `_row_number` (from 1).

    `unreadable` are rows that are not even rows: (row number, reason, text).
    """

    table: pa.Table
    unreadable: list[tuple[int, str, str]]

    def __len__(self) -> int:
        return self.table.num_rows + len(self.unreadable)


def find_extracts(folder: Path, system: System) -> list[Extract]:
    """The extracts of a system, oldest first.

    Raises:
        UnreadableExtract: a file's name does not say when it was pulled.
    """
    found = []
    for table in system.tables:
        for path in sorted((folder / table).glob("*")):
            if path.name.startswith(".") or not path.is_file():
                continue
            match = STAMP.search(path.name)
            if not match:
                raise UnreadableExtract(
                    f"{path}: the name has no time of extraction; rename it to {table}_<YYYYMMDDTHHMMSSZ>{path.suffix}."
                )
            found.append(Extract(parse_stamp(match.group()), system.system, table, path))
    return sorted(found)


def read_rows(path: Path, table: Table) -> Rows:
    """Read a landed file by its ending, else by its declared format.

    Raises:
        UnreadableExtract: it is truncated, of another format, or lacks a required column.
    """
    readers = {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet}
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    rows = readers.get(ending, readers[table.format])(path, table)
    return replace(rows, table=numbered_within(as_written(rows.table, table), table))


# How a text in a declared format reads as every other; a text that is not in it stays as it came, for the contract to refuse.
MOMENT = "coalesce(strftime(try_strptime(trim({0}), '{1}'), '%Y-%m-%d %H:%M:%S'), {0})"
OFFSET = MOMENT.replace("%S'", "%S+00'")
FORMATS = {
    "unix": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000000), '%Y-%m-%d %H:%M:%S+00'), {0})",
    "unix_ms": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000), '%Y-%m-%d %H:%M:%S.%g+00'), {0})",
    "1,234.56": "coalesce(nullif(regexp_replace({0}, '[^0-9.-]', '', 'g'), ''), {0})",
    "1.234,56": "coalesce(nullif(replace(regexp_replace({0}, '[^0-9,-]', '', 'g'), ',', '.'), ''), {0})",
}


def as_written(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with what is written in a format of its own (`format`) as everybody writes it."""
    formats = {name: column.format for name, column in table.columns.items() if column.format}
    if not formats:
        return rows
    read = ", ".join(
        f"""{FORMATS.get(format, OFFSET if "%z" in format else MOMENT).format(f'"{name}"', format.replace("'", "''"))} as "{name}" """
        for name, format in formats.items()
    )
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("incoming", rows)
        return connection.execute(f"select * replace ({read}) from incoming order by _row_number").to_arrow_table()


def numbered_within(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with their counted columns (`number_within`) filled, where the extract does not state them."""
    for name, column in table.columns.items():
        if column.number_within and rows[name].null_count == len(rows):
            group = ", ".join(f'"{one}"' for one in column.number_within)
            number = f'row_number() over (partition by {group} order by _row_number)::varchar as "{name}"'
            with duckdb.connect() as connection:
                connection.register("incoming", rows)
                rows = connection.execute(f"select * replace ({number}) from incoming order by _row_number").to_arrow_table()
    return rows


def content_of(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile) as error:
        raise UnreadableExtract(f"{path}: the file is cut off or not gzip ({error}); pull it again.") from None


def read_csv(path: Path, table: Table) -> Rows:
    # Bytes that are not UTF-8 survive as surrogates, so that one bad row does not cost the file.
    text = content_of(path).decode("utf-8-sig", errors="surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    require(path, table, header)
    position = {name: header.index(source) for name, source in table.headers.items() if source in header}
    columns: dict[str, list[str | None]] = {name: [] for name in table.columns}
    numbers: list[int] = []
    unreadable = []
    for number, row in enumerate(numbered(reader, path), start=1):
        if not row:
            continue
        if len(row) != len(header):
            unreadable.append((number, f"has {len(row)} fields, the header has {len(header)}", ",".join(row)))
        elif not encodable(row):
            unreadable.append((number, "is not UTF-8", ",".join(row).encode("utf-8", "backslashreplace").decode()))
        else:
            numbers.append(number)
            for name, values in columns.items():
                values.append(row[position[name]] or None if name in position else None)
    return Rows(text_table(columns, numbers), unreadable)


def numbered(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UnreadableExtract(f"{path}: a quoted field does not end ({error}); the file is cut off, pull it again.") from None


def encodable(row: list[str]) -> bool:
    try:
        "".join(row).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_jsonl(path: Path, table: Table) -> Rows:
    lines, numbers, unreadable = [], [], []
    for number, raw in enumerate(content_of(path).split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            lines.append(raw.decode("utf-8"))
            numbers.append(number)
        except UnicodeDecodeError:
            unreadable.append((number, "is not UTF-8", raw.decode("utf-8", "backslashreplace")))
    incoming = pa.table({"_row_number": pa.array(numbers, pa.int64()), "line": pa.array(lines, pa.string())})
    paths = ", ".join("""'$."{}"'""".format(source.replace("'", "''")) for source in table.headers.values())
    fields = ", ".join(f'fields[{place}] as "{name}"' for place, name in enumerate(table.columns, start=1))
    with duckdb.connect() as connection:
        connection.register("lines", incoming)
        is_object = "case when json_valid(line) then json_type(line) = 'OBJECT' else false end"
        connection.execute(f"create temp table judged as select *, {is_object} as is_object from lines")
        broken = connection.execute("select _row_number, line from judged where not is_object order by _row_number").fetchall()
        rows = connection.execute(
            f"""
            select {fields}, _row_number
            from (select _row_number, json_extract_string(line, [{paths}]) as fields from judged where is_object)
            order by _row_number
            """
        ).to_arrow_table()
    unreadable += [(number, "is not a JSON object", line) for number, line in broken]
    return Rows(rows, unreadable)


def read_parquet(path: Path, table: Table) -> Rows:
    try:
        content = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableExtract(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); pull it again.") from None
    require(path, table, content.column_names)
    fields = []
    for name, source in table.headers.items():
        if source not in content.column_names:
            fields.append(f'null::varchar as "{name}"')
        elif pa.types.is_nested(content.schema.field(source).type):
            fields.append(f'to_json("{source}")::varchar as "{name}"')
        else:
            fields.append(f'"{source}"::varchar as "{name}"')
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("content", content)
        rows = connection.execute(f"select {', '.join(fields)}, row_number() over () as _row_number from content").to_arrow_table()
    return Rows(rows, [])


def require(path: Path, table: Table, header: list[str]) -> None:
    """Refuse a file without one of the required columns, rather than fill it with nothing."""
    missing = [source for name, source in table.headers.items() if table.columns[name].required and source not in header]
    if missing:
        raise UnreadableExtract(
            f"{path}: the required column {', '.join(map(repr, missing))} is missing (it has {', '.join(header[:12])} …); "
            "pull it again, or declare the change in source.yaml."
        )


def text_table(columns: dict[str, list[str | None]], numbers: list[int]) -> pa.Table:
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table({**arrays, "_row_number": pa.array(numbers, pa.int64())})
