"""The one door to the store: Arrow in, Arrow out, short connections.

None lives longer than one read or one transaction; the file itself stays open for a whole run, for dbt too. Who writes holds the lease
(`lease.py`).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.files import make_whole
from dagster_project.moments import Moment
from dagster_project.settings import Settings, memory_megabytes

# Bookkeeping that exists before any extract or model: dbt reads these as sources, Python writes them.
BOOKKEEPING = {
    "sources.run_days": "as_of timestamp, known_by timestamp, is_day boolean, is_training boolean",
    "sources.load_ledger": (
        "source varchar, table_name varchar, batch_id varchar, extracted_at timestamp, is_history boolean, path varchar, "
        "rows_in bigint, rows_loaded bigint, rows_duplicate bigint, rows_quarantined bigint, rows_erased bigint, "
        "known_at timestamp"
    ),
    "sources.quarantine": (
        "source varchar, table_name varchar, batch_id varchar, row_number bigint, reason varchar, column_name varchar, "
        "value varchar, row_json varchar, replayed_at timestamp"
    ),
    "sources.broken_rules": (
        "source varchar, table_name varchar, batch_id varchar, column_name varchar, reason varchar, warns boolean, rows bigint, "
        "row_numbers bigint[], shapes varchar[]"
    ),
    "sources.differences": "source varchar, table_name varchar, batch_id varchar, drift varchar, column_name varchar, message varchar",
    "sources.refused_extracts": "source varchar, table_name varchar, extracted_at timestamp, file varchar, reason varchar",
    "sources.built_days": "as_of timestamp",
    "sources.guards": "as_of timestamp, guard varchar, is_red boolean, message varchar, accepted_by varchar",
    "sources.test_warnings": "as_of timestamp, test varchar, says varchar, rows bigint",
    "campaigns.export_log": (
        "as_of timestamp, destination varchar, feed varchar, run varchar, delta_of varchar, rows bigint, held_back bigint, "
        "consent_as_of timestamp"
    ),
    "campaigns.held_back": "as_of timestamp, feed varchar, customer_id varchar, reason varchar",
    "campaigns.contact_history": (
        "as_of timestamp, campaign varchar, step varchar, variant varchar, customer_id varchar, decision varchar, began_at timestamp"
    ),
}
# A store from before there was a contact history: what it delivered.
DELIVERED_BEFORE = """
insert into campaigns.contact_history
select as_of, campaign, step, variant, customer_id, decision, began_at from campaigns.campaign_decisions as decisions
where decision in ('send', 'holdout') and exists (
    select 1 from campaigns.export_log as log where log.as_of = decisions.as_of and log.feed = decisions.campaign
)
"""

# And from before it was kept whom delivery held back; the next run's view takes its place.
AS_DECIDED = "create view campaigns.delivered_decisions as select * from campaigns.campaign_decisions"

NEW_COLUMNS = """
select column_name, column_type from (describe incoming) where column_name not in (
    select column_name from information_schema.columns where table_schema = ? and table_name = ?
)
"""

# dbt/profiles.yml says the same: a process may open a file twice only with equal settings.
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


class Warehouse:
    """The DuckDB file of one store."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self.path = path
        self.threads = threads
        self._session: duckdb.DuckDBPyConnection | None = None
        self._in_transaction = False

    @classmethod
    def of(cls, settings: Settings) -> "Warehouse":
        """The file of a store."""
        return cls(settings.warehouse, settings.threads)

    def create(self) -> None:
        """Make the file with its bookkeeping tables, or complete an older one. A file is born under another name: killed during its creation
        DuckDB would leave one that never opens again."""
        if not self.path.exists():
            make_whole(self.path, lambda path: duckdb.connect(path).close())
        missing = [table for table in BOOKKEEPING if not self.exists(table)]
        has_decided = self.exists("campaigns.campaign_decisions")
        made = [f"create schema if not exists {schema}" for schema in sorted({table.split(".")[0] for table in missing})]
        made += [f"create table {table} ({BOOKKEEPING[table]})" for table in missing]
        made += [DELIVERED_BEFORE] if has_decided and "campaigns.contact_history" in missing else []
        made += [AS_DECIDED] if has_decided and not self.exists("campaigns.delivered_decisions") else []
        # Readers ask for this too, and who writes waits until changes are in the file (`settling`): a complete store is not written to.
        if made:
            with self.transaction() as connection:
                connection.execute("; ".join(made))

    @contextmanager
    def session(self) -> Iterator[None]:
        """One connection for everything inside, with its temporary tables."""
        if self._session is not None:
            yield
            return
        with self.connect() as connection:
            self._session = connection
            try:
                yield
            finally:
                self._session = None

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection. While one is open, others of this process, dbt's as well, share its open file, each with transactions of its own."""
        if self._session is not None:
            yield self._session
            return
        connection = duckdb.connect(self.path, config=SETTINGS)
        try:
            connection.execute(f"set threads = {self.threads}")
            connection.execute(f"set memory_limit = '{memory_megabytes()}MB'")
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Write the changes into the file beside what is done inside, which may read: closing the file would do it, and keep all waiting."""
        with self.connect() as connection, ThreadPoolExecutor(1) as pool:
            settled = pool.submit(connection.execute, "checkpoint")
            yield
            # Where something was written meanwhile it is left to closing.
            with suppress(duckdb.TransactionException):
                settled.result()

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose statements all count or none; within a session's transaction they are part of that one."""
        with self.connect() as connection:
            if self._in_transaction:
                yield connection
                return
            connection.begin()
            self._in_transaction = self._session is not None
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            finally:
                self._in_transaction = False
            connection.commit()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        with self.connect() as connection:
            return connection.execute(sql, list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def exists(self, table: str) -> bool:
        with self.connect() as connection:
            return exists(connection, table)

    def replace(self, table: str, rows: pa.Table) -> None:
        """Make the table anew from these rows."""
        with self.transaction() as connection:
            connection.register("incoming", rows)
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            connection.execute(f"create or replace table {table} as select * from incoming")

    def replace_days(self, table: str, rows: pa.Table, moments: Sequence[datetime]) -> None:
        """Replace the rows of these moments (`as_of`) and touch no other; a moment without rows is left with none. A new column is added."""
        with self.transaction() as connection:
            connection.register("incoming", rows)
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            connection.execute(f"create table if not exists {table} as select * from incoming where false")
            for name, kind in connection.execute(NEW_COLUMNS, table.split(".")).fetchall():
                connection.execute(f'alter table {table} add column "{name}" {kind}')
            connection.execute(f"delete from {table} where list_contains(?::timestamp[], as_of)", [list(moments)])
            connection.execute(f"insert into {table} by name select * from incoming")

    def write_run_days(self, days: Sequence[Moment], training: Sequence[Moment] = ()) -> None:
        """State the moments that this run builds; dated models join them."""
        # A training moment that is also a day of the run is that day: the day's own known_by holds.
        known_by = {moment.as_of: moment.known_by for moment in [*training, *days]}
        building, learning = {moment.as_of for moment in days}, {moment.as_of for moment in training}
        rows = [(as_of, known_by[as_of], as_of in building, as_of in learning) for as_of in sorted(known_by)]
        if rows == self.rows("from sources.run_days order by as_of"):
            return
        with self.transaction() as connection:
            connection.execute("delete from sources.run_days")
            connection.executemany("insert into sources.run_days values (?, ?, ?, ?)", rows)


def exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    # The catalogue's own views list every table before they answer for one.
    try:
        connection.execute(f"from {table} limit 0")
    except duckdb.CatalogException:
        return False
    return True
