"""Rows of extracts with the contract's verdict, in temporary tables of the store's connection: however large an extract, a chunk is in memory.

stated_rows      extract, columns as text, _row_number, _broken (the first rule that costs the row, as its place)
broken_rows      extract, row_number, place, value, spot (where in a JSON value): every rule that a row broke, warnings too
unreadable_rows  extract, row_number, column_name, reason, text
"""

from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.shop import Shop
from dagster_project.sources.contract import System, Table
from dagster_project.sources.drift import Drifting, UnreadableExtract
from dagster_project.sources.erased import without_blanks
from dagster_project.sources.extracts import Extract, stated_counts
from dagster_project.sources.judged import Judged
from dagster_project.sources.reading import read_chunks
from dagster_project.sources.reading.chunks import CHUNK_ROWS, Chunk
from dagster_project.sources.rules import Rule, rules_of
from dagster_project.warehouse import Warehouse

if TYPE_CHECKING:
    from dagster_project.sources.suites import Judge


class Judging:
    """Judges extracts of one table together. With `erases` rows that say nothing are those of erased persons."""

    def __init__(self, warehouse: Warehouse, shop: Shop, system: System, name: str, erases: bool = False) -> None:
        self.warehouse = warehouse
        self.system, self.name, self.erases = system, name, erases
        self.table: Table = system.tables[name]
        self.rules = rules_of(self.table, [shop.currency, *shop.fx_rates], shop.country)
        self.rows = 0
        self.taken: list[Judged] = []
        self.filled: Counter[str] = Counter()
        self.pool: list[tuple[int, pa.Table]] = []
        self.marked: frozenset[int] = frozenset()
        columns = ", ".join(f'"{column}" varchar' for column in self.table.columns)
        with warehouse.connect() as connection:
            connection.execute(
                f"create or replace temp table stated_rows ({columns}, _row_number bigint, _extract integer, _broken integer)"
            )
            connection.execute(
                "create or replace temp table broken_rows (extract integer, row_number bigint, place integer, value varchar, spot varchar)"
            )
            connection.execute(
                "create or replace temp table unreadable_rows (extract integer, row_number bigint, column_name varchar, reason varchar, text varchar)"
            )

    @cached_property
    def judge(self) -> "Judge":
        # Great Expectations takes seconds to import: only who has rows to judge waits for it.
        from dagster_project.sources.suites import Judge

        return Judge(f"{self.system.system}.{self.name}", self.rules, list(self.table.columns))

    def take(self, extract: Extract, content: str, landed: Path, drifting: Drifting) -> None:
        """Read an extract and judge its rows.

        Raises:
            UnreadableExtract: it cannot be read, or is stopped by its contract; nothing of it stays.
        """
        place, rows, erased = len(self.taken), 0, 0
        counts = stated_counts(extract.path)
        filled: Counter[str] = Counter()
        try:
            for chunk in read_chunks(landed, self.table, drifting):
                rows += len(chunk)
                if self.erases:
                    chunk, blank = without_blanks(chunk)
                    erased += blank
                chunk = replace(chunk, rows=self.dated(chunk.rows, extract))
                filled.update({name: chunk.rows.num_rows - chunk.rows[name].null_count for name in self.table.columns})
                self.add(place, chunk)
        except ValueError as error:
            self.pool = [(one, stated) for one, stated in self.pool if one != place]
            with self.warehouse.connect() as connection:
                for table, column in (("stated_rows", "_extract"), ("broken_rows", "extract"), ("unreadable_rows", "extract")):
                    connection.execute(f"delete from {table} where {column} = ?", [place])
            # The landed copy is what was read; the file that somebody can mend is the extract.
            if isinstance(error, UnreadableExtract):
                raise UnreadableExtract(str(error).replace(str(landed), str(extract.path))) from None
            raise
        self.rows += rows
        self.filled.update(filled)
        self.taken.append(Judged(extract, content, landed, place, rows, drifting, counts, self, erased))

    def dated(self, rows: pa.Table, extract: Extract) -> pa.Table:
        """The rows with the extract's moment where they may leave theirs out (`or_extracted`)."""
        for name, column in self.table.columns.items():
            if column.or_extracted:
                place = rows.column_names.index(name)
                rows = rows.set_column(place, name, pc.fill_null(rows[name], f"{extract.extracted_at.isoformat()}Z"))
        return rows

    def add(self, place: int, chunk: Chunk) -> None:
        self.pool.append((place, chunk.rows))
        if chunk.unreadable:
            with self.warehouse.connect() as connection:
                columns = list(zip(*[(one.number, one.column, one.reason, one.text) for one in chunk.unreadable], strict=True))
                kinds = (pa.int64(), pa.string(), pa.string(), pa.string())
                arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
                connection.register("incoming", pa.table(arrays, names=["row_number", "column_name", "reason", "text"]))
                connection.execute("insert into unreadable_rows select ?, * from incoming", [place])
                connection.unregister("incoming")
        if sum(len(stated) for _, stated in self.pool) >= CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Judge the rows that wait in the pool, whichever extracts they are of: rules look at rows."""
        parts = [
            stated.append_column("_extract", pa.array([place] * len(stated), pa.int32())) for place, stated in self.pool if len(stated)
        ]
        self.pool = []
        if not parts:
            return
        rows = pa.concat_tables(parts)
        found = self.judge.broken(rows.select(list(self.table.columns)))
        self.store(rows, found)

    def store(self, rows: pa.Table, found: list[tuple[int, int]]) -> None:
        first: dict[int, int] = {}
        for position, place in found:
            if not self.rules[place].warns:
                first.setdefault(position, place)
        broken = pa.array([first.get(position) for position in range(len(rows))], pa.int32()) if first else pa.nulls(len(rows), pa.int32())
        positions = pa.array([position for position, _ in found], pa.int64())
        values: list[str | None] = [None] * len(found)
        for column in {self.rules[place].column for _, place in found}:
            mine = [n for n, (_, place) in enumerate(found) if self.rules[place].column == column]
            for n, value in zip(mine, pc.take(rows[column], positions.take(pa.array(mine))).to_pylist(), strict=True):
                values[n] = value
        spots = [self.spot(self.rules[place], value) for (_, place), value in zip(found, values, strict=True)]
        details = pa.table(
            {
                "extract": pc.take(rows["_extract"], positions),
                "row_number": pc.take(rows["_row_number"], positions),
                "place": pa.array([place for _, place in found], pa.int32()),
                "value": pa.array(values, pa.string()),
                "spot": pa.array(spots, pa.string()),
            }
        )
        with self.warehouse.connect() as connection:
            connection.register("incoming", rows.append_column("_broken", broken))
            connection.execute("insert into stated_rows by name select * from incoming")
            connection.register("incoming", details)
            connection.execute("insert into broken_rows by name select * from incoming")
            connection.unregister("incoming")

    @staticmethod
    def spot(rule: Rule, value: str | None) -> str | None:
        """Where in a JSON value its schema is broken; other rules speak of the whole value."""
        if rule.kind != "schema" or value is None:
            return None
        from dagster_project.sources.suites import departure

        return departure(rule.argument, value)

    def done(self) -> list[Judged]:
        """Everything taken, judged."""
        self.flush()
        for place, rule in enumerate(self.rules):
            if rule.kind == "unique":
                for judged in self.taken:
                    self.judge_unique(judged, place, rule)
        marked = self.warehouse.rows("select extract from broken_rows union select extract from unreadable_rows")
        self.marked = frozenset(extract for (extract,) in marked)
        return self.taken

    def judge_unique(self, judged: Judged, place: int, rule: Rule) -> None:
        """Refuse the rows of an extract that share what no two different rows may share."""
        named = ", ".join(f'"{column}"' for column in rule.argument)
        columns = ", ".join(f'"{column}"' for column in self.table.columns)
        with self.warehouse.connect() as connection:
            # The same row twice is a duplicate, no contradiction.
            stated = connection.execute(
                f"""
                select {named}, min(_row_number) as _row_number, list(_row_number) as numbers
                from stated_rows where _extract = ? and _broken is null group by {columns} order by _row_number
                """,
                [judged.place],
            ).to_arrow_table()
            numbers = [number for position in self.judge.repeated(stated, rule) for number in stated["numbers"][position].as_py()]
            if numbers:
                connection.execute(
                    f"""
                    insert into broken_rows
                    select _extract, _row_number, {place}, "{rule.column}", null from stated_rows where _extract = ? and list_contains(?, _row_number)
                    """,
                    [judged.place, numbers],
                )
                connection.execute(
                    f"update stated_rows set _broken = {place} where _extract = ? and list_contains(?, _row_number)",
                    [judged.place, numbers],
                )
