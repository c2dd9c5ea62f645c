"""From the store's records to its links: the model trained when it is due, new records compared with all, people found at each close.

    statements -> model (trained once) -> edges -> stays, merge log, review, shared values

Everything is a function of the records known by each moment, the code and the shop's decisions. What is kept from run to run (the model, what
comparing keeps, where each record stood at the last close) only saves the work of finding it again: a run reads the records that came since, and
touches the customers that these could change. `identity.linked_until` says what the kept tables are made of; where that is another, all is
found again.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import components
from dagster_project.identity.comparing import KEPT, compare_new, edges_of
from dagster_project.identity.link_lists import Decision, check_whole, constraints_of, in_force
from dagster_project.identity.review import review_of
from dagster_project.identity.splink_model import train
from dagster_project.identity.statements import (
    BROWSER_ATTACHMENTS,
    DIGEST,
    NEWEST,
    SHOP_CUT,
    SHOP_RULES,
    STATEMENTS,
    STATEMENTS_AFTER,
    attachments_sql,
)
from dagster_project.identity.stays import attach, can_merge, history
from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse, exists
from ml.registry import Account, Registry
from ml.store import load, save

# Fewer named records say too little about how people's names and addresses differ.
MIN_RECORDS = 2_000
MODEL_LOG = pa.schema(
    [
        ("trained_as_of", pa.timestamp("us")),
        ("records", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("artifact_sha256", pa.string()),
        ("fingerprint", pa.string()),
    ]
)
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
# What a model, an edge and a stay depend on besides the records.
MATCHING = (
    "normalise",
    "nicknames",
    "rules",
    "comparisons",
    "weights",
    "blocking",
    "estimation",
    "patterns",
    "splink_model",
    "comparing",
    "resolve",
    "clustering",
    "stays",
    "statements",
)


@dataclass(frozen=True)
class Model:
    """The model in use (None: exact rules alone), since when, and its line of the model log."""

    text: str | None
    since: datetime | None
    log: pa.Table


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

    def closing(day: date) -> datetime:
        return shop.moment(day).known_by

    with warehouse.transaction() as connection:
        if before:
            statements = said_since(connection, before.until)
        else:
            for table in (*KEPT, "stood", "stays", "merge_log"):
                connection.execute(f"drop table if exists identity.{table}")
        # Birth dates are dates, so no record says which part of one comes first.
        compare_new(connection, statements, model.text, SHOP_RULES, default_country=shop.country, day_first=True, since=model.since)
        tell("identity", "links")
        if before and not continues(before, statements, closes, decisions, closing):
            for table in ("stood", "stays", "merge_log"):
                connection.execute(f"drop table identity.{table}")
        find_people(connection, before.closed if before else None, closes, decisions, closing, key)
        attachments = [connection.execute(attachments_sql(rule)).to_arrow_table() for rule in SHOP_RULES]
        attachments.append(connection.execute(BROWSER_ATTACHMENTS).to_arrow_table())
        stays = connection.execute("select * from identity.stays order by source || ':' || source_customer_id, valid_from").to_arrow_table()
        links = pa.concat_tables([stays, attach(stays, pa.concat_tables(attachments))])
        constraints = constraints_of(in_force(decisions, closes[-1], closing)) if closes else constraints_of({})
        linked = Linked(
            edges=connection.execute("select rule, match_probability, known_until from identity.edges").to_arrow_table(),
            customer_links=links,
            merge_log=connection.execute("select * from identity.merge_log").to_arrow_table(),
            clerical_review=review_of(connection, constraints.cannot),
            shared_identifiers=connection.execute(
                "select * from identity.shared_identifiers order by rule, records desc, value_hash"
            ).to_arrow_table(),
            model_log=model.log,
            decisions=pa.Table.from_pylist([asdict(decision) for decision in decisions], schema=DECISIONS),
            model=model,
        )
        for table in ("customer_links", "clerical_review", "model_log", "decisions"):
            connection.register("incoming", getattr(linked, table))
            connection.execute(f"create or replace table identity.{table} as select * from incoming")
        connection.execute("drop table if exists identity.linked_until")
        if newest is not None:
            records, digest = connection.execute(DIGEST, [newest]).fetchall()[0]
            row = Until(kept_by(model, key), newest, records, digest, closes[-1], decided_by(decisions, closes[-1], closing))
            connection.register("incoming", pa.Table.from_pylist([asdict(row)]))
            connection.execute("create table identity.linked_until as select * from incoming")
    return linked


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


def model_at_hand(warehouse: Warehouse, artifacts: Path) -> Model | None:
    """The model that earlier runs trained; its records are those that they compared."""
    log = warehouse.read("select * from identity.model_log")
    line = log.to_pylist()[0]
    folder = artifacts / "identity" / stamp(line["trained_as_of"]) if line["status"] == "trained" else None
    if folder is None or not folder.is_dir():
        return None
    return Model(load(folder, line["artifact_sha256"]), line["trained_as_of"], log)


def decided_by(decisions: Sequence[Decision], moment: datetime, closing: Callable[[date], datetime]) -> str:
    """The SHA-256 of the decisions that are in force by a moment."""
    lines = [repr(decision) for decision in decisions if closing(decision.day) <= moment]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def continues(
    before: Until, fresh: pa.Table, closes: Sequence[datetime], decisions: Sequence[Decision], closing: Callable[[date], datetime]
) -> bool:
    """Whether people found at the closes so far stay as they are: what is new came after the last of them, and nobody decided otherwise."""
    earliest = pc.min(fresh["known_at"]).as_py()
    is_later = before.closed in closes and (earliest is None or earliest > before.closed)
    return is_later and decided_by(decisions, before.closed, closing) == before.decided


def find_people(
    connection: duckdb.DuckDBPyConnection,
    closed: datetime | None,
    closes: Sequence[datetime],
    decisions: Sequence[Decision],
    closing: Callable[[date], datetime],
    key: str,
) -> None:
    """Tables `stays`, `merge_log` and `stood` of schema `identity`, brought from the close `closed` to the last of `closes`.

    Where the three are not there yet, from the first close on; else only for the records in temp table `touched`, those that newer decisions are
    about, and all that hang together with them.
    """
    if not exists(connection, "identity.stood"):
        persons = connection.execute(PERSONS.format(among="")).to_arrow_table()
        found = history(persons, edges_of(connection, columns=TOLD_BY), SHOP_RULES, closes, decisions, closing, key, SHOP_CUT)
        for table, rows in (("stays", found.stays), ("merge_log", found.merge_log), ("stood", found.stood)):
            connection.register("incoming", rows)
            connection.execute(f"create table identity.{table} as select * from incoming")
        return
    assert closed is not None
    newer = [record for decision in decisions if closing(decision.day) > closed for record in decision.pair]
    hanging_together(connection, newer, [decision.pair for decision in decisions])
    persons = connection.execute(PERSONS.format(among="semi join around on normalised.owner = around.record_id")).to_arrow_table()
    stood = connection.execute("select stood.* from identity.stood as stood semi join around using (record_id)").to_arrow_table()
    edges = edges_of(connection, "around", columns=TOLD_BY)
    ahead = [close for close in closes if close >= closed]
    found = history(persons, edges, SHOP_RULES, ahead, decisions, closing, key, SHOP_CUT, stood)
    connection.register("new_stays", found.stays)
    connection.register("new_log", found.merge_log)
    connection.register("new_stood", found.stood)
    connection.execute(FOUND_ANEW)


# What `history` reads of an edge.
TOLD_BY = "record_a, record_b, rule, match_probability, known_at, known_until, match_weight"
PERSONS = "select owner as record_id, min(known_at) as known_at from identity.normalised {among} group by owner"


def hanging_together(connection: duckdb.DuckDBPyConnection, newer: Sequence[str], decided: Sequence[tuple[str, str]]) -> None:
    """Write temp table `around`: the records whose customer could change with the edges of those in temp table `touched` or with decisions about
    those in `newer`. They are all that hung together with them at the last close (`kin`), and with whom an edge along which groups merge or one
    of the pairs `decided` ties them now."""
    connection.register("newer_records", pa.table({"record_id": pa.array(newer, pa.string())}))
    pairs = [pa.array([pair[side] for pair in decided], pa.string()) for side in (0, 1)]
    connection.register("decided_pairs", pa.table(pairs, names=["record_a", "record_b"]))
    met = connection.execute(MET).to_arrow_table()
    met = met.filter(pc.or_(pc.is_null(met["rule"]), pa.array(can_merge(met, SHOP_CUT))))
    ends = pa.chunked_array([*met["kin_a"].chunks, *met["kin_b"].chunks], pa.string()).combine_chunks().dictionary_encode()
    left, right = np.split(ends.indices.to_numpy(), 2)
    label = components(len(ends.dictionary), left, right)
    seeds = left[met["is_seed"].to_numpy(zero_copy_only=False)]
    reached = np.flatnonzero(np.isin(label, label[seeds]))
    connection.register("reached", pa.table({"kin": ends.dictionary.take(pa.array(reached))}))
    connection.execute(AROUND)


# The kin on both sides of what may tie them now; a record that is not stood yet is its own. A seed is a pair with itself. An edge that was there
# before ties records that are kin already.
MET = """
with
seeds as (select record_id from touched union select record_id from newer_records),
pairs as (
    select record_a, record_b, rule, match_weight, false as is_seed from appeared
    union all
    select record_a, record_b, null, null, false from decided_pairs
    union all
    select record_id, record_id, null, null, true from seeds
),
met as materialized (select record_a as record_id from pairs union select record_b from pairs),
stood as materialized (select stood.record_id, stood.kin from identity.stood as stood semi join met using (record_id))
select pairs.rule, pairs.match_weight, pairs.is_seed, coalesce(l.kin, pairs.record_a) as kin_a, coalesce(r.kin, pairs.record_b) as kin_b
from pairs
left join stood as l on pairs.record_a = l.record_id
left join stood as r on pairs.record_b = r.record_id
"""
AROUND = """
create or replace temp table around as
select stood.record_id from identity.stood as stood semi join reached using (kin)
union
select record_id from touched
"""
FOUND_ANEW = """
delete from identity.stays where valid_to is null and source || ':' || source_customer_id in (select source || ':' || source_customer_id from new_stays);
insert into identity.stays select * from new_stays;
insert into identity.merge_log select * from new_log;
delete from identity.stood where record_id in (select record_id from new_stood);
insert into identity.stood select * from new_stood
"""


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


def model_of(
    warehouse: Warehouse, shop: Shop, statements: pa.Table, closes: Sequence[datetime], artifacts: Path, registry: Registry
) -> Model:
    """The shop's model: trained on what was known at the first close, or at the first close of a training day, with enough records."""
    for place, close in enumerate(closes):
        if place and (close - timedelta(hours=shop.close_after_hours)).weekday() != (shop.training_weekday + 1) % 7:
            continue
        known = statements.filter(pc.less_equal(statements["known_at"], pa.scalar(close, pa.timestamp("us"))))
        named = known.filter(pc.is_valid(known["family_name"]))
        records = pc.count_distinct(named["owner"]).as_py()
        if records >= MIN_RECORDS:
            return trained(warehouse, shop, known, records, close, artifacts, registry)
    reason = f"exact rules alone: no close had {MIN_RECORDS:,} records with names, from which a model could learn"
    row = {"trained_as_of": None, "records": 0, "status": "abstained", "reason": reason, "artifact_sha256": None, "fingerprint": None}
    return Model(None, None, pa.Table.from_pylist([row], schema=MODEL_LOG))


def trained(warehouse: Warehouse, shop: Shop, known: pa.Table, records: int, close: datetime, artifacts: Path, registry: Registry) -> Model:
    """The model of a close: the one at hand where it was trained on these records by this code, else a new one, recorded in MLflow."""
    fingerprint = fingerprint_of(known["record_id"].to_pylist())
    folder = artifacts / "identity" / stamp(close)
    if warehouse.exists("identity.model_log"):
        log = warehouse.read("select * from identity.model_log where fingerprint = ?", [fingerprint])
        if log.num_rows and folder.is_dir():
            return Model(load(folder, log["artifact_sha256"][0].as_py()), close, log)
    tell("identity", "training")
    text = train(known, shop.country)
    digest = save(text, folder)
    account = Account({"trained_as_of": close.isoformat(), "shop": shop.name}, {"records": records})
    registry.record("identity", text, account, promoted=True)
    reason = f"trained on {records:,} records with names"
    row = {"trained_as_of": close, "records": records, "status": "trained", "reason": reason, "artifact_sha256": digest}
    return Model(text, close, pa.Table.from_pylist([row | {"fingerprint": fingerprint}], schema=MODEL_LOG))


def fingerprint_of(parts: Sequence[str]) -> str:
    """The SHA-256 of the matching code and of `parts`."""
    digest = hashlib.sha256()
    for module in MATCHING:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()
