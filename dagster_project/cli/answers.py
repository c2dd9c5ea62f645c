"""Rows for the terminal: a table where it fits, one value a line where it does not, and CSV or JSON lines for other programs."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from rich.markup import escape
from rich.table import Table

from dagster_project.cli.common import console

# More rows than these nobody reads in a terminal, nor a column narrower than that.
MOST_ROWS, NARROWEST = 100, 10


class Answer(StrEnum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


def show_rows(names: Sequence[str], rows: Sequence[Sequence[Any]], answer: Answer) -> None:
    """Write rows to the terminal, or all of them to standard output as CSV with a header or as JSON lines."""
    if answer is Answer.csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *rows])
    elif answer is Answer.json:
        for row in rows:
            print(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False))
    else:
        shown = rows[:MOST_ROWS]
        if console.width // max(len(names), 1) >= NARROWEST:
            as_table(names, shown)
        else:
            as_lines(names, shown)
        if len(rows) > len(shown):
            console.print(f"… and {len(rows) - len(shown)} rows more: --format csv or json writes all.", highlight=False)


def as_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(*(escape(name) for name in names))
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(escape(plain(value)) for value in row))
    console.print(table)


def as_lines(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Each row as lines of name and value, without those that say nothing."""
    wide = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        console.print(f"[bold]row {number}[/]", highlight=False)
        for name, value in zip(names, row, strict=True):
            if value is not None:
                console.print(f"{name:>{wide}}  {plain(value)}", highlight=False, markup=False, soft_wrap=True)


def plain(value: Any) -> str:
    return "" if value is None else str(value)
