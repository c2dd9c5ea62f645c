"""Decide what each of a stranger's tables is: one of a system that we know, the shop's own, or left out."""

import itertools
from collections.abc import Sequence

import duckdb

from dagster_project.onboarding.amounts import doubt_totals
from dagster_project.onboarding.discounts_of_orders import take_off_orders
from dagster_project.onboarding.keys import categories_of, name_products
from dagster_project.onboarding.known_tables import ITS_OWN, Known, known_as
from dagster_project.onboarding.lacking import NOTHING, since_before, what_lacks, why_none
from dagster_project.onboarding.lakes import landed
from dagster_project.onboarding.layout import Layout, NothingToSell
from dagster_project.onboarding.meeting import doubt_answers, doubt_names, meet, name_as_sold, number_as_named
from dagster_project.onboarding.own_tables import purchases_among, read_as
from dagster_project.onboarding.roles import Reading, is_called
from dagster_project.onboarding.same_people import as_list, part_strangers, tell_guests
from dagster_project.onboarding.samples import Sample
from dagster_project.onboarding.statuses import name_statuses
from dagster_project.sources.contract import System

# Tables of systems that we know with what was sold.
SELLS = {"orders", "order_items", "receipts", "lines", "purchases", "order"}
NONE_OF_THESE = "neither orders, order lines, customers, products, returns, consents nor events"


def lay_out(connection: duckdb.DuckDBPyConnection, samples: Sequence[Sample], systems: dict[str, System]) -> Layout:
    """Decide what each table is.

    Raises:
        NothingToSell: none says who bought and when.
    """
    layout = Layout(known=[Known(*found) for found in landed(samples, systems)])
    loaded = {known.sample.schema for known in layout.known}
    one_schema_a_system(layout)
    samples = name_products(connection, samples)
    for sample in samples:
        # What else a loader lands beside them is its own business.
        if loaded and sample.schema in loaded:
            continue
        known = known_as(sample, systems)
        reading = None if known else read_as(connection, sample, systems[ITS_OWN])
        if known:
            layout.known.append(known)
        elif reading:
            layout.own.append(reading)
        else:
            layout.left_out.append((sample, why_none(sample) or NONE_OF_THESE))
    take_from_events(connection, layout, systems[ITS_OWN])
    settle(connection, layout, systems[ITS_OWN])
    in_one_schema(layout)
    name_categories(connection, layout)
    for orders in layout.own_of("orders") if not layout.own_of("lines") else []:
        doubt_totals(orders)
    doubt_names(connection, layout)
    doubt_answers(connection, layout)
    selling = [reading for reading in layout.own if reading.kind in ("lines", "purchases", "orders")]
    names_buyers = any("customer_id" in reading.parts or "email" in reading.parts for reading in selling)
    if not any(known.table in SELLS for known in layout.known) and not names_buyers:
        lacking = sorted(
            ((sample.name, what_lacks(connection, sample, systems[ITS_OWN])) for sample in samples), key=lambda one: NOTHING in one[1]
        )
        tables = "; ".join(f"{name}: {lacks}" for name, lacks in lacking[:8])
        raise NothingToSell(
            f"No table says who bought what and when (a customer, a date, and an amount or a product). What they have: {tables}. "
            f"{since_before(samples)}Rename the headers so that they say it, or bring the table that does."
        )
    return layout


def take_from_events(connection: duckdb.DuckDBPyConnection, layout: Layout, own: System) -> None:
    """What was bought, from events that say so; where another table has the sales, the events would count them once more."""
    selling = [one.sample for one in layout.own if one.kind in ("lines", "purchases", "orders")]
    selling += [known.sample for known in layout.known if known.table in SELLS]
    for bought in [found for events in layout.own_of("events") if (found := purchases_among(connection, events, own))]:
        if selling:
            layout.left_out.append((bought.sample, f"{selling[0].name} has the sales"))
        else:
            layout.own.append(bought)


def name_categories(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """A table that was left out and names the categories that the products say by number is one of categories."""
    stated = [(one.sample, one.parts["category"].header) for one in layout.own_of("products") if "category" in one.parts]
    for products, header in stated:
        for sample, why in layout.left_out:
            parts = categories_of(connection, products, header, sample)
            if parts and sample.schema == products.schema and not layout.own_of("categories"):
                layout.own.append(Reading(sample, "categories", parts))
                layout.left_out.remove((sample, why))
                return


def one_schema_a_system(layout: Layout) -> None:
    """A loader may have landed a system twice, by its older API and by its newer: the schema that comes first counts."""
    first: dict[str, str | None] = {}
    for known in list(layout.known):
        if first.setdefault(known.system, known.sample.schema) != known.sample.schema:
            layout.known.remove(known)
            layout.left_out.append(
                (known.sample, f"{known.sample.schema}: {known.system}.{known.table} is taken from {first[known.system]}")
            )


def in_one_schema(layout: Layout) -> None:
    """A system's tables are pulled from one schema of a database: for the shop's own, the one that has the sales.

    Where a system that we know has the sales, what lies beside its tables is none of the shop's own: steps of its automations are no web events.
    """
    selling = next((reading for kind in ("lines", "purchases", "orders") for reading in layout.own_of(kind)), None)
    for reading in [one for one in layout.own if selling and one.sample.schema != selling.sample.schema]:
        layout.own.remove(reading)
        layout.left_out.append((reading.sample, f"the sales are in another schema, {selling.sample.schema if selling else ''}"))
    beside: dict[str | None, str] = {known.sample.schema: known.system for known in layout.known if known.sample.schema}
    for reading in [one for one in layout.own if not selling and one.sample.schema in beside]:
        layout.own.remove(reading)
        layout.left_out.append(
            (reading.sample, f"it lies beside the tables of {beside[reading.sample.schema]}, which speak for themselves")
        )


def put_aside(connection: duckdb.DuckDBPyConnection, layout: Layout, reading: Reading, why: str, own: System) -> None:
    """A second table of people is who agreed, where it says so (another tool's contacts); what is left besides is left out."""
    listed = as_list(connection, layout, reading.sample, own) if reading.kind == "customers" else None
    if listed:
        listed.doubts.append(f"{reading.sample.name} is read by address, as who agreed: {why}")
        layout.own.append(listed)
    else:
        layout.left_out.append((reading.sample, why))


def settle(connection: duckdb.DuckDBPyConnection, layout: Layout, own: System) -> None:
    """One layout per kind: files of the same headers are one table in several files; of different ones, the one with most columns and rows stays."""
    for kind, group in itertools.groupby(sorted(layout.own, key=lambda reading: reading.kind), key=lambda reading: reading.kind):
        readings = sorted(
            group, key=lambda reading: (is_called(reading.sample, kind), len(reading.parts), reading.sample.rows), reverse=True
        )
        for other in readings[1:]:
            if other.parts != readings[0].parts:
                layout.own.remove(other)
                put_aside(connection, layout, other, f"{readings[0].sample.name} has the {kind}", own)
    numbered = bool(layout.own_of("lines"))
    for reading in layout.own_of("purchases") if numbered else []:
        layout.own.remove(reading)
        layout.left_out.append((reading.sample, f"{layout.own_of('lines')[0].sample.name} has the lines"))
    undated = [reading for reading in layout.own_of("lines") if "ordered_at" not in reading.parts]
    if undated and not layout.own_of("orders"):
        for reading in undated:
            layout.own.remove(reading)
            layout.left_out.append((reading.sample, "its lines have no date, and no table of orders has one"))
    if layout.own_of("returns"):
        for reading in layout.own:
            if reading.parts.pop("refunded_amount", None):
                reading.doubts = [doubt for doubt in reading.doubts if "is given back of an order" not in doubt]
    for reading in layout.own:
        tell_guests(connection, reading)
    number_as_named(connection, layout)
    part_strangers(connection, layout, own)
    name_as_sold(connection, layout)
    name_statuses(connection, layout)
    take_off_orders(connection, layout)
    meet(connection, layout)
