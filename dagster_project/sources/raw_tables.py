"""Raw tables: every column a text, as it came, with the batch that brought the row; a row that says nothing new is not in it again."""

from datetime import datetime

import duckdb

from dagster_project.sources.contract import STAMPS, System, Table, row_hash
from dagster_project.sources.judged import Judged
from dagster_project.warehouse import Warehouse

# Rows of an extract that are put in order at once.
SORTED_AT_ONCE = 500_000


class RawTable:
    """One table of `sources`, called `name`."""

    def __init__(self, warehouse: Warehouse, system: System, table: str) -> None:
        self.warehouse = warehouse
        self.table: Table = system.tables[table]
        self.name = f"sources.{system.system}__{table}"

    def create(self, connection: duckdb.DuckDBPyConnection) -> None:
        texts = ", ".join(f'"{name}" varchar' for name in self.table.columns)
        stamps = ", ".join(f"{name} {kind}" for name, kind in STAMPS.items())
        connection.execute(f"create table if not exists {self.name} ({texts}, {stamps})")

    def complete(self) -> None:
        """Add the columns that the contract has gained since the table was made: what was known before says nothing in them."""
        if self.warehouse.exists(self.name):
            added = (f'alter table {self.name} add column if not exists "{name}" varchar' for name in self.table.columns)
            with self.warehouse.transaction() as connection:
                connection.execute("; ".join(added))

    def filled(self) -> set[str]:
        """The optional columns that any row has a value in, however long ago: a mark that one customer has is on one row of many."""
        optional = [name for name, column in self.table.columns.items() if not column.required and not column.sparse]
        if not optional or not self.warehouse.exists(self.name):
            return set()
        flags = ", ".join(f'exists (select 1 from {self.name} where "{name}" is not null)' for name in optional)
        (found,) = self.warehouse.rows(f"select {flags}")
        return {name for name, is_filled in zip(optional, found, strict=True) if is_filled}

    def choose_fresh(self, connection: duckdb.DuckDBPyConnection, judged: Judged, later: str | None) -> None:
        """The good rows' hashes and keys (`good`), and those that say something new (`fresh`); `later` is what a later extract has said already.

        Rows stay where they are: copies of whole rows cost more than everything that is asked about them.
        """
        hashed = row_hash(f'"{name}"' for name in self.table.columns)
        kept = ", ".join(f'"{name}"' for name in self.table.versioned_by)
        connection.execute(
            f"create or replace temp table good as select {kept}, _row_number, {hashed} as _row_hash from ({judged.good_rows()})"
        )
        connection.execute(
            f"""
            create or replace temp table fresh as
            select _row_number, _row_hash from good
            where not ({self.unchanged(connection)}) {f"and not ({later})" if later else ""}
                and _row_number in (select min(_row_number) from good group by _row_hash)
            """
        )

    def unchanged(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The newest word on the row's key, and cursor where there is one, says the same: a row that was deleted and is back as it was is news."""
        names = self.table.versioned_by
        key = ", ".join(f'"{name}"' for name in names)
        same_key = " and ".join(f'held."{name}" is not distinct from good."{name}"' for name in names)
        # Only the keys that have come: a small extract must not sort all that is held.
        held = f"select * from {self.name} as held where exists (select 1 from good where {same_key}) {self.near(connection)}"
        # An extract that says two things of one cursor is not news again when it repeats both.
        place = (
            "rank() over (partition by {} order by _known_at desc)"
            if self.table.cursor
            else ("row_number() over (partition by {} order by _known_at desc, _row_number desc)")
        )
        return f"_row_hash in (select _row_hash from ({held}) qualify {place.format(key)} = 1)"

    def near(self, connection: duckdb.DuckDBPyConnection) -> str:
        """A condition on the rows held that all fulfil whose cursor has come again. As two constants: the engine passes over what lies before them,
        and a day reads a day of a long history."""
        cursor = self.table.cursor
        if not cursor:
            return ""
        bounds = f'select min("{cursor}"), max("{cursor}"), count(*) = count("{cursor}") from good'
        ((least, most, is_always),) = connection.execute(bounds).fetchall()
        if not is_always or least is None:
            return ""
        # Text may hold anything, also what SQL cannot quote.
        low, high = (f"decode(unhex('{value.encode().hex()}'))" for value in (least, most))
        return f'and held."{cursor}" between {low} and {high}'

    def insert_fresh(
        self, connection: duckdb.DuckDBPyConnection, judged: Judged, batch_id: str, known_at: datetime, is_history: bool
    ) -> None:
        columns = ", ".join(f'"{name}"' for name in self.table.columns)
        # A file that is there again, mended, is known from the same moment and has the same rows: numbered on, they are the newer ones.
        numbered = f"(select coalesce(max(_row_number), 0) from {self.name} where _known_at = ?)"
        ((before, last),) = connection.execute(f"select {numbered}, (select max(_row_number) from fresh)", [known_at]).fetchall()
        if last is None:
            return
        # So many at once: a sort holds whole rows.
        for first in range(0, last + 1, SORTED_AT_ONCE):
            connection.execute(
                f"""
                insert into {self.name} ({", ".join([columns, *STAMPS])})
                select {columns}, ?, _row_number + ?, _row_hash, ?, ?
                from ({judged.good_rows()}) inner join fresh using (_row_number)
                where _row_number between ? and ?
                order by _row_number
                """,
                [batch_id, before, known_at, is_history, first, first + SORTED_AT_ONCE - 1],
            )

    def count(self, connection: duckdb.DuckDBPyConnection, batch_id: str) -> tuple[int, int, int]:
        """Rows of a batch loaded, duplicate, quarantined; counted where they lie now, not where they came from: that is what the invariant is about."""
        ((loaded, duplicate, quarantined),) = connection.execute(
            f"""
            select (select count(*) from {self.name} where _batch_id = $1), (select count(*) from good) - (select count(*) from fresh),
                (select count(*) from sources.quarantine where batch_id = $1)
            """,
            [batch_id],
        ).fetchall()
        return loaded, duplicate, quarantined
