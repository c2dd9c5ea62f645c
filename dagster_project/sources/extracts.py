"""Extract files: which are there, when each was pulled, and their rows as text, a chunk at a time."""

import codecs
import csv
import gzip
import io
import json
import re
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.moments import parse_stamp
from dagster_project.sources.contract import System, Table
from dagster_project.sources.drift import Drifting, UnreadableExtract, place_columns

STAMP = re.compile(r"\d{8}T\d{6}Z")
DATA = re.compile(r"\.(csv|tsv|jsonl|parquet)(\.gz)?$")
MANIFEST = ".manifest.json"
# How many rows are in memory at once, as text.
CHUNK_ROWS = 50_000
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DELIMITERS = (",", ";", "\t", "|")
# A field may be as long as it likes; Python's own limit is 128 KB.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, order=True)
class Extract:
    """One extract file. `extracted_at` (UTC) is part of its name, never its modification time."""

    extracted_at: datetime
    system: str
    table: str
    path: Path


@dataclass(frozen=True)
class Unreadable:
    """A row that is not even a row, or has a nested value where a text was declared. `text` is what came."""

    number: int
    column: str | None
    reason: str
    text: str


@dataclass(frozen=True)
class Chunk:
    """Some rows of an extract, all text: one column per declared column and `_row_number` (from 1)."""

    rows: pa.Table
    unreadable: list[Unreadable]

    def __len__(self) -> int:
        return self.rows.num_rows + len(self.unreadable)


@dataclass
class Reading:
    """An extract being read. Of JSON lines it is known only at the end which columns the file had."""

    path: Path
    table: Table
    drifting: Drifting
    headers: list[str] = field(default_factory=list)


def find_extracts(folder: Path, system: System) -> list[Extract]:
    """The extracts of a system, oldest first.

    Raises:
        UnreadableExtract: a file's name does not say when it was pulled, or the file lies in no table's folder.
    """
    found = []
    for path in sorted(folder.glob("*")):
        if path.is_file() and DATA.search(path.name):
            places = " or ".join(str(folder / table) for table in system.tables)
            raise UnreadableExtract(f"{path}: it lies in no table's folder, so nobody would read it; move it to {places}.")
    for table in system.tables:
        for path in sorted((folder / table).glob("*")):
            if path.name.startswith(".") or path.name.endswith(MANIFEST) or not path.is_file():
                continue
            match = STAMP.search(path.name)
            if not match:
                raise UnreadableExtract(
                    f"{path}: the name has no time of extraction; rename it to {table}_<YYYYMMDDTHHMMSSZ>{path.suffix}."
                )
            found.append(Extract(parse_stamp(match.group()), system.system, table, path))
    return sorted(found)


def read_chunks(path: Path, table: Table, drifting: Drifting | None = None) -> Iterator[Chunk]:
    """The rows of a landed file by its ending, else by its declared format.

    Raises:
        UnreadableExtract: it is truncated, of another format, or has drifted in a way that the contract stops.
    """
    readers = {"csv": csv_chunks, "jsonl": jsonl_chunks, "parquet": parquet_chunks}
    ending = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    reading = Reading(path, table, drifting or Drifting(path, table))
    try:
        for chunk in readers.get(ending, readers[table.format])(reading):
            yield replace(chunk, rows=as_written(chunk.rows, table))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableExtract(f"{path}: the file is cut off or not gzip ({error}); pull it again.") from None


# How a text in a declared format reads as every other; a text that is not in it stays as it came, for the contract to refuse.
MOMENT = "coalesce(strftime(try_strptime(trim({0}), '{1}'), '%Y-%m-%d %H:%M:%S'), {0})"
OFFSET = MOMENT.replace("%S'", "%S+00'")
FORMATS = {
    "unix": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000000), '%Y-%m-%d %H:%M:%S+00'), {0})",
    "unix_ms": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000), '%Y-%m-%d %H:%M:%S.%g+00'), {0})",
    "'0123": "regexp_replace({0}, '^\\s*''', '')",
    "1,234.56": "coalesce(nullif(regexp_replace({0}, '[^0-9.-]', '', 'g'), ''), {0})",
    "1.234,56": "coalesce(nullif(replace(regexp_replace({0}, '[^0-9,-]', '', 'g'), ',', '.'), ''), {0})",
}


DAY_NUMBER = re.compile(r"days since (\d{4}-\d{2}-\d{2})")


def read_in(format: str) -> str:
    """SQL that reads the text `{0}` in a declared format; `days since 2019-12-31` counts days, 1 being the day after."""
    if since := DAY_NUMBER.fullmatch(format):
        return f"coalesce(cast(date '{since.group(1)}' + try_cast({{0}} as integer) as varchar), {{0}})"
    return FORMATS.get(format, OFFSET if "%z" in format else MOMENT)


def as_written(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with what is written in a format of its own (`format`) as everybody writes it."""
    formats = {name: column.format for name, column in table.columns.items() if column.format}
    if not formats:
        return rows
    read = ", ".join(
        f"""{read_in(format).format(f'"{name}"', format.replace("'", "''"))} as "{name}" """ for name, format in formats.items()
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("incoming", rows)
        return connection.execute(f"select * replace ({read}) from incoming order by _row_number").to_arrow_table()


def open_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def text_lines(reading: Reading, newline: str) -> Iterator[str]:
    """The lines of a text file with their ends. Bytes that the encoding does not know survive as surrogates: one bad row does not cost the file."""
    encoding = reading.table.encoding
    with open_bytes(reading.path) as binary:
        head = binary.read(4)
        mark = next((mark for mark in MARKS if head.startswith(mark)), None)
        binary.seek(0)
        if mark:
            reading.drifting.meet("byte_order_mark", None, f"begins with a byte order mark ({MARKS[mark]})")
            if mark != codecs.BOM_UTF8:
                reading.drifting.meet("encoding", None, f"is {MARKS[mark].upper()}, declared is {encoding}")
            encoding = "utf-8-sig" if mark == codecs.BOM_UTF8 else MARKS[mark]
        last = None
        try:
            for line in io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline=newline):
                last = line
                yield line
        except UnicodeError as error:
            raise UnreadableExtract(
                f"{reading.path}: the text ends within a character ({error}); the file is cut off, pull it again."
            ) from None
    if last is not None and not last.endswith(("\n", "\r")):
        reading.drifting.unended = True


def csv_chunks(reading: Reading) -> Iterator[Chunk]:
    path, table = reading.path, reading.table
    source = Remembering(text_lines(reading, newline=""))
    head = next(source, "")
    if not head.strip():
        raise UnreadableExtract(f"{path}: the file is empty, it has not even a header; pull it again.")
    source.give_back(head)
    delimiter = delimiter_of(reading, head)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    try:
        header = next(reader)
    except csv.Error as error:
        raise UnreadableExtract(f"{path}: the header cannot be read ({error}); pull it again.") from None
    places = place_columns(reading.drifting, [name.strip() for name in header])
    columns: dict[str, list[str | None]] = {name: [] for name in table.columns}
    numbers: list[int] = []
    unreadable: list[Unreadable] = []
    number = 0
    while True:
        source.taken.clear()
        row: list[str] | None
        unreadable_because: str | None = None
        try:
            row = next(reader, None)
        except csv.Error as error:
            if source.is_spent:
                raise UnreadableExtract(f"{path}: a quoted field does not end ({error}); the file is cut off, pull it again.") from None
            row, unreadable_because = [], f"is not CSV ({error})"
        if row is None:
            break
        number += 1
        if unreadable_because is None and not row:
            continue
        text = "".join(source.taken)
        if unreadable_because is None and len(row) != len(header):
            if not text.endswith(("\n", "\r")):
                raise UnreadableExtract(
                    f"{path}: the last row has {len(row)} of {len(header)} fields and no line end; the file is cut off, pull it again."
                )
            unreadable_because = f"has {len(row)} fields, the header has {len(header)}"
        elif unreadable_because is None and not encodable(text):
            reading.drifting.meet("not_decodable", None, f"has bytes that are not {table.encoding} (row {number})")
            unreadable_because = f"is not {table.encoding.upper()}"
        if unreadable_because:
            unreadable.append(
                Unreadable(number, None, unreadable_because, text.encode("utf-8", "backslashreplace").decode().rstrip("\r\n"))
            )
        else:
            numbers.append(number)
            for name, values in columns.items():
                values.append(row[places[name]] or None if name in places else None)
        if len(numbers) + len(unreadable) >= CHUNK_ROWS:
            yield Chunk(text_table(columns, numbers), unreadable)
            columns, numbers, unreadable = {name: [] for name in columns}, [], []
    yield Chunk(text_table(columns, numbers), unreadable)


class Remembering:
    """Lines as csv.reader takes them, with those of the current row at hand."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.taken: list[str] = []
        self.given_back: list[str] = []
        self.is_spent = False

    def __iter__(self) -> "Remembering":
        return self

    def __next__(self) -> str:
        try:
            line = self.given_back.pop() if self.given_back else next(self.lines)
        except StopIteration:
            self.is_spent = True
            raise
        self.taken.append(line)
        return line

    def give_back(self, line: str) -> None:
        self.given_back.append(line)


def delimiter_of(reading: Reading, head: str) -> str:
    """The delimiter that makes most declared columns of the header; the declared one unless another makes more."""
    declared = reading.table.delimiter
    known = {name for names in reading.table.names.values() for name in names}

    def found(delimiter: str) -> int:
        return len(known & {name.strip().strip('"') for name in head.split(delimiter)})

    best = max([declared, *DELIMITERS], key=found)
    if found(best) > found(declared):
        reading.drifting.meet("delimiter", None, f"is separated by {best!r}, declared is {declared!r}")
        return best
    return declared


def encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def jsonl_chunks(reading: Reading) -> Iterator[Chunk]:
    numbers: list[int] = []
    lines: list[str] = []
    unreadable: list[Unreadable] = []
    rows = 0
    for number, line in enumerate(text_lines(reading, newline="\n"), start=1):
        if not line.strip():
            continue
        rows += 1
        if encodable(line):
            lines.append(line)
            numbers.append(number)
        else:
            reading.drifting.meet("not_decodable", None, f"has bytes that are not {reading.table.encoding} (line {number})")
            text = line.rstrip("\n").encode("utf-8", "backslashreplace").decode()
            unreadable.append(Unreadable(number, None, f"is not {reading.table.encoding.upper()}", text))
        if len(lines) + len(unreadable) >= CHUNK_ROWS:
            yield json_chunk(reading, numbers, lines, unreadable)
            numbers, lines, unreadable = [], [], []
    yield json_chunk(reading, numbers, lines, unreadable)
    # What ends with a whole object has not been cut.
    reading.drifting.unended = False
    if reading.headers:
        place_columns(reading.drifting, reading.headers, ordered=False, rows=rows)


ENGINES = threading.local()


def engine() -> duckdb.DuckDBPyConnection:
    """A thread's database of its own, in memory, for questions about texts; opening one costs more than most chunks."""
    if not hasattr(ENGINES, "engine"):
        ENGINES.engine = duckdb.connect(config={"threads": 1})
        ENGINES.engine.execute("set TimeZone = 'UTC'")
    connection: duckdb.DuckDBPyConnection = ENGINES.engine
    return connection


def json_chunk(reading: Reading, numbers: list[int], lines: list[str], unreadable: list[Unreadable]) -> Chunk:
    """Rows of JSON objects; numbers and texts as they are written, nested values as JSON."""
    table = reading.table
    incoming = pa.table({"_row_number": pa.array(numbers, pa.int64()), "line": pa.array(lines, pa.string())})

    # Every name that a column may have is looked up in one go: a line is parsed once for its values and once for their kinds.
    places: dict[str, list[int]] = {name: [] for name in table.columns}
    paths: list[str] = []
    for name, names in table.names.items():
        for one in names:
            paths.append("""'$."{}"'""".format(one.replace("'", "''")))
            places[name].append(len(paths))
    listed = ", ".join(paths)
    fields = ", ".join(f'coalesce({", ".join(f"stated[{place}]" for place in places[name])}) as "{name}"' for name in places)
    texts = [name for name, column in table.columns.items() if column.type == "text"]
    nested = " ".join(f"when kinds[{place}] in ('OBJECT', 'ARRAY') then {n}" for n, name in enumerate(texts) for place in places[name])
    with engine().cursor() as connection:
        connection.register("lines", incoming)
        connection.execute(
            f"""
            create temp table parsed as
            select *, case when is_object then json_extract_string(line, [{listed}]) end as stated,
                case when is_object then json_type(line, [{listed}]) end as kinds
            from (select *, case when json_valid(line) then json_type(line) = 'OBJECT' else false end as is_object from lines)
            """
        )
        connection.execute(f"create temp table judged as select *, case {nested or 'when false then 0'} end as nested from parsed")
        refused = connection.execute(
            "select _row_number, line, nested from judged where not is_object or nested is not null order by _row_number"
        ).fetchall()
        keys = connection.execute("select distinct unnest(json_keys(line)) from judged where is_object order by 1").fetchall()
        rows = connection.execute(
            f"select {fields}, _row_number from judged where is_object and nested is null order by _row_number"
        ).to_arrow_table()
    reading.headers += [key for (key,) in keys if key not in reading.headers]
    for number, line, place in refused:
        text = line.rstrip("\r\n")
        if place is None and not line.endswith("\n"):
            raise UnreadableExtract(f"{reading.path}: the last line is not a whole JSON object; the file is cut off, pull it again.")
        column, reason = (None, "is not a JSON object") if place is None else (texts[place], "is nested, declared is a text")
        unreadable.append(Unreadable(number, column, reason, text))
    return Chunk(rows, unreadable)


def parquet_chunks(reading: Reading) -> Iterator[Chunk]:
    path, table = reading.path, reading.table
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableExtract(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); pull it again.") from None
    with file:
        schema = file.schema_arrow
        places = place_columns(reading.drifting, schema.names)
        for name, place in places.items():
            if table.columns[name].type == "text" and pa.types.is_nested(schema.field(place).type):
                reading.drifting.meet("type_changed", name, f"column {schema.names[place]!r} is nested, declared is a text", stop=True)
        fields = ", ".join(parquet_field(schema, places.get(name), name) for name in table.columns)
        at = 0
        try:
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                numbers = pa.array(range(at + 1, at + 1 + len(batch)), pa.int64())
                with engine().cursor() as connection:
                    connection.execute("set TimeZone = 'UTC'")
                    connection.register("content", pa.Table.from_batches([batch]).append_column("_row_number", numbers))
                    rows = connection.execute(f"select {fields}, _row_number from content order by _row_number").to_arrow_table()
                at += len(batch)
                yield Chunk(rows, [])
        except (pa.ArrowInvalid, OSError) as error:
            raise UnreadableExtract(f"{path}: a part cannot be read ({str(error).splitlines()[0]}); pull it again.") from None


def parquet_field(schema: pa.Schema, place: int | None, name: str) -> str:
    if place is None:
        return f'null::varchar as "{name}"'
    source = '"{}"'.format(schema.names[place].replace('"', '""'))
    return f'to_json({source})::varchar as "{name}"' if pa.types.is_nested(schema.field(place).type) else f'{source}::varchar as "{name}"'


def text_table(columns: dict[str, list[str | None]], numbers: Iterable[int]) -> pa.Table:
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table({**arrays, "_row_number": pa.array(numbers, pa.int64())})


def stated_counts(path: Path) -> dict[str, Any] | None:
    """What the source itself says of an extract, in a file beside it: {"rows": 1234, "sums": {"total": "99.50"}}; None where it says nothing.

    Raises:
        UnreadableExtract: the file is no such statement.
    """
    beside = path.with_name(path.name + MANIFEST)
    if not beside.is_file():
        return None
    try:
        counts = json.loads(beside.read_text())
        return {"rows": int(counts["rows"]), "sums": {name: f"{Decimal(str(value)):f}" for name, value in counts.get("sums", {}).items()}}
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        raise UnreadableExtract(
            f'{beside}: not a count of rows ({{"rows": 1234, "sums": {{"total": "99.50"}}}}); pull the extract again.'
        ) from None
