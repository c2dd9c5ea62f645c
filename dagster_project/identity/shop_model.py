"""The shop's matching model: trained once, when enough records have names, and found again by what it was trained on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.dbt_vars import dbt_vars
from dagster_project.identity.splink_model import train
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
# A model, an edge and a stay depend on every module of this folder but these, which only show what was found.
APART = frozenset({"assets", "contact_points", "explain", "pictures", "questions", "review"})


@dataclass(frozen=True)
class Model:
    """The model in use (None: exact rules alone), since when, and its line of the model log."""

    text: str | None
    since: datetime | None
    log: pa.Table


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
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in APART:
            digest.update(path.read_bytes())
    digest.update(repr(dbt_vars()["countries"]).encode())
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()


def model_at_hand(warehouse: Warehouse, artifacts: Path) -> Model | None:
    """The model that earlier runs trained; its records are those that they compared."""
    log = warehouse.read("select * from identity.model_log")
    line = log.to_pylist()[0]
    folder = artifacts / "identity" / stamp(line["trained_as_of"]) if line["status"] == "trained" else None
    if folder is None or not folder.is_dir():
        return None
    return Model(load(folder, line["artifact_sha256"]), line["trained_as_of"], log)
