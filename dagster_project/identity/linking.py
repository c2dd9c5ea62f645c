"""From the store's records to its links: the model trained when it is due, new records compared with all, people found at each close.

    statements -> model (trained once) -> edges (kept from run to run) -> stays, merge log, review, shared values

Everything is a function of the records known by each moment, the code and the shop's decisions. What is kept from run to run (the model, the
edges) only saves the work of finding it again; where its fingerprint is another, it is found again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.link_lists import Decision, check_whole, constraints_of, in_force
from dagster_project.identity.resolve import compare, review_of
from dagster_project.identity.splink_model import train
from dagster_project.identity.statements import BROWSER_ATTACHMENTS, PERSONS, SHOP_CUT, SHOP_RULES, STATEMENTS, attachments_sql
from dagster_project.identity.stays import attach, history
from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse
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
# What a model and an edge depend on besides the records.
MATCHING = ("normalise", "nicknames", "rules", "comparisons", "blocking", "estimation", "patterns", "splink_model", "resolve", "statements")


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


def link_records(warehouse: Warehouse, shop: Shop, decisions: Sequence[Decision], key: str, artifacts: Path, registry: Registry) -> Linked:
    """Link the store's records and keep what was found.

    Raises:
        ValueError: the shop's decisions contradict each other.
    """
    check_whole(decisions)
    statements = warehouse.read(STATEMENTS)
    persons = warehouse.read(PERSONS)
    closes = closes_of(shop, max(persons["known_at"].to_pylist(), default=None))
    model = model_of(warehouse, shop, statements, closes, artifacts, registry)
    tell("identity", "comparing")
    edges, shared = edges_of(warehouse, shop, statements, model)
    tell("identity", "links")

    def closing(day: date) -> datetime:
        return shop.moment(day).known_by

    found = history(persons, edges, SHOP_RULES, closes, decisions, closing, key, SHOP_CUT)
    attachments = [warehouse.read(attachments_sql(rule)) for rule in SHOP_RULES] + [warehouse.read(BROWSER_ATTACHMENTS)]
    links = pa.concat_tables([found.stays, attach(found.stays, pa.concat_tables(attachments))])
    present = edges.filter(pc.is_null(edges["known_until"]))
    anchor = dict(zip(found.records, found.anchors.tolist(), strict=True))
    ends = zip(present["record_a"].to_pylist(), present["record_b"].to_pylist(), strict=True)
    constraints = constraints_of(in_force(decisions, closes[-1], closing)) if closes else constraints_of({})
    is_apart = np.array([anchor[one] != anchor[other] for one, other in ends], dtype=bool)
    review = review_of(present, is_apart, constraints)
    rows = [asdict(decision) for decision in decisions]
    linked = Linked(edges, links, found.merge_log, review, shared, model.log, pa.Table.from_pylist(rows, schema=DECISIONS), model)
    for table in ("customer_links", "merge_log", "clerical_review", "shared_identifiers", "model_log", "decisions"):
        warehouse.replace(f"identity.{table}", getattr(linked, table))
    return linked


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


def edges_of(warehouse: Warehouse, shop: Shop, statements: pa.Table, model: Model) -> tuple[pa.Table, pa.Table]:
    """Edges and shared values (see `compare`): statements that an earlier run has not seen are weighed against all, the others' edges kept."""
    fingerprint = fingerprint_of([model.text or "exact rules alone"])
    fresh = unseen(warehouse, statements, fingerprint) if model.text else None
    known = warehouse.read("select * from identity.edges") if fresh is not None else None
    found = compare(statements, model.text, SHOP_RULES, only_new=fresh, known_edges=known, default_country=shop.country)
    edges = found.edges
    if model.since is not None:
        # What the model says counts from its training on.
        since = pa.scalar(model.since, pa.timestamp("us"))
        counted = pc.if_else(pc.is_valid(edges["match_weight"]), pc.max_element_wise(edges["known_at"], since), edges["known_at"])
        edges = edges.set_column(edges.schema.get_field_index("known_at"), "known_at", counted)
    stamps = pa.array([fingerprint] * statements.num_rows, pa.string())
    seen = statements.select(["record_id", "known_at"]).append_column("fingerprint", stamps)
    with warehouse.transaction() as connection:
        for table, rows in (("edges", edges), ("compared", seen)):
            connection.register("incoming", rows)
            connection.execute(f"create or replace table identity.{table} as select * from incoming")
    return edges, found.shared


def unseen(warehouse: Warehouse, statements: pa.Table, fingerprint: str) -> list[str] | None:
    """The statements that came since the edges at hand were found; None where those must be found anew (other code, another model, statements
    that are gone or came in between)."""
    if not (warehouse.exists("identity.edges") and warehouse.exists("identity.compared")):
        return None
    seen = warehouse.rows("select record_id, known_at from identity.compared where fingerprint = ?", [fingerprint])
    now = dict(zip(statements["record_id"].to_pylist(), statements["known_at"].to_pylist(), strict=True))
    if not seen or any(now.get(record) != known_at for record, known_at in seen):
        return None
    old = {record for record, _ in seen}
    fresh = [record for record in now if record not in old]
    newest = max((known_at, record) for record, known_at in seen)
    return fresh if all((now[record], record) > newest for record in fresh) else None


def fingerprint_of(parts: Sequence[str]) -> str:
    """The SHA-256 of the matching code and of `parts`."""
    digest = hashlib.sha256()
    for module in MATCHING:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()
