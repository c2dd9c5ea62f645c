"""Tables as the files that tools read. Same rows, same bytes."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
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


def to_csv(table: pa.Table) -> bytes:
    """RFC 4180 with LF, UTF-8 without BOM, header always; a line break within a cell becomes a blank (many importers read lines)."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow([" ".join(text_of(value).splitlines()) for value in row.values()])
    return buffer.getvalue().encode()


def to_jsonl(table: pa.Table) -> bytes:
    """One JSON object a line, keys in the table's order."""
    lines = (
        json.dumps({key: json_of(value) for key, value in row.items()}, ensure_ascii=False, separators=(",", ":")) for row in table.to_pylist()
    )
    return "".join(line + "\n" for line in lines).encode()


def to_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=2048)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {"csv": to_csv, "jsonl": to_jsonl, "parquet": to_parquet}


def from_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def from_jsonl(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {"csv": from_csv, "jsonl": from_jsonl}
