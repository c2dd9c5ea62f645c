"""The days that a store has built: a row of `sources.built_days` each, written when the last stage of a day is done."""

from datetime import date, datetime

from dagster_project.moments import day_of
from dagster_project.settings import Settings
from dagster_project.shop import Shop, load_shop
from dagster_project.warehouse import Warehouse

# The `as_of` of the newest one, within a larger query.
NEWEST = "(select max(as_of) from sources.built_days)"


def newest(warehouse: Warehouse) -> datetime | None:
    """The `as_of` of the newest day built; None where none is."""
    if not warehouse.exists("sources.built_days"):
        return None
    ((as_of,),) = warehouse.rows(f"select {NEWEST}")
    return as_of


def newest_day(warehouse: Warehouse, shop: Shop) -> date:
    """The newest day built.

    Raises:
        ValueError: none is.
    """
    as_of = newest(warehouse)
    if as_of is None:
        raise ValueError(f"{shop.name} has no day built yet: `dearly run` builds one.")
    return day_of(as_of, shop.zone)


def nothing_built(settings: Settings) -> str:
    """What to tell who asks about a store without a built day; a shop whose extracts are made up has a command of its own."""
    command = "demo" if load_shop(settings.shop_folder).generator else "run"
    return f"{settings.shop} has no day built yet: `dearly {command} --shop {settings.named}` builds one."
