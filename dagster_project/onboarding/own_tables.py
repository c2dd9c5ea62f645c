"""Tables read as the shop's own: which table of the `sales` system one is, by the columns it has."""

import duckdb

from dagster_project.dbt_vars import dbt_vars
from dagster_project.onboarding import values
from dagster_project.onboarding.amounts import doubt_prices, doubt_refunds, take_cancelled_orders, take_once_an_order, tell_amounts_apart
from dagster_project.onboarding.roles import Reading, cast_parts, is_called
from dagster_project.onboarding.samples import Sample, described
from dagster_project.onboarding.vocabulary import KINDS
from dagster_project.sources.contract import System

UNIQUE = {"customers": "customer_id", "orders": "order_id"}
BY_NAME = ("customers", "products", "returns", "consents")


def read_as(connection: duckdb.DuckDBPyConnection, sample: Sample, own: System) -> Reading | None:
    """The table as the kind that it has the columns of; None when it is of none."""
    found = []
    for kind in KINDS:
        reading = cast_parts(connection, sample, kind, list(own.tables[kind].columns))
        needed = KINDS[kind][1]
        # Products of orders, in a table that is called so, are bought without a number of pieces or a price too.
        needed = needed[:2] if kind == "lines" and is_called(sample, kind) else needed
        if all(any(column in reading.parts for column in group) for group in needed) and plausible(connection, reading):
            found.append(reading)
    # Kinds stand in the order in which one goes before the other; a table that bears the name of one of these and could be one, is.
    called = [reading for reading in found if reading.kind in BY_NAME and is_called(sample, reading.kind)]
    best = next(iter(called or found), None)
    if best and best.kind in ("lines", "purchases"):
        tell_amounts_apart(connection, best)
        take_once_an_order(connection, best)
        doubt_prices(best)
    if best and best.kind in ("lines", "orders"):
        doubt_refunds(best)
    if best:
        take_cancelled_orders(connection, best)
    return best


def purchases_among(connection: duckdb.DuckDBPyConnection, events: Reading, own: System) -> Reading | None:
    """What was bought, where a table of events says so: order by order where it numbers them all."""
    sample, event = events.sample, values.said(events.parts["event"].header)
    relation = f"{sample.relation}_bought"
    words = ", ".join(f"'{word}'" for word in dbt_vars()["event_words"]["purchase"])
    connection.execute(
        f"create or replace table {relation} as select * from {sample.relation} where lower({event}) in ({words}) order by rowid"
    )
    if sample.path is None:
        events.doubts.append(f"what was bought is said among the events of {sample.name}: bring a table or view of the purchases alone")
        return None
    bought = described(connection, relation, f"{sample.name} (purchases)", sample.path)
    reading = cast_parts(connection, bought, "lines", list(own.tables["lines"].columns))
    order = reading.parts.get("order_id")
    if not order or values.said_share(connection, bought, order.header) < 1:
        columns = [column for column in own.tables["purchases"].columns if column != "order_id"]
        reading = cast_parts(connection, bought, "purchases", columns)
    if not bought.rows or not {"customer_id", "ordered_at", "product_id"} <= set(reading.parts):
        return None
    doubt_prices(reading)
    return reading


def plausible(connection: duckdb.DuckDBPyConnection, reading: Reading) -> bool:
    key = UNIQUE.get(reading.kind)
    if key and not values.is_unique(connection, reading.sample, reading.parts[key].header):
        return False
    if reading.kind == "products":
        return "order_id" not in cast_parts(connection, reading.sample, "lines", ["order_id"]).parts
    if reading.kind == "purchases":
        # A number on every row and no product: orders with what they come to. In a table that is called orders it may be plainly an id.
        order = reading.parts.get("order_id") or cast_parts(connection, reading.sample, "orders", ["order_id"]).parts.get("order_id")
        is_order = order is not None and not {"product_id", "product_name"} & set(reading.parts)
        return not (is_order and order and values.is_unique(connection, reading.sample, order.header))
    if reading.kind == "returns":
        # An order that says what of it was refunded is an order.
        return (
            is_called(reading.sample, "returns")
            or "ordered_at" not in cast_parts(connection, reading.sample, "lines", ["ordered_at"]).parts
        )
    return True
