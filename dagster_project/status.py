"""Where a store stands: what is built, what holds, and the numbers a person asks for first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.built_days import NEWEST, newest_day, nothing_built
from dagster_project.lease import hold
from dagster_project.privacy.request import open_request
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

TABLES = {
    "Sources: rows in = loaded + duplicate + quarantined + erased": (
        ("source", "batches", "in", "loaded", "duplicate", "quarantined", "erased"),
        """
        select source, count(*), sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined), sum(rows_erased)
        from sources.load_ledger group by all order by all
        """,
    ),
    "Sales, to hold against your own sums": (
        ("source", "orders", "customers", "sold", "given back", "revenue"),
        """
        select
            sold.source, count(distinct sold.order_id), count(distinct sold.customer_id), sum(sold.net_amount), coalesce(max(back.net_amount), 0),
            sum(sold.net_amount) - coalesce(max(back.net_amount), 0)
        from profile.fct_orders as sold
        left join (
            select source, sum(net_amount) as net_amount from profile.fct_returns where superseded_at is null group by source
        ) as back on sold.source = back.source
        where sold.superseded_at is null group by sold.source order by sold.source
        """,
    ),
    "Scores on the newest day": (
        ("model", "status", "reason"),
        f"""
        select model, status, reason from scores.daily_models
        where as_of = {NEWEST} order by status desc, model
        """,
    ),
    "Segments on the newest day": (
        ("segment", "customers"),
        f"""
        select segment, count(*) from segments.customer_segments
        where as_of = {NEWEST} group by all order by 2 desc, 1
        """,
    ),
    "Decisions on the newest day": (
        ("campaign", "step", "decision", "reason", "customers"),
        f"""
        select campaign, step, decision, reason, count(*) from campaigns.delivered_decisions
        where as_of = {NEWEST} group by all order by 1, 2, 3 desc, 5 desc
        """,
    ),
    "Exports of the newest day": (
        ("feed", "rows", "held back", "destinations"),
        f"""
        select feed, max(rows), max(held_back), string_agg(destination, ', ' order by destination) from campaigns.export_log
        where as_of = {NEWEST} group by feed order by feed
        """,
    ),
    "Refused rows that wait to be mended: dearly replay quarantine SOURCE TABLE": (
        ("source", "table", "column", "reason", "rows"),
        """
        select source, table_name, coalesce(column_name, 'the whole row'), reason, count(*) from sources.quarantine
        where replayed_at is null group by all order by 5 desc, 1, 2, 3, 4
        """,
    ),
    "Extracts of the newest night that came otherwise than declared": (
        ("source", "table", "what"),
        f"""
        select
            source, table_name,
            case
                when drift = 'new_column' then concat('new columns, kept in the landed file alone: ', string_agg(distinct column_name, ', ' order by column_name))
                else string_agg(distinct message, '; ' order by message)
            end
        from sources.differences
        where drift not in ('reconciliation', 'reordered') and batch_id in (
            select batch_id from sources.load_ledger where extracted_at > {NEWEST}
        )
        group by source, table_name, drift order by all
        """,
    ),
}
# Of the week before the newest day: what held longer ago was delivered in its place long since.
HELD = f"""
select strftime(as_of, '%Y-%m-%d %H:%M UTC'), guard, message, as_of = {NEWEST}
from sources.guards as guards
where is_red and accepted_by is null
and not exists (select 1 from sources.built_days where built_days.as_of >= guards.as_of + interval 7 day)
order by as_of, guard
"""


@dataclass(frozen=True)
class Status:
    """What is built in a sentence, tables to print (title, header, rows), what is begun and not done, and what holds delivery: of the newest day
    where `is_held`."""

    built: str
    days: int
    tables: Sequence[tuple[str, Sequence[str], list[tuple[Any, ...]]]]
    open: list[str]
    held: list[str]
    is_held: bool


def status_of(settings: Settings) -> Status:
    """Read the store's status.

    Raises:
        LeaseHeld: a run is writing right now.
    """
    request = open_request(settings)
    begun = [f"the erasure {request.name} is not proven: `dearly erase --shop {settings.named}` goes on with it"] if request else []
    if not settings.warehouse.exists():
        return Status(nothing_built(settings), 0, [], begun, [], False)
    warehouse = Warehouse.of(settings)
    with hold(settings.store, "dearly status"), warehouse.session():
        # What a run that ended early, or an older one, has not made.
        warehouse.create()
        ((days,),) = warehouse.rows("select count(distinct as_of) from sources.built_days")
        held = warehouse.rows(HELD)
        is_held = any(is_newest for *_, is_newest in held)
        tables = []
        for title, (header, sql) in TABLES.items():
            needed = re.split(r"\sfrom\s", sql)[1].split()[0]
            rows = warehouse.rows(sql) if warehouse.exists(needed) else []
            # A day that is held and has exports was delivered before, and is built a second time.
            is_older = is_held and title.startswith("Exports")
            tables.append((f"{title}, as an earlier run wrote them" if is_older else title, header, rows))
        built = built_in_words(settings, warehouse, days) if days else nothing_built(settings)
    lines = [f"{as_of} {guard}: {message.rstrip('.')}; {way_out(settings, guard, is_newest)}" for as_of, guard, message, is_newest in held]
    return Status(built, days, tables, begun, lines, is_held)


def built_in_words(settings: Settings, warehouse: Warehouse, days: int) -> str:
    """Which day the store is as of, and until when things were known."""
    shop = load_shop(settings.shop_folder)
    day = newest_day(warehouse, shop)
    known_by = shop.moment(day).known_by.replace(tzinfo=UTC).astimezone(ZoneInfo(shop.zone))
    return f"{settings.shop}: {day:%A, %d %B %Y} is built, known by {known_by:%d %B, %H:%M} ({shop.zone}); days built: {days}. Instants below are UTC."


def way_out(settings: Settings, guard: str, is_newest: bool) -> str:
    """What lets a held day go, to be copied; a day that has a newer one behind it delivers no more."""
    if not is_newest:
        return "a newer day is built, which delivers in its place"
    return f"`dearly run --shop {settings.named} --accept {guard!r}` lets it go"
