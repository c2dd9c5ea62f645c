"""What reading an extract gives: rows as text, and what is not a row."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dagster_project.sources.contract import Table
from dagster_project.sources.drift import Drifting

# How many rows are in memory at once, as text.
CHUNK_ROWS = 50_000


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


def text_table(columns: dict[str, list[str | None]], numbers: Iterable[int]) -> pa.Table:
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return pa.table({**arrays, "_row_number": pa.array(numbers, pa.int64())})
