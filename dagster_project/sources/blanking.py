"""An extract file without some of its rows' content: the rows stay as blank ones, so that every other keeps its number.

Of a sale the columns that are no personal data stay (`Table.stays`), and those alone: what the contract does not declare goes too.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.sources.contract import Table
from dagster_project.sources.drift import Drifting
from dagster_project.sources.reading import format_of
from dagster_project.sources.reading.chunks import Reading
from dagster_project.sources.reading.csv_files import Remembering, delimiter_of
from dagster_project.sources.reading.text_lines import MARKS, open_bytes, text_lines

# 10.50 is to stay 10.50: numbers pass through Python as marked texts.
AS_WRITTEN = "\0{}\0".format


# A value of a row without whom it names: the same, less, or None.
Without = Callable[[Any], Any]


def as_it_is(value: Any) -> Any:
    return value


def write_blanked(source: Path, target: Path, table: Table, rows: dict[int, bool | None], without: Without = as_it_is) -> None:
    """Write `source` to `target` with the rows of these numbers blank; of those with True what may stay does, and all of
    those with None, which are another's. Every value that is left is what `without` makes of it; a row that then lacks what its table requires is blank."""
    form = format_of(source, table)
    if form == "parquet":
        blank_parquet(source, target, table, rows, without)
        return
    reading = Reading(source, table, Drifting(source, table))
    lines = jsonl_lines(reading, rows, without) if form == "jsonl" else csv_lines(reading, rows, without)
    with open_bytes(source) as file:
        head = file.read(4)
    mark = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    encoding = "utf-8-sig" if mark == "utf-8" else mark or table.encoding
    with target.open("wb") as raw:
        packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=1) if source.suffix == ".gz" else raw
        text = io.TextIOWrapper(packed, encoding=encoding, errors="surrogateescape", newline="")
        text.writelines(lines)
        text.flush()
        text.detach()
        if packed is not raw:
            packed.close()


def jsonl_lines(reading: Reading, rows: dict[int, bool | None], without: Without) -> Iterator[str]:
    for number, line in enumerate(text_lines(reading, newline="\n"), start=1):
        if number in rows or without(line) != line:
            yield remaining(line, reading.table, rows.get(number), without) + "\n"
        else:
            yield line


def remaining(line: str, table: Table, stays: bool | None, without: Without) -> str:
    try:
        row = read_json(line)
    except ValueError:
        return "{}"
    # The names stay: a column that no other row has would be missed.
    blank = left(row, table, stays, without) if isinstance(row, dict) else {}
    return json_text(blank)


def read_json(text: str) -> Any:
    return json.loads(text, parse_float=AS_WRITTEN, parse_int=AS_WRITTEN)


def json_text(value: Any, separators: tuple[str, str] | None = None) -> str:
    return re.sub(r'"\\u0000([^"\\]*)\\u0000"', r"\1", json.dumps(value, ensure_ascii=False, separators=separators))


def without(value: Any, names: Callable[[str], bool]) -> Any:
    """A value without what names a person: items of JSON go, a text goes whole."""
    if isinstance(value, list | dict):
        return pruned(value, names)
    if not isinstance(value, str) or not names(value):
        return value
    try:
        said = read_json(value)
    except ValueError:
        return None
    # As a raw table has it.
    less = json_text(pruned(said, names), (",", ":")) if isinstance(said, list | dict) else value
    return None if names(less) else less


def pruned(value: Any, names: Callable[[str], bool]) -> Any:
    """JSON without the items that name a person."""
    if isinstance(value, list):
        return [pruned(item, names) for item in value if not names(as_text({"": item}))]
    if isinstance(value, dict):
        return {key: pruned(item, names) for key, item in value.items() if not names(key) and not (isinstance(item, str) and names(item))}
    return value


def as_text(row: dict[str, object]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def left(row: dict[str, Any], table: Table, stays: bool | None, without: Without) -> dict[str, Any]:
    """What is left of a row: of one of theirs what may stay, if anything does; of another (None) all but what `without` takes."""
    keep = row.keys() if stays is None else kept_headers(table) if stays else set()
    said = {name: without(value) if name in keep else None for name, value in row.items()}
    needed = {header for name in table.needed for header in table.names[name]}
    lost = {name for name in needed & row.keys() & keep if said[name] in (None, "") and row[name] not in (None, "")}
    return dict.fromkeys(row) if lost else said


def csv_lines(reading: Reading, rows: dict[int, bool | None], without: Without) -> Iterator[str]:
    source = Remembering(text_lines(reading, newline=""))
    head = next(source, "")
    source.give_back(head)
    delimiter = delimiter_of(reading, head)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    header: list[str] = []
    for number, (row, text) in enumerate(csv_records(reader, source)):
        header = header or [name.strip() for name in row]
        if number == 0 or (number not in rows and without(text) == text):
            yield text
            continue
        cells = left(dict(zip(header, row, strict=False)), reading.table, rows.get(number), without)
        if number not in rows and len(row) != len(header):
            # It cannot be read: nobody knows which of it is what.
            cells = {}
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow([cells.get(name, "") for name in header])
        yield line.getvalue()


def csv_records(reader: Iterator[list[str]], source: Remembering) -> Iterator[tuple[list[str], str]]:
    """Cells and text of each record, the header first, numbered as `csv_files.csv_rows` does."""
    while True:
        source.taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = []
        yield row, "".join(source.taken)


def kept_headers(table: Table) -> set[str]:
    return {header for name in table.stays for header in table.names[name]}


def blank_parquet(source: Path, target: Path, table: Table, rows: dict[int, bool | None], without: Without) -> None:
    keep = kept_headers(table)
    said = pq.read_table(source)
    places = range(said.num_rows)
    emptied = pa.array([None if rows.get(place + 1) is not None else place for place in places], pa.int64())
    blank = pa.array([None if rows.get(place + 1) is False else place for place in places], pa.int64())
    columns = [said[name].take(blank if name in keep else emptied) for name in said.column_names]
    schema = pa.schema([field.with_nullable(True) for field in said.schema], metadata=said.schema.metadata)
    said = pa.table(columns, schema=schema)
    if without is not as_it_is:
        said = pa.Table.from_pylist([left(row, table, None, without) for row in said.to_pylist()], schema)
    pq.write_table(said, target)
