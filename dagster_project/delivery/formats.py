"""Tables as the files that tools read. Same rows, same bytes."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def text_of(value: Any) -> str:
    """A cell: ISO 8601 UTC, true / false, a point for decimals, lists joined by `;`, nothing for no value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list | tuple):
        return ";".join(text_of(item) for item in value)
    return str(value)


def json_of(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return text_of(value)
    if isinstance(value, Decimal):
        return float(value)
    return value


class Lines(list[bytes]):
    """What a csv.writer writes to: a line each."""

    def write(self, line: str) -> None:
        self.append(line.encode())


def csv_lines(table: pa.Table) -> tuple[bytes, list[bytes]]:
    """RFC 4180 with LF, UTF-8 without BOM, header always; a line break within a cell becomes a blank (many importers read lines)."""
    return separated(table, "\n", b"")


def spreadsheet_lines(table: pa.Table) -> tuple[bytes, list[bytes]]:
    """As `csv_lines`, with the BOM and the CRLF by which spreadsheet programs know UTF-8 and lines."""
    return separated(table, "\r\n", b"\xef\xbb\xbf")


def separated(table: pa.Table, end: str, mark: bytes) -> tuple[bytes, list[bytes]]:
    lines = Lines()
    writer = csv.writer(lines, lineterminator=end)
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([" ".join(text_of(value).splitlines()) for value in row.values()])
    return mark + lines[0], lines[1:]


def jsonl_lines(table: pa.Table) -> tuple[bytes, list[bytes]]:
    """One JSON object a line, keys in the table's order."""
    rows = ({key: json_of(value) for key, value in row.items()} for row in table.to_pylist())
    return b"", [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows]


def from_csv(content: bytes) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def from_jsonl(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


@dataclass(frozen=True)
class Format:
    """A file format of lines: how a table becomes a head and a line per row, and how a file becomes rows again."""

    extension: str
    lines: Callable[[pa.Table], tuple[bytes, list[bytes]]]
    read: Callable[[bytes], list[dict[str, Any]]]


FORMATS = {
    "csv": Format("csv", csv_lines, from_csv),
    "spreadsheet": Format("csv", spreadsheet_lines, from_csv),
    "jsonl": Format("jsonl", jsonl_lines, from_jsonl),
}


@dataclass(frozen=True)
class Part:
    """One file's content and how many rows it holds."""

    rows: int
    content: bytes

    def zipped(self) -> "Part":
        """The same, compressed; without a time, so that the same content is the same bytes."""
        return Part(self.rows, gzip.compress(self.content, mtime=0))


def parts_of(table: pa.Table, form: Format, max_rows: int | None = None, max_bytes: int | None = None) -> list[Part]:
    """The table as files no longer than a tool takes, each with the head; one without rows where there are none."""
    head, lines = form.lines(table)
    parts: list[Part] = []
    taken: list[bytes] = []
    size = len(head)
    for line in lines:
        if taken and (len(taken) == max_rows or (max_bytes is not None and size + len(line) > max_bytes)):
            parts.append(Part(len(taken), head + b"".join(taken)))
            taken, size = [], len(head)
        taken.append(line)
        size += len(line)
    return [*parts, Part(len(taken), head + b"".join(taken))]


def to_parquet(tables: Iterable[pa.Table]) -> bytes:
    """One file of all rows; `tables`, at least one, are of one schema and may be made as they are written."""
    buffer = io.BytesIO()
    waiting = iter(tables)
    first = next(waiting)
    with pq.ParquetWriter(buffer, first.schema, compression="zstd") as file:
        for table in chain([first], waiting):
            file.write_table(table, row_group_size=2048)
    return buffer.getvalue()
