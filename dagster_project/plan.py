"""What a change would do before it happens: the newest day built once more in a copy of the store, beside what the store has.

A change is whatever differs from when the day was built: link decisions, shop.yaml, a segment, a campaign. Nothing of the store is touched,
nothing is delivered.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from time import monotonic
from typing import Any

from dagster_project.built_days import NEWEST, newest_day
from dagster_project.handbook import segment_rules
from dagster_project.plan_reasons import Why, segment_reasons, send_reasons
from dagster_project.privacy.request import refuse_open
from dagster_project.runs import run_days
from dagster_project.settings import PLANS, Settings
from dagster_project.shop import Shop
from dagster_project.sources.guards import holding
from dagster_project.warehouse import Warehouse

# What a run only reads, or replaces whole under a new name: linked, not copied. Everything else in the copy is a copy.
LINKED = ("raw", "landing", "exports", "rebuilds", "published", "content", "mlartifacts", "mlflow")
SAMPLES = 3

MEMBERS = f"select segment as name, customer_id, '' as how from segments.customer_segments where as_of = {NEWEST}"
SENDS = f"""
select campaign || ', ' || step as name, customer_id, coalesce(variant, '') as how from campaigns.campaign_decisions
where as_of = {NEWEST} and decision = 'send'
"""
CUSTOMERS = "select distinct customer_id from identity.customer_links where valid_to is null"
MOVES = """
select kind, from_customer_id, to_customer_id, because, records from identity.merge_log order by happened_at, from_customer_id, to_customer_id
"""
OWNERS = "select concat(source, ':', source_customer_id) as record_id, customer_id from identity.customer_links where valid_to is null"
OTHER_OWNERS = f"""
select before.customer_id, after.customer_id, count(*) from before inner join ({OWNERS}) as after using (record_id)
where before.customer_id <> after.customer_id group by all order by all
"""
FILES = f"""
select destination || ', ' || feed, run, rows from campaigns.export_log
where as_of = {NEWEST} order by all
"""


@dataclass(frozen=True)
class Change:
    """Who would enter (+), leave (−) or change (~, another variant) in a segment or a campaign step, with a few of each and why."""

    name: str
    added: int
    removed: int
    changed: int
    samples: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What building `day` again would change. `moves` says who was merged and split, `exports` which feeds would have other files, `held` what would
    hold delivery that does not hold it now."""

    day: date
    seconds: float
    customers_before: int
    customers_after: int
    moves: tuple[str, ...]
    segments: tuple[Change, ...]
    campaigns: tuple[Change, ...]
    exports: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.moves or self.segments or self.campaigns or self.exports or self.held)

    def lines(self) -> list[str]:
        """The plan in words."""
        head = f"{self.day} built again in a copy of the store ({self.seconds:.0f} s); nothing was changed or delivered."
        if self.is_empty:
            return [head, "It would be the same."]
        lines = [head, f"customers: {self.customers_before} now, {self.customers_after} then"]
        lines += [f"  {move}" for move in self.moves]
        for title, changes in (("segments", self.segments), ("campaigns, who is sent to", self.campaigns)):
            if changes:
                lines.append(title)
            for change in changes:
                lines.append(f"  {change.name}: +{change.added} −{change.removed} ~{change.changed}")
                lines += [f"    {sample}" for sample in change.samples]
        if self.exports:
            lines.append("exports")
            lines += [f"  {export}" for export in self.exports]
        if self.held:
            lines.append("delivery would be held: `dearly run --accept` lets it go, by the name before the colon")
            lines += [f"  {one}" for one in self.held]
        return lines


def plan(settings: Settings, shop: Shop) -> Plan:
    """Build the newest day again in a copy and compare. The caller holds the store.

    Raises:
        ValueError: no day is built yet.
        RunFailed: the day cannot be built as things stand.
    """
    refuse_open(settings)
    began = monotonic()
    store = Warehouse.of(settings)
    day = newest_day(store, shop)
    as_of = shop.moment(day).as_of
    with copy_of(settings) as copied:
        run_days(copied, [day])
        other = Warehouse.of(copied)
        moves = moves_between(store.rows(MOVES), other.rows(MOVES))
        moves += found_anew(store, other, {(one, another) for _, one, another, *_ in moves})
        moved = {customer: f"{kind} ({because})" for kind, one, another, because, _ in moves for customer in (one, another)}
        before, after = ({row[0] for row in each.rows(CUSTOMERS)} for each in (store, other))
        return Plan(
            day=day,
            seconds=monotonic() - began,
            customers_before=len(before),
            customers_after=len(after),
            moves=tuple(f"{kind}: {one} → {another}, {records} records, {because}" for kind, one, another, because, records in moves),
            segments=changes_between(store.rows(MEMBERS), other.rows(MEMBERS), moved, segment_reasons(store, other, segment_rules())),
            campaigns=changes_between(store.rows(SENDS), other.rows(SENDS), moved, send_reasons(store, other)),
            exports=exports_between(store.rows(FILES), other.rows(FILES)),
            held=tuple(one for one in holding(other, as_of) if one not in holding(store, as_of)),
        )


@contextmanager
def copy_of(settings: Settings) -> Iterator[Settings]:
    """A copy of the store beside it, gone afterwards; files that no run writes into are linked, which costs nothing."""
    home = settings.home / PLANS
    shutil.rmtree(home, ignore_errors=True)
    try:
        copied = replace(settings, home=home, environment="development")
        copied.store.mkdir(parents=True)
        for path in sorted(settings.store.iterdir()):
            if path.is_dir():
                shutil.copytree(path, copied.store / path.name, copy_function=os.link if path.name in LINKED else shutil.copy2)
            elif path.name != "store.lock":
                shutil.copy2(path, copied.store / path.name)
        yield copied
    finally:
        shutil.rmtree(home, ignore_errors=True)


def found_anew(store: Warehouse, other: Warehouse, told: set[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Whose records another customer would have without a merge or split that says so: matching, begun anew (other code, somebody erased), finds
    other people from the start."""
    with other.connect() as connection:
        connection.register("before", store.read(OWNERS))
        rows = connection.execute(OTHER_OWNERS).fetchall()
        connection.unregister("before")
    return [
        ("matched anew", one, another, "no merge or split, found so from the start", n)
        for one, another, n in rows
        if (one, another) not in told
    ]


def moves_between(before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The merges and splits that would be new, and those that would not have happened, as their contrary."""
    gone = [("no longer " + row[0], *row[1:]) for row in before if row not in after]
    return gone + [row for row in after if row not in before]


def changes_between(
    before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]], moved: dict[str, str], why: Why
) -> tuple[Change, ...]:
    """Per name who comes, goes and changes; rows are name, customer, how. Whoever `moved` into or out of another customer does so for that reason."""
    old, new = ({(name, customer): how for name, customer, how in rows} for rows in (before, after))
    changes = []
    for name in sorted({key[0] for key in {*old, *new}}):
        was, will = ({customer: how for (of, customer), how in each.items() if of == name} for each in (old, new))
        added, removed = sorted(will.keys() - was.keys()), sorted(was.keys() - will.keys())
        changed = sorted(customer for customer in was.keys() & will.keys() if was[customer] != will[customer])
        if not (added or removed or changed):
            continue
        samples = [
            f"{sign} {customer}: {moved.get(customer) or why(sign, name, customer)}"
            for sign, customers in (("+", added), ("−", removed), ("~", changed))
            for customer in customers[:SAMPLES]
        ]
        changes.append(Change(name, len(added), len(removed), len(changed), tuple(samples)))
    return tuple(changes)


def exports_between(before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]) -> tuple[str, ...]:
    """The feeds whose files would differ."""
    old, new = ({feed: (run, rows) for feed, run, rows in each} for each in (before, after))
    return tuple(
        f"{feed}: {old.get(feed, ('', 0))[1]} rows now, {new.get(feed, ('', 0))[1]} then"
        for feed in sorted({*old, *new})
        if old.get(feed) != new.get(feed)
    )
