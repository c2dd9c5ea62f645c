"""Rows that go: a person's rows out of every table, the ledger kept true, and the file made anew, since DuckDB leaves deleted bytes in the old one.

A sale stays without the person (docs/decisions/0019-erased-persons-leave-their-sales.md). What is made of raw rows is made anew by the next night:
the books of what it was made from are closed, so every table is built whole once.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from dagster_project.files import make_whole
from dagster_project.privacy.searching import Search
from dagster_project.privacy.traces import Trace, literal
from dagster_project.settings import memory_megabytes
from dagster_project.sources.contract import System, row_hash
from dagster_project.warehouse import Warehouse, exists

# What comparing people keeps and the next night finds again; keys and hashes of names, which no needle tells.
COMPARED = ("normalised", "blocking_keys", "linked_until")
BOOKS = ("sources.model_inputs", "sources.model_builds", "identity.shared_identifiers", "identity.model_log")
CHANGED = "rowid in (select row from changed)"
# One row per batch: what is in the tables now.
COUNTED = "select _batch_id, count(*) from {table} group by _batch_id"
QUARANTINED = "select batch_id, count(*) from sources.quarantine group by batch_id"
LEDGER = "select batch_id, source, table_name, path, rows_in, rows_duplicate from sources.load_ledger"
ENTERED = "update sources.load_ledger set rows_loaded = ?, rows_quarantined = ?, rows_duplicate = ?, rows_erased = ? where batch_id = ?"


def erase_rows(connection: duckdb.DuckDBPyConnection, found: Sequence[Trace], blanks: Mapping[str, int], search: Search) -> None:
    """Take the rows out; what stays of raw rows is `without` them. `blanks` says how many rows of a landed file (path below the store) are blank."""
    repeated: Counter[str] = Counter()
    for trace in found:
        if trace.stays and trace.source:
            repeated += without_person(connection, trace, *trace.source, search)
        elif trace.stays:
            connection.execute(f"update {trace.table} set row_json = without.row_json from without where quarantine.rowid = without.row")
        else:
            connection.execute(f"delete from {trace.table} where {trace.where}")
    for table in COMPARED:
        connection.execute(f"drop table if exists identity.{table}")
    for table in BOOKS:
        if exists(connection, table):
            connection.execute(f"delete from {table}")
    balance(connection, blanks, repeated)


def without_person(connection: duckdb.DuckDBPyConnection, trace: Trace, system: System, name: str, search: Search) -> Counter[str]:
    """Empty the personal columns of sales, and every value that names the person; of another's row those alone. A version that then says what the
    one before it said goes, as it does when it is loaded so; returns how many of each batch."""
    contract = system.tables[name]
    held = {column for column, *_ in connection.execute(f"describe {trace.table}").fetchall()}
    columns = [column for column in contract.columns if column in held]
    connection.execute(f"create or replace temp table changed as select rowid as row from {trace.table} where {trace.where}")
    if trace.is_theirs:
        emptied = ", ".join(f'"{column}" = null' for column in columns if column not in contract.stays)
        connection.execute(f"update {trace.table} set {emptied} where {CHANGED}")
    empty_values(connection, trace, columns, contract.needed, search)
    said = row_hash(f'"{column}"' if column in held else "null" for column in contract.columns)
    connection.execute(f"update {trace.table} set _row_hash = {said} where {CHANGED}")
    key = ", ".join(f'"{column}"' for column in contract.versioned_by)
    repeats = f"""
    select rowid from (
        select rowid, _row_hash, lag(_row_hash) over (partition by {key} order by _known_at, _row_number) as hash_before from {trace.table}
    ) where _row_hash = hash_before and {CHANGED}
    """
    connection.execute(f"create or replace temp table repeats as {repeats}")
    counted = connection.execute(
        f"select _batch_id, count(*) from {trace.table} where rowid in (select rowid from repeats) group by all"
    ).fetchall()
    connection.execute(f"delete from {trace.table} where rowid in (select rowid from repeats)")
    return Counter(dict(counted))


def empty_values(
    connection: duckdb.DuckDBPyConnection, trace: Trace, columns: Sequence[str], needed: frozenset[str], search: Search
) -> None:
    """Take every value that names the person from the changed rows; a row that then lacks what its table needs goes."""
    listed = ", ".join(f'"{column}"' for column in columns)
    told = ", ".join(f'"{column}" = ?' for column in columns)
    for row, *values in connection.execute(f"select rowid, {listed} from {trace.table} where {CHANGED} and ({trace.names})").fetchall():
        said = [search.without(value) for value in values]
        if any(column in needed and old and not new for column, old, new in zip(columns, values, said, strict=True)):
            connection.execute(f"delete from {trace.table} where rowid = ?", [row])
        else:
            connection.execute(f"update {trace.table} set {told} where rowid = ?", [*said, row])


def balance(connection: duckdb.DuckDBPyConnection, blanks: Mapping[str, int], repeated: Mapping[str, int]) -> None:
    """Let the ledger say what is in the tables: in = loaded + duplicate + quarantined + erased."""
    quarantined = dict(connection.execute(QUARANTINED).fetchall())
    loaded: dict[tuple[str, str], dict[str, int]] = {}
    for batch, source, name, path, rows_in, duplicate in connection.execute(LEDGER).fetchall():
        if (source, name) not in loaded:
            table = f"sources.{source}__{name}"
            loaded[source, name] = dict(connection.execute(COUNTED.format(table=table)).fetchall()) if exists(connection, table) else {}
        held, waiting = loaded[source, name].get(batch, 0), quarantined.get(batch, 0)
        # What is in neither is a duplicate or erased; of a file that is gone nobody can say that fewer were duplicates.
        missing = rows_in - held - waiting
        kept = min(duplicate + repeated.get(batch, 0), max(missing - blanks.get(path, 0), 0)) if path in blanks else min(duplicate, missing)
        connection.execute(ENTERED, [held, waiting, kept, missing - kept, batch])


def rename_batches(connection: duckdb.DuckDBPyConnection, names: Mapping[str, str]) -> None:
    """A batch is known by its content: where the file that it came from is another now, so is its id."""
    sql = "select table_schema || '.' || table_name, column_name from information_schema.columns where column_name in ('_batch_id', 'batch_id')"
    tables = "select table_schema || '.' || table_name from information_schema.tables where table_type = 'BASE TABLE'"
    places = connection.execute(f"select * from ({sql}) as places(name, column_name) where name in ({tables})").fetchall()
    for old, new in names.items():
        for table, column in places:
            connection.execute(f'update {table} set "{column}" = ? where "{column}" = ?', [new, old])


def rebuild(warehouse: Warehouse) -> None:
    """The store's file, copied row by row into a new one that takes its place at once; what DuckDB left on the disk beside it goes."""
    spilled = Path(f"{warehouse.path}.tmp")
    # Written into the file first: a log beside it would be taken for the new file's.
    with warehouse.connect() as connection:
        connection.execute("force checkpoint")

    # Of a run that was killed: who is here holds the store alone.
    shutil.rmtree(spilled, ignore_errors=True)

    def copy(path: Path) -> None:
        # A copy that was killed leaves a log, too.
        Path(f"{path}.wal").unlink(missing_ok=True)
        limits: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_megabytes()}MB",
            "threads": warehouse.threads,
            "temp_directory": str(spilled),
        }
        with duckdb.connect(config=limits) as connection:
            connection.execute(f"attach {literal(str(warehouse.path))} as old (read_only)")
            connection.execute(f"attach {literal(str(path))} as new")
            connection.execute("copy from database old to new")
            connection.execute("detach new")

    make_whole(warehouse.path, copy)
