"""An extract file without some of its rows' content: the rows stay as blank ones, so that every other keeps its number.

Of a sale the columns that are no personal data stay (`Table.stays`), and those alone: what the contract does not declare goes too.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.sources.contract import Table
from dagster_project.sources.drift import Drifting
from dagster_project.sources.reading.chunks import Reading
from dagster_project.sources.reading.csv_files import Remembering, delimiter_of
from dagster_project.sources.reading.text_lines import MARKS, open_bytes, text_lines

# 10.50 is to stay 10.50: numbers pass through Python as marked texts.
AS_WRITTEN = "\0{}\0".format


def write_blanked(source: Path, target: Path, table: Table, rows: dict[int, bool]) -> None:
    """Write `source` to `target` with the rows of these numbers blank; of those with True what may stay does."""
    ending = source.name.removesuffix(".gz").rsplit(".", 1)[-1]
    form = ending if ending in ("jsonl", "parquet") else table.format if ending not in ("csv", "tsv") else "csv"
    if form == "parquet":
        blank_parquet(source, target, table, rows)
        return
    reading = Reading(source, table, Drifting(source, table))
    lines = jsonl_lines(reading, rows) if form == "jsonl" else csv_lines(reading, rows)
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


def jsonl_lines(reading: Reading, rows: dict[int, bool]) -> Iterator[str]:
    keep = kept_headers(reading.table)
    for number, line in enumerate(text_lines(reading, newline="\n"), start=1):
        yield line if number not in rows else remaining(line, keep if rows[number] else set()) + "\n"


def remaining(line: str, keep: set[str]) -> str:
    try:
        row = json.loads(line, parse_float=AS_WRITTEN, parse_int=AS_WRITTEN)
    except ValueError:
        return "{}"
    # The names stay: a column that no other row has would be missed.
    blank = {name: value if name in keep else None for name, value in row.items()} if isinstance(row, dict) else {}
    return re.sub(r'"\\u0000([^"\\]*)\\u0000"', r"\1", json.dumps(blank, ensure_ascii=False))


def csv_lines(reading: Reading, rows: dict[int, bool]) -> Iterator[str]:
    keep = kept_headers(reading.table)
    source = Remembering(text_lines(reading, newline=""))
    head = next(source, "")
    source.give_back(head)
    delimiter = delimiter_of(reading, head)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    header: list[str] = []
    for number, (row, text) in enumerate(csv_records(reader, source)):
        header = header or [name.strip() for name in row]
        if number not in rows:
            yield text
            continue
        cells = dict(zip(header, row, strict=False)) if rows[number] else {}
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(
            [cells.get(name, "") if name in keep else "" for name in header]
        )
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


def blank_parquet(source: Path, target: Path, table: Table, rows: dict[int, bool]) -> None:
    keep = kept_headers(table)
    said = pq.read_table(source)
    places = range(said.num_rows)
    emptied = pa.array([None if place + 1 in rows else place for place in places], pa.int64())
    blank = pa.array([None if rows.get(place + 1) is False else place for place in places], pa.int64())
    columns = [said[name].take(blank if name in keep else emptied) for name in said.column_names]
    schema = pa.schema([field.with_nullable(True) for field in said.schema], metadata=said.schema.metadata)
    pq.write_table(pa.table(columns, schema=schema), target)
