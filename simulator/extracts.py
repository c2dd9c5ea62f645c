"""How the vendors' extracts reach the shop: one history file per table, then a file a day with what changed.

Real pulls are not clean, and neither are these: some rows come a day late, some files come twice under another name,
some rows come again, and about one row in a thousand is broken. Every such incident is noted for the truth.
"""

import csv
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.clock import Clock, stream
from simulator.dirt import Break, Row

LATE_SHARE = 0.012
BROKEN_SHARE = 0.001
OVERLAP_ROWS = 3
CHUNK = 20_000
# Whole row groups at a time.
ROW_GROUP = 100_000
ARROW_CHUNK = 5 * ROW_GROUP
# Table and the number of the pull whose file arrives a second time under a later name.
REPEATED = {
    ("shopify", "orders"): 3,
    ("klaviyo", "events"): 6,
    ("ga4", "events"): 5,
    ("consent", "receipts"): 2,
    ("hubspot", "contacts"): 4,
}


@dataclass(frozen=True)
class Table:
    """A table of a source system. `quiet` ones write no file on a day without rows, the others an empty one.

    `columns` are the CSV header (empty for JSONL); `breaks` the ways its rows break; `late` whether rows may come late.
    """

    system: str
    name: str
    format: str
    columns: tuple[str, ...] = ()
    breaks: tuple[Break, ...] = ()
    quiet: bool = False
    late: bool = True
    quote_all: bool = False
    up_to_pull: bool = False


@dataclass
class Extracts:
    """Writes tables under `root/<system>/<table>/` and gathers the incidents."""

    root: Path
    clock: Clock
    seed: int
    incidents: list[Row] = field(default_factory=list)

    def path(self, table: Table, pull: int, minutes_later: int = 0) -> Path:
        """The file of a pull: `<table>_<extracted_at>.<format>`."""
        moment = datetime.fromtimestamp(self.clock.pulls[pull].extracted_at + 60 * minutes_later, UTC)
        folder = self.root / table.system / table.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{table.name}_{moment:%Y%m%dT%H%M%SZ}.{table.format}"

    def pulls_of(self, table: Table, changed_at: np.ndarray) -> np.ndarray:
        """The pull that brings each change, a day late for some of the daily ones; `len(pulls)` when none does."""
        pull = self.clock.pull_of(changed_at, table.up_to_pull)
        if not table.late:
            return pull
        late = (pull >= 1) & (stream(self.seed, f"late {table.system} {table.name}").random(len(pull)) < LATE_SHARE)
        return pull + late

    def put(self, table: Table, item: np.ndarray, changed_at: np.ndarray, render: Callable[[np.ndarray, int], Iterable[Row]]) -> None:
        """Writes a table from its changes: `item` changed at `changed_at`.

        `render(items, cutoff)` gives each item's row as it stood at `cutoff` (seconds). A pull shows an item once, with
        everything that happened to it until then.
        """
        pull = self.pulls_of(table, changed_at)
        on_time = self.clock.pull_of(changed_at, table.up_to_pull)
        rng = stream(self.seed, f"breaks {table.system} {table.name}")
        sure = 1 + int(rng.integers(len(self.clock.pulls) - 1))
        carried: list[Row] = []
        for number, about in enumerate(self.clock.pulls):
            rows = np.flatnonzero(pull == number)
            order = rows[np.lexsort((item[rows], changed_at[rows]))]
            # Each item where it last changed within the pull.
            _, last = np.unique(item[order][::-1], return_index=True)
            order = order[np.sort(len(order) - 1 - last)]
            if table.quiet and number > 0 and not len(order):
                continue
            cutoff = about.extracted_at if table.up_to_pull else about.until
            overlapping = carried if number > 0 and (number + len(table.name)) % 5 == 0 else []
            spoiled = rng.random(len(order)) < BROKEN_SHARE
            # Every way to break shows in a long history, and one of them on some later day.
            surely = len(table.breaks) if number == 0 and len(order) >= 100 else int(number == sure)
            if len(order):
                spoiled[rng.integers(0, len(order), surely)] = True
            file = _Rows(self, table, number, overlapping)
            for begin in range(0, len(order), CHUNK):
                chunk = order[begin : begin + CHUNK]
                for place, row in enumerate(render(item[chunk], cutoff), start=begin):
                    file.add(row, late=bool(on_time[order[place]] < number), spoil=bool(spoiled[place]))
            carried = file.close() or carried
            self._repeat(table, number)

    def put_arrow(self, table: Table, render: Callable[[np.ndarray], pa.Table], pull: np.ndarray) -> None:
        """Writes a table as Parquet, each row to the pull with its number; `render(places)` gives the rows of some places, so many at a time that
        memory does not grow with the shop.
        """
        for number in range(len(self.clock.pulls)):
            places = np.flatnonzero(pull == number)
            first = render(places[:ARROW_CHUNK])
            with pq.ParquetWriter(self.path(table, number), first.schema, compression="zstd") as file:
                file.write_table(first, row_group_size=ROW_GROUP)
                for begin in range(ARROW_CHUNK, len(places), ARROW_CHUNK):
                    file.write_table(render(places[begin : begin + ARROW_CHUNK]), row_group_size=ROW_GROUP)
            self._repeat(table, number)

    def note(self, kind: str, table: Table, pull: int, row_number: int | None, column: str | None = None) -> None:
        """Notes an incident: `row_number` counts a file's data rows from 1."""
        self.incidents.append(
            {
                "kind": kind,
                "system": table.system,
                "table": table.name,
                "file": self.path(table, pull).name,
                "row_number": row_number,
                "column": column,
            }
        )

    def _repeat(self, table: Table, pull: int) -> None:
        if REPEATED.get((table.system, table.name)) == pull:
            again = self.path(table, pull, minutes_later=30)
            shutil.copyfile(self.path(table, pull), again)
            self.incidents.append(
                {
                    "kind": "repeated file",
                    "system": table.system,
                    "table": table.name,
                    "file": again.name,
                    "row_number": None,
                    "column": None,
                }
            )


class _Rows:
    """One open file of a table."""

    def __init__(self, extracts: Extracts, table: Table, pull: int, overlapping: list[Row]) -> None:
        self.extracts, self.table, self.pull = extracts, table, pull
        self.count, self.broken = 0, 0
        self.tail: list[Row] = []
        self.handle: IO[str] = extracts.path(table, pull).open("w", encoding="utf-8", newline="")
        if table.format == "csv":
            self.writer = csv.DictWriter(
                self.handle,
                table.columns,
                lineterminator="\n",
                quoting=csv.QUOTE_ALL if table.quote_all else csv.QUOTE_MINIMAL,
            )
            self.writer.writeheader()
        for row in overlapping:
            self._write(row)
            extracts.note("overlapping row", table, pull, self.count)

    def add(self, row: Row, late: bool, spoil: bool) -> None:
        self._write(row)
        self.tail = [*self.tail[1 - OVERLAP_ROWS :], row]
        if late:
            self.extracts.note("late row", self.table, self.pull, self.count)
        if spoil and self.table.breaks:
            how = self.table.breaks[(self.pull + self.broken) % len(self.table.breaks)]
            self.broken += 1
            self._write(how.spoil(row))
            self.extracts.note(how.kind, self.table, self.pull, self.count, how.column)

    def close(self) -> list[Row]:
        self.handle.close()
        return self.tail

    def _write(self, row: Row) -> None:
        self.count += 1
        if self.table.format == "csv":
            self.writer.writerow(row)
        else:
            self.handle.write(orjson.dumps(row).decode() + "\n")
