"""Whether two tables number the same people, and which number is nobody's: the addresses beside the numbers tell."""

from dataclasses import replace

import duckdb

from dagster_project.onboarding import values
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.roles import Part, Reading, cast_parts
from dagster_project.onboarding.samples import Sample
from dagster_project.onboarding.vocabulary import KINDS
from dagster_project.sources.contract import System

# So many people of both tables, and so many addresses under one number, tell.
ENOUGH, MANY = 20, 10


def tell_guests(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """A number that stands for whoever has no account (0, as WooCommerce has it) is no customer's: one alone has many addresses."""
    number, email = reading.parts.get("customer_id"), reading.parts.get("email")
    if not number or not email or number.format or reading.kind not in ("lines", "orders", "consents"):
        return
    rows = connection.execute(
        f"with people as {people(reading.sample, number, email)} select number, count(*) as addresses from people "
        f"group by number having addresses >= {MANY} and addresses >= 0.05 * (select count(distinct email) from people)"
    ).fetchall()
    if len(rows) == 1:
        ((nobody, addresses),) = rows
        reading.parts["customer_id"] = replace(number, format=f"nobody is {nobody}")
        reading.doubts.append(f"{number.header} {nobody} has {addresses} addresses: it is nobody's number, and they are told by address")


def part_strangers(connection: duckdb.DuckDBPyConnection, layout: Layout, own: System) -> None:
    """A table of people whose numbers are other people's in the orders says by address alone who agreed, or is left out."""
    buying = [one for kind in ("orders", "lines", "purchases") for one in layout.own_of(kind) if "customer_id" in one.parts]
    for reading in layout.own_of("customers") if buying else []:
        if are_nobodys(connection, buying[0], reading):
            why = "nobody of whom buys, and it has no addresses"
        elif are_others(connection, buying[0], reading):
            why = "the same numbers have other addresses"
        else:
            continue
        layout.own.remove(reading)
        numbers = f"its {reading.parts['customer_id'].header} are not those of {buying[0].sample.name}: {why}"
        if listed := as_list(connection, layout, reading.sample, own):
            listed.doubts.append(f"{reading.sample.name} is read by address, as who agreed: {numbers}")
            layout.own.append(listed)
        else:
            layout.left_out.append((reading.sample, numbers))


def as_list(connection: duckdb.DuckDBPyConnection, layout: Layout, sample: Sample, own: System) -> Reading | None:
    """A table of people as who agreed, by address; None where it does not say that, or another table has it."""
    columns = [column for column in own.tables["consents"].columns if column != "customer_id"]
    listed = cast_parts(connection, sample, "consents", columns)
    is_list = "email" in listed.parts and any(column in listed.parts for column in KINDS["consents"][1][1])
    return listed if is_list and all(one.parts == listed.parts for one in layout.own_of("consents")) else None


def are_nobodys(connection: duckdb.DuckDBPyConnection, buying: Reading, customers: Reading) -> bool:
    """Whether a table of people (who sells, by region) has no number that buys, nor anything else by which they could be customers."""
    if {"email", "phone", "accepts_marketing"} & set(customers.parts):
        return False
    bought, known = (one.parts["customer_id"].header for one in (buying, customers))
    row = connection.execute(
        f"select count(*) from {customers.sample.relation} where {values.said(known)} in (select {values.said(bought)} from {buying.sample.relation})"
    ).fetchone()
    return row == (0,)


def are_others(connection: duckdb.DuckDBPyConnection, buying: Reading, customers: Reading) -> bool:
    """Whether most numbers that two tables share have another address in each."""
    if "email" not in customers.parts or "email" not in buying.parts:
        return False
    sides = [people(one.sample, one.parts["customer_id"], one.parts["email"]) for one in (buying, customers)]
    row = connection.execute(
        f"select count(*), avg(same) from (select max(case when one.email = other.email then 1 else 0 end) as same "
        f"from {sides[0]} as one inner join {sides[1]} as other on one.number = other.number group by one.number)"
    ).fetchone()
    return bool(row and row[0] >= ENOUGH and row[1] < 0.5)


def people(sample: Sample, number: Part, email: Part) -> str:
    return (
        f"(select distinct {values.said(number.header)} as number, lower({values.said(email.header)}) as email from {sample.relation} "
        f"where {values.said(number.header)} is not null and {values.said(email.header)} is not null)"
    )
