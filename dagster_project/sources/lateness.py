"""Extracts that come out of order: from when they are known, and which of their rows a later extract has already gone beyond."""

from datetime import datetime, timedelta
from pathlib import Path

from dagster_project.moments import Moment, day_of
from dagster_project.shop import Shop
from dagster_project.sources.contract import Table
from dagster_project.sources.extracts import Extract
from dagster_project.sources.judged import numbered
from dagster_project.sources.reading import read_chunks
from dagster_project.warehouse import Warehouse

SECOND = timedelta(seconds=1)


def closed_until(warehouse: Warehouse, shop: Shop) -> datetime | None:
    """The `known_by` of the newest built day: what has been decided knew nothing that came after it. A day that is held has sent nothing yet:
    what holds it may still come, and count."""
    ((newest,),) = warehouse.rows(
        "select max(as_of) from sources.built_days where as_of not in (select as_of from sources.guards where is_red and accepted_by is null)"
    )
    return shop.moment(day_of(newest, shop.zone)).known_by if newest is not None else None


def night_of(shop: Shop, extracted_at: datetime, known_at: datetime) -> Moment:
    """The night that an extract is of: the one in which it was pulled, or, where that was at daytime or too late for the day that was at hand, the
    one that first knew of it."""
    night = _next_close(shop, extracted_at)
    return night if extracted_at > night.as_of else _next_close(shop, max(extracted_at, known_at))


def _next_close(shop: Shop, instant: datetime) -> Moment:
    today = day_of(instant, shop.zone)
    last = shop.moment(today - timedelta(days=1))
    return last if instant <= last.known_by else shop.moment(today)


def known_from(warehouse: Warehouse, shop: Shop, extract: Extract, closed: datetime | None = None) -> datetime:
    """From when an extract's rows are known: its extraction, but never before a day that was built without it.

    An extract that claims to have been pulled before a built day's `known_by` and comes after the day was built would change what the day knew.
    It is known right after that `known_by`, in the order in which such extracts come; its own time stays in the ledger.
    """
    ends = [end for end in (closed, closed_until(warehouse, shop)) if end is not None]
    if not ends or extract.extracted_at > max(ends):
        return extract.extracted_at
    ((newest,),) = warehouse.rows(
        "select max(known_at) from sources.load_ledger where source = ? and table_name = ? and known_at > extracted_at and known_at > ?",
        [extract.system, extract.table, max(ends)],
    )
    return max(max(ends), newest or max(ends)) + SECOND


def note_outdated(warehouse: Warehouse, store: Path, extract: Extract, table: Table) -> str | None:
    """A condition on `good` rows that is true for those a later extract has gone beyond; None where there is none.

    Without a cursor the newer extract is right about a key, so what an older one says of it comes too late. With a cursor the cursor decides,
    and of two rows with the same one the newer extract is right. Its files are asked, not the rows that are held: what it repeated of an extract
    before is no row of its own. What it had refused it has not said.
    """
    later = warehouse.rows(
        "select batch_id, path from sources.load_ledger where source = ? and table_name = ? and extracted_at > ? order by extracted_at, path",
        [extract.system, extract.table, extract.extracted_at],
    )
    if not later:
        return None
    names = table.versioned_by
    within = [one for column in table.columns.values() for one in column.number_within or []]
    read = list(dict.fromkeys([*names, *within]))
    columns = ", ".join(f'"{name}" varchar' for name in read)
    with warehouse.connect() as connection:
        connection.execute(f"create or replace temp table said_later ({columns}, _row_number bigint)")
        for batch_id, path in later:
            connection.execute(f"create or replace temp table came_later ({columns}, _row_number bigint)")
            for chunk in read_chunks(store / path, table):
                connection.register("incoming", chunk.rows.select([*read, "_row_number"]))
                connection.execute("insert into came_later select * from incoming")
                connection.unregister("incoming")
            connection.execute(
                f"insert into said_later select * from ({numbered(table, 'select * from came_later', read)}) "
                "where _row_number not in (select row_number from sources.quarantine where batch_id = ?)",
                [batch_id],
            )
    same = " and ".join(f'said_later."{name}" is not distinct from good."{name}"' for name in names)
    return f"exists (select 1 from said_later where {same})"
