"""One look at a store: the newest built day, read over one connection, so that every section speaks of the same moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.built_days import nothing_built
from dagster_project.lease import hold
from dagster_project.moments import Moment, day_of
from dagster_project.published import NothingPublished
from dagster_project.settings import Settings
from dagster_project.shop import Shop, load_shop
from dagster_project.warehouse import Warehouse


@dataclass(frozen=True)
class Reading:
    """The newest built day of a store. `days` are the built moments (UTC), oldest first; paths in tables are relative to `store`."""

    connection: duckdb.DuckDBPyConnection
    shop: Shop
    store: Path
    moment: Moment
    days: tuple[datetime, ...]
    pseudonym_key: str

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query, in which `$as_of` and `$known_by` stand for the day's two instants."""
        instants = {"as_of": self.moment.as_of, "known_by": self.moment.known_by}
        return self.connection.execute(sql, {name: at for name, at in instants.items() if f"${name}" in sql}).fetchall()

    def number(self, sql: str) -> int:
        """The one number that a query asks for; 0 where it finds none."""
        ((value,),) = self.rows(sql)
        return int(value or 0)

    def columns(self, table: str) -> list[str]:
        """The columns of `schema.name` in their order; none where there is no such table."""
        sql = "select column_name from information_schema.columns where table_schema || '.' || table_name = ? order by ordinal_position"
        return [name for (name,) in self.connection.execute(sql, [table]).fetchall()]

    def has(self, *tables: str) -> bool:
        return all(self.columns(table) for table in tables)


@contextmanager
def newest_day(settings: Settings, owner: str) -> Iterator[Reading]:
    """Read the newest built day, holding the store's lease as `owner`.

    Raises:
        NothingPublished: no day is built.
        LeaseHeld: a run is writing right now.
    """
    nothing = NothingPublished(nothing_built(settings))
    if not settings.warehouse.exists():
        raise nothing
    shop = load_shop(settings.shop_folder)
    warehouse = Warehouse.of(settings)
    with hold(settings.store, owner):
        # A store of an older version gains the tables that it does not have.
        warehouse.create()
        days = tuple(day for (day,) in warehouse.rows("select as_of from sources.built_days order by as_of"))
        if not days:
            raise nothing
        moment = shop.moment(day_of(days[-1], shop.zone))
        # The store's dated views answer for the moments that are stated, and a rebuild may have stated a past one.
        warehouse.write_run_days([moment])
        with warehouse.connect() as connection:
            yield Reading(connection, shop, settings.store, moment, days, shop.pseudonym_key(settings.pseudonym_key))
