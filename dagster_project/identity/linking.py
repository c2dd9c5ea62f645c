"""From the store's records to its links: the model trained when it is due, new records compared with all, people found at each close.

    statements -> model (trained once) -> edges -> stays, merge log, review, shared values

Everything is a function of the records known by each moment, the code and the shop's decisions. What is kept from run to run (the model, what
comparing keeps, where each record stood at the last close) only saves the work of finding it again: a run reads the records that came since, and
touches the customers that these could change. `identity.linked_until` says what the kept tables are made of; where that is another, all is
found again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.attaching import attach
from dagster_project.identity.comparing import KEPT, compare_new
from dagster_project.identity.link_lists import Decision, Decisions, check_whole, constraints_of
from dagster_project.identity.people import find_people
from dagster_project.identity.review import review_of
from dagster_project.identity.shop_model import Model, fingerprint_of, model_at_hand, model_of
from dagster_project.identity.statements import (
    BROWSER_ATTACHMENTS,
    DIGEST,
    NEWEST,
    SHOP_RULES,
    STATEMENTS,
    STATEMENTS_AFTER,
    attachments_sql,
)
from dagster_project.progress import tell
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse
from ml.registry import Registry

DECISIONS = pa.schema(
    [
        ("day", pa.date32()),
        ("verdict", pa.string()),
        ("record_a", pa.string()),
        ("record_b", pa.string()),
        ("by", pa.string()),
        ("why", pa.string()),
    ]
)


@dataclass(frozen=True)
class Linked:
    """Everything that linking found, a table of the store each (schema `identity`)."""

    edges: pa.Table
    customer_links: pa.Table
    merge_log: pa.Table
    clerical_review: pa.Table
    shared_identifiers: pa.Table
    model_log: pa.Table
    decisions: pa.Table
    model: Model


@dataclass(frozen=True)
class Until:
    """What the kept tables are made of (the row of `identity.linked_until`).

    fingerprint: the SHA-256 of code, model and pseudonym key. until, records, digest: the newest record compared, and how many versions there are
    until then with what content. closed: the last close at which people were found. decided: the SHA-256 of the decisions in force by then.
    """

    fingerprint: str
    until: datetime
    records: int
    digest: str
    closed: datetime
    decided: str


def link_records(warehouse: Warehouse, shop: Shop, decisions: Sequence[Decision], key: str, artifacts: Path, registry: Registry) -> Linked:
    """Link the store's records and keep what was found.

    Raises:
        ValueError: the shop's decisions contradict each other.
    """
    check_whole(decisions)
    newest = warehouse.rows(NEWEST)[0][0]
    closes = closes_of(shop, newest)
    before = kept(warehouse)
    model = model_at_hand(warehouse, artifacts) if before else None
    # What other code or another key kept says nothing here, nor does its model: the store is linked as a new one would be.
    if before and model and before.fingerprint != kept_by(model, key):
        before = model = None
    statements = None
    if model is None:
        statements = warehouse.read(STATEMENTS)
        model = model_of(warehouse, shop, statements, closes, artifacts, registry)
    if before and before.fingerprint != kept_by(model, key):
        before = None
    tell("identity", "comparing")
    decided = Decisions(decisions, lambda day: shop.moment(day).known_by)
    with warehouse.transaction() as connection:
        if before:
            statements = said_since(connection, before.until)
        else:
            for table in (*KEPT, "stood", "stays", "merge_log"):
                connection.execute(f"drop table if exists identity.{table}")
        # Birth dates are dates, so no record says which part of one comes first.
        compare_new(connection, statements, model.text, SHOP_RULES, default_country=shop.country, day_first=True, since=model.since)
        tell("identity", "links")
        if before and not continues(before, statements, closes, decided):
            for table in ("stood", "stays", "merge_log"):
                connection.execute(f"drop table identity.{table}")
        find_people(connection, before.closed if before else None, closes, decided, key)
        constraints = constraints_of(decided.in_force(closes[-1])) if closes else constraints_of({})
        linked = tables_found(connection, model, decisions, review_of(connection, constraints.cannot))
        for table in ("customer_links", "clerical_review", "model_log", "decisions"):
            connection.register("incoming", getattr(linked, table))
            connection.execute(f"create or replace table identity.{table} as select * from incoming")
        connection.execute("drop table if exists identity.linked_until")
        if newest is not None:
            records, digest = connection.execute(DIGEST, [newest]).fetchall()[0]
            row = Until(kept_by(model, key), newest, records, digest, closes[-1], decided.digest(closes[-1]))
            connection.register("incoming", pa.Table.from_pylist([asdict(row)]))
            connection.execute("create table identity.linked_until as select * from incoming")
    return linked


def tables_found(connection: duckdb.DuckDBPyConnection, model: Model, decisions: Sequence[Decision], review: pa.Table) -> Linked:
    """What stands in the store now, and the links that follow from it."""

    def read(sql: str) -> pa.Table:
        return connection.execute(sql).to_arrow_table()

    attachments = [read(attachments_sql(rule)) for rule in SHOP_RULES] + [read(BROWSER_ATTACHMENTS)]
    stays = read("select * from identity.stays order by source || ':' || source_customer_id, valid_from")
    return Linked(
        edges=read("select rule, match_probability, known_until from identity.edges"),
        customer_links=pa.concat_tables([stays, attach(stays, pa.concat_tables(attachments))]),
        merge_log=read("select * from identity.merge_log"),
        clerical_review=review,
        shared_identifiers=read("select * from identity.shared_identifiers order by rule, records desc, value_hash"),
        model_log=model.log,
        decisions=pa.Table.from_pylist([asdict(decision) for decision in decisions], schema=DECISIONS),
        model=model,
    )


def kept_by(model: Model, key: str) -> str:
    """The fingerprint of what makes the kept tables."""
    return fingerprint_of([model.text or "exact rules alone", hashlib.sha256(key.encode()).hexdigest()])


def said_since(connection: duckdb.DuckDBPyConnection, moment: datetime) -> pa.Table:
    """What records state since a moment, and did not state before."""
    statements = connection.execute(STATEMENTS_AFTER, [moment]).to_arrow_table()
    connection.register("incoming", statements)
    return connection.execute(
        "select * from incoming anti join identity.normalised using (record_id) order by known_at, record_id"
    ).to_arrow_table()


def kept(warehouse: Warehouse) -> Until | None:
    """What earlier runs left, where it is made of the records that the store has."""
    if not warehouse.exists("identity.linked_until"):
        return None
    (row,) = warehouse.read("select * from identity.linked_until").to_pylist()
    until = Until(**row)
    return until if warehouse.rows(DIGEST, [until.until])[0] == (until.records, until.digest) else None


def continues(before: Until, fresh: pa.Table, closes: Sequence[datetime], decided: Decisions) -> bool:
    """Whether people found at the closes so far stay as they are: what is new came after the last of them, and nobody decided otherwise."""
    earliest = pc.min(fresh["known_at"]).as_py()
    is_later = before.closed in closes and (earliest is None or earliest > before.closed)
    return is_later and decided.digest(before.closed) == before.decided


def closes_of(shop: Shop, newest: datetime | None) -> list[datetime]:
    """When people are found: the close of the day before the shop's first, then of every day until the newest record is known."""
    if newest is None:
        return []
    day = shop.first_day - timedelta(days=1)
    closes = [shop.moment(day).known_by]
    while closes[-1] < newest:
        day += timedelta(days=1)
        closes.append(shop.moment(day).known_by)
    return closes
