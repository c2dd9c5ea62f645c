"""Whether a stranger's tables meet: the numbers of one are those of another."""

import itertools
import re

import duckdb

from dagster_project.campaigns.escaping import is_code
from dagster_project.onboarding import values
from dagster_project.onboarding.answers import UNREAD, unread_answers
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.roles import Part
from dagster_project.onboarding.samples import Sample, quoted, words_of
from dagster_project.onboarding.vocabulary import NAMES


def doubt_names(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Products that nobody has a name for, neither of its own nor in place of a number, are bought and recommended, and no mail can show them."""
    naming = [reading for reading in layout.own if reading.kind in ("lines", "purchases", "products")]
    selling = [reading for reading in naming if reading.kind != "products" and "product_id" in reading.parts]
    if not selling or layout.known or any("product_name" in reading.parts for reading in naming):
        return
    called = connection.execute(f"from {values.few(selling[0].sample, selling[0].parts['product_id'].header)}").fetchall()
    if all(is_code(name) for (name,) in called):
        selling[0].doubts.append(
            "no table says what a product is called: mails show none until product_name is there, in a table of products"
        )


def unread_anywhere(connection: duckdb.DuckDBPyConnection, layout: Layout) -> list[str]:
    """Headers of any table that seem to say who may be written to, and of which no yes is read."""
    yes = [(one.sample, {part.header for column, part in one.parts.items() if column != "refuses_marketing"}) for one in layout.own]
    out: list[tuple[Sample, set[str]]] = [(sample, set()) for sample, _ in layout.left_out]
    return list(dict.fromkeys(header for sample, read in [*yes, *out] for header in unread_answers(connection, sample, read)))


def doubt_answers(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Say what else seems to tell who may be written to, where a no could be missed: beside an answer that is read, and in tables that are left out."""
    for reading in layout.own:
        if {"accepts_marketing", "consent", "withdrawn_at"} & set(reading.parts):
            read = {part.header for part in reading.parts.values()}
            reading.doubts += [f"{reading.sample.name}: {header} {UNREAD}" for header in unread_answers(connection, reading.sample, read)]
        if refused := reading.parts.get("refuses_marketing"):
            reading.doubts.append(f"{refused.header} says who is not written to, whatever else is said of them")
    for number, (sample, why) in enumerate(layout.left_out):
        if headers := unread_answers(connection, sample):
            layout.left_out[number] = (sample, f"{why}; its {', '.join(headers)} {UNREAD}")


def name_as_sold(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Products are known by what the order lines call them, where that is another of their columns: a variant's sku and not the product's page."""
    for lines, products in itertools.product(layout.own_of("lines")[:1], layout.own_of("products")[:1]):
        if "product_id" not in lines.parts:
            continue
        sold, key = (lines.sample, lines.parts["product_id"].header), products.parts["product_id"]
        shares = {header: share_among(connection, *sold, products.sample, header) for header in products.sample.headers}
        best = max(shares, key=lambda header: shares[header])
        if shares[key.header] >= 0.9 or shares[best] < 0.9:
            continue
        products.parts = {column: part for column, part in products.parts.items() if part.header != best} | {"product_id": Part(best)}
        if re.fullmatch(NAMES["handle"][0], words_of(key.header)):
            products.parts["handle"] = key
        without = round(products.sample.rows * (1 - values.said_share(connection, products.sample, best)))
        products.doubts.append(
            f"{lines.sample.name} names products by {best}: it is their number, not {key.header}"
            + (f"; {without} rows of {products.sample.name} have none and wait in quarantine" if without else "")
        )


def number_as_named(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Orders are known by what their lines (or what comes back) call them, where that is another of their columns: its id and not its printed number."""
    for naming, orders in itertools.product([*layout.own_of("lines"), *layout.own_of("returns")][:1], layout.own_of("orders")[:1]):
        if "order_id" not in naming.parts:
            continue
        named, key = (naming.sample, naming.parts["order_id"].header), orders.parts["order_id"]
        shares = {header: share_among(connection, *named, orders.sample, header) for header in orders.sample.headers}
        best = max(shares, key=lambda header: shares[header])
        if shares[key.header] >= 0.9 or shares[best] < 0.9 or not values.is_unique(connection, orders.sample, best):
            continue
        orders.parts = {column: part for column, part in orders.parts.items() if part.header != best} | {"order_id": Part(best)}
        orders.doubts.append(f"{naming.sample.name} names orders by {best}: it is their number, not {key.header}")


def share_among(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str, others: Sample, among: str) -> float:
    """The share of a column's stated values that are in a column of another table; 1 where nothing is stated."""
    row = connection.execute(
        f"select avg(case when {quoted(header)} in (select {quoted(among)} from {others.relation}) then 1.0 else 0.0 end) "
        f"from {sample.relation} where {values.said(header)} is not null"
    ).fetchone()
    return float(row[0]) if row and row[0] is not None else 1.0


def meet(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Say where numbers that should meet do not."""
    pairs = [
        ("lines", "orders", "order_id"),
        ("orders", "customers", "customer_id"),
        ("lines", "customers", "customer_id"),
        ("lines", "products", "product_id"),
    ]
    for left, right, column in pairs:
        for one, other in itertools.product(layout.own_of(left)[:1], layout.own_of(right)[:1]):
            if column in one.parts and column in other.parts:
                met = share_among(connection, one.sample, one.parts[column].header, other.sample, other.parts[column].header)
                if met < 0.9:
                    other.doubts.append(
                        f"{met:.0%} of {one.sample.name}.{one.parts[column].header} are in {other.sample.name}.{other.parts[column].header}"
                    )
