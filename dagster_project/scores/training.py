"""Training a shop's models on a training day, and scoring a day with the newest that were promoted. Pure but for the store and the registry."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.progress import tell
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.customer_scores import Day, Trained, measure, score, train
from ml.registry import Registry
from ml.store import load, save

MODEL_LOG = pa.schema(
    [
        ("model", pa.string()),
        ("trained_as_of", pa.timestamp("us")),
        ("artifact_sha256", pa.string()),
        ("promoted", pa.bool_()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("metrics", pa.string()),
    ]
)
DAILY_MODELS = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("model", pa.string()),
        ("trained_as_of", pa.timestamp("us")),
        ("artifact_sha256", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
# The model's code name → the column of customer_scores that it gives, and how.
SNAPSHOTS = "select * from features.order_features where list_contains(?::timestamp[], as_of) order by as_of, customer_id"
LABELS = "select * from features.training_labels where list_contains(?::timestamp[], as_of) order by as_of, customer_id, horizon_days"
NEWEST = """
select model, trained_as_of, artifact_sha256, status, reason from scores.model_log
where trained_as_of <= ? qualify row_number() over (partition by model order by trained_as_of desc) = 1 order by model
"""


@dataclass(frozen=True)
class Scored:
    """One day's scores: a row per customer, and a row per model that says which model scored or why it abstained."""

    scores: pa.Table
    models: pa.Table


def train_all(warehouse: Warehouse, artifacts: Path, registry: Registry, training: Training) -> pa.Table:
    """Train every model on a training day; save what was trained, record it, and return the model log's new rows."""
    snapshots = warehouse.read(SNAPSHOTS, [training.days])
    labels = warehouse.read(LABELS, [training.days])
    rows, churn = [], None
    for model, planned in training.plans.items():
        tell("scores", f"training {model}")
        kind = "value" if model == "value" else "churn"
        trained = train(kind, planned, snapshots, labels, churn=churn)
        churn = trained if model == "churn" else churn
        rows.append(log_row(model, training.moment.as_of, trained, artifacts, registry))
    return pa.Table.from_pylist(rows, schema=MODEL_LOG)


def log_row(model: str, trained_as_of: datetime, trained: Trained | Abstained, artifacts: Path, registry: Registry) -> dict[str, object]:
    row: dict[str, object] = {"model": model, "trained_as_of": trained_as_of, "artifact_sha256": None, "promoted": False, "metrics": None}
    if isinstance(trained, Abstained):
        return row | {"status": "abstained", "reason": trained.reason}
    digest = save(trained, artifacts / model / f"{trained_as_of:%Y%m%dT%H%M%SZ}")
    verdict = trained.verdict
    reason = verdict.reason if verdict else "no back-test: the history is too short for one"
    metrics = {name: [round(value, 6) for value in gap] for name, gap in verdict.differences.items()} if verdict else {}
    promoted = bool(verdict and verdict.promoted)
    registry.record(
        model,
        trained,
        params={"trained_as_of": trained_as_of.isoformat(), "kind": type(trained.model).__name__, "horizon_days": trained.model.horizon_days},
        metrics={f"{name}_gain{suffix}": gap[at] for name, gap in metrics.items() for at, suffix in enumerate(("", "_low", "_high"))},
        promoted=promoted,
    )
    return row | {
        "artifact_sha256": digest,
        "promoted": promoted,
        "status": "trained",
        "reason": reason if promoted else f"BG/NBD stays: {reason}",
        "metrics": json.dumps(metrics, sort_keys=True),
    }


def score_day(warehouse: Warehouse, artifacts: Path, as_of: datetime) -> Scored:
    """Score one day's customers with the newest models trained at or before it."""
    features = warehouse.read("select * from features.order_features where as_of = ? order by customer_id", [as_of])
    columns: dict[str, pa.Array] = {"customer_id": features["customer_id"]}
    models = []
    for model, trained_as_of, digest, status, reason in warehouse.rows(NEWEST, [as_of]):
        row = {"as_of": as_of, "model": model, "trained_as_of": trained_as_of, "artifact_sha256": digest, "status": status, "reason": reason}
        models.append(row | {"status": "abstained" if digest is None or not features.num_rows else "scored"})
        if digest is None or not features.num_rows:
            continue
        tell("scores", model)
        trained = load(artifacts / model / f"{trained_as_of:%Y%m%dT%H%M%SZ}", digest)
        columns |= columns_of(model, trained, measure(trained, features), features)
    return Scored(pa.table(columns), pa.Table.from_pylist(models, schema=DAILY_MODELS))


def columns_of(model: str, trained: Trained, day: Day, features: pa.Table) -> dict[str, pa.Array]:
    """The columns of customer_scores that a model gives."""
    table = score(trained, day, features)
    if model == "churn":
        return {"churn_probability": table["churn_probability"]}
    if model == "purchase":
        return {"purchase_30d_probability": pc.round(pc.subtract(1.0, table["churn_probability"]), 6)}
    return {name: table[name] for name in ("clv_365d_amount", "clv_365d_median", "clv_365d_low", "clv_365d_high")}
