"""Pulls: what is new in a source that keeps its own rows lands as one more extract file, and from there on everything is as with files.

The puller is the one place that knows the time of day. A pull keeps no state of its own: where it begins is read from the newest file that it
landed. Rows that come twice (an overlap, a repeated page, a pull after a kill) are told apart where all are: by the loader.
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb

from dagster_project.files import make_whole
from dagster_project.moments import naive_utc, stamp
from dagster_project.progress import tell
from dagster_project.settings import secret, variable
from dagster_project.shop import Shop, SourceSystem
from dagster_project.sources.contract import System
from dagster_project.sources.databases import DuckDBFile, Since, Tables, database, plain, start_of
from dagster_project.sources.documents import documents
from dagster_project.sources.erased import Erased
from dagster_project.sources.extracts import Extract, find_extracts
from dagster_project.sources.lookups import answers, people_to_ask
from dagster_project.sources.mapping import contracts_of
from dagster_project.warehouse import Warehouse

Row = dict[str, Any]


class PullFailed(RuntimeError):
    """A table could not be pulled. The message names it and the cause, never a password, a token or a row."""


@dataclass(frozen=True)
class Pulled:
    """What became of a table's pull: how many rows landed, or why none did."""

    system: str
    table: str
    rows: int = 0
    failure: str | None = None


def clock() -> datetime:
    """The time of day (naive UTC), which nothing but a pull may ask for."""
    return naive_utc(datetime.now(UTC)).replace(microsecond=0)


def night_before(shop: Shop, now: datetime) -> datetime:
    """When the last night closed: its pull is stamped with this moment. Before the first one it is the clock itself."""
    days = [(now + timedelta(days=n)).date() for n in (-2, -1, 0)]
    closed = [shop.moment(day).known_by for day in days if shop.first_day <= day and shop.moment(day).known_by <= now]
    return max(closed, default=now)


def pull_shop(
    warehouse: Warehouse, shop: Shop, store: Path, now: datetime | None = None, again: bool = False, key: str | None = None
) -> list[Pulled]:
    """Pull every table that has not been pulled since the last night closed; with `again`, every table once more, as of the clock.

    A table that cannot be pulled does not keep the others from coming: the night's guard says so. `key` is the settings' pseudonym key, by which
    those who were erased are known.
    """
    now = now or clock()
    night = night_before(shop, now)
    contracts = contracts_of(shop)
    erased = Erased.of(shop, key)
    done = []
    for name, source in shop.sources.items():
        if source.kind == "files":
            continue
        folder = shop.extracts(name, store)
        for table in tables_of(contracts[name], source):
            landed = [extract for extract in find_extracts(folder, contracts[name]) if extract.table == table]
            newest = landed[-1].extracted_at if landed else None
            is_due = newest is None or newest < night
            if not is_due and (not again or newest is None or newest >= now):
                continue
            tell("sources", f"pull of {name}.{table}")
            try:
                rows = rows_of(warehouse, shop, contracts[name], table, landed, night)
                path = folder / table / f"{table}_{stamp(night if is_due else now)}.jsonl.gz"
                count = land_rows(path, rows, contracts[name], table, erased)
                done.append(Pulled(name, table, count))
            except Exception as error:
                done.append(Pulled(name, table, failure=without_secrets(str(error).strip().split("\n")[0] or type(error).__name__, source)))
    return done


def tables_of(system: System, source: SourceSystem) -> list[str]:
    return [name for name, table in system.tables.items() if table.pull and (source.tables is None or name in source.tables)]


def rows_of(warehouse: Warehouse, shop: Shop, system: System, name: str, landed: list[Extract], night: datetime) -> Iterator[Row]:
    """What is new in a table, as the source states it."""
    source, table = shop.sources[system.system], system.tables[name]
    pull = table.pull
    assert pull is not None
    start = start_of(newest_cursor([extract.path for extract in landed], pull.cursor) if pull.cursor else None, pull.overlap)
    if source.kind == "tables":
        tables = tables_at(shop, source)
        if pull.pieces:
            return documents(tables, pull, start)
        refuse_missing(tables, pull.table or name, pull.cursor)
        return tables.rows(pull.table or name, Since(pull.cursor, start) if pull.cursor else None)
    from dagster_project.sources.http_api import Api

    if pull.path is None:
        raise PullFailed(f"{system.system}.{name} has no path in source.yaml: it cannot be pulled from an API.")
    api = Api(source.url or "", headers_of(system, source))
    if pull.lookup:
        return answers(api, pull, table, people_to_ask(warehouse, landed, table, pull, night), night)
    since = {pull.since: start if isinstance(start, int) else start.isoformat()} if pull.since and start is not None else {}
    return api.pages(pull.path, {**pull.parameters, **since}, pull.rows)


def refuse_missing(tables: Tables, table: str, cursor: str | None) -> None:
    """Say what is not there before the database does in its own words.

    Raises:
        PullFailed: there is no such table, or it has no such cursor.
    """
    columns = tables.columns(table)
    if not columns:
        raise PullFailed(
            f"There is no table {table!r}; there is {', '.join(tables.names()[:20]) or 'none'}. Name it in shop.yaml (pulls: table)."
        )
    if cursor and cursor not in columns:
        raise PullFailed(
            f"The table {table!r} has no column {cursor!r}, by which what is new is told; it has {', '.join(columns[:30])}. "
            "Name it in shop.yaml (pulls: cursor)."
        )


def tables_at(shop: Shop, source: SourceSystem) -> Tables:
    """Where a source's tables are."""
    if source.file:
        return DuckDBFile(shop.folder / source.file, source.schema_name or "main")
    return database(secret(source.connection or ""), source.schema_name)


def headers_of(system: System, source: SourceSystem) -> dict[str, str]:
    if source.token is None:
        return {}
    token = secret(source.token)
    is_bearer = system.token_header.lower() == "authorization"
    return {system.token_header: f"Bearer {token}" if is_bearer else token}


def newest_cursor(files: list[Path], cursor: str) -> str | None:
    """The greatest cursor in the newest file that has one: a number, or a moment with or without an offset."""
    for path in reversed(files):
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            row = connection.execute(
                """
                select coalesce(
                    arg_max(value, try_cast(value as bigint)),
                    arg_max(value, coalesce(try_cast(value as timestamptz), cast(try_cast(value as date) as timestamptz)))
                )
                from (select json_extract_string(json, ?) as value from read_ndjson_objects(?, maximum_object_size = 67108864))
                """,
                [f'$."{cursor}"', str(path)],
            ).fetchone()
        if row and row[0] is not None:
            return str(row[0])
    return None


def land_rows(path: Path, rows: Iterable[Row], system: System, name: str, erased: Erased) -> int:
    """Write the rows as they come, whole or not at all, those of the erased blank; return how many. An empty file says that nothing was new.

    What shop.yaml lists as not used (a password's hash) is not kept; the cursor is, by which the next pull knows where to begin.

    Raises:
        UnreadableExtract: somebody was erased, and nobody can tell whether they are in it.
    """
    count, table = 0, system.tables[name]
    unused = set(table.not_used) - {table.pull.cursor if table.pull else None}

    def write(temporary: Path) -> None:
        nonlocal count
        # Without a name and a time in its head, the same rows are the same bytes.
        with temporary.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=1) as file:
            for row in rows:
                kept = {key: plain(value) for key, value in row.items() if key not in unused}
                file.write(json.dumps(kept, ensure_ascii=False).encode() + b"\n")
                count += 1

    if not erased:
        make_whole(path, write)
        return count
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name for every pull: what a kill leaves, the next one overwrites. No extract's name begins with a dot.
    came = path.with_name(".pulling.jsonl.gz")
    try:
        write(came)
        make_whole(path, lambda temporary: erased.copy(came, temporary, system, name))
    finally:
        came.unlink(missing_ok=True)
    return count


def without_secrets(message: str, source: SourceSystem) -> str:
    """The message with what the environment holds for this source taken out: tokens, addresses, and the password in them.

    The user's name stays: it is no secret, it helps, and often it is a word of the message too.
    """
    for name in (source.connection, source.token):
        value = variable(name) if name else ""
        address = value.partition("://")[2]
        password = address.rpartition("@")[0].partition(":")[2]
        for part in [value, address, password, unquote(password)]:
            message = message.replace(part, "***") if part else message
    return message
