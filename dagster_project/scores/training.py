"""Training a shop's models on a training day, and scoring a day with the newest that were promoted. Pure but for the store and the registry."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.customer_scores import Plan, Trained, measure, score, train
from ml.propensity import PropensityModel, is_vip, measure_propensity, numeric_columns, score_propensity, train_propensity
from ml.registry import Registry
from ml.signals import numbers
from ml.snapshots import days_of, of_day
from ml.store import load, save

Model = Trained | PropensityModel | Abstained

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
SNAPSHOTS = "select * from features.order_features where list_contains(?::timestamp[], as_of) order by as_of, customer_id"
LABELS = "select * from features.training_labels where list_contains(?::timestamp[], as_of) order by as_of, customer_id, horizon_days"
PROSPECTS = """
select features.*, labels.has_ordered::integer as has_ordered
from features.customer_features as features
inner join features.prospect_labels as labels using (as_of, customer_id)
where list_contains(?::timestamp[], as_of) and labels.label_until <= ?
order by as_of, customer_id
"""
TODAYS_PROSPECTS = "select * from features.customer_features where as_of = ? and orders_count = 0 order by customer_id"
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
    rows: list[dict[str, object]] = []
    churn: Model | None = None
    for model, planned in training.plans.items():
        tell("scores", f"training {model}")
        if model == "first_purchase":
            trained: Model = train_first_purchase(warehouse, planned)
        else:
            trained = train_model(model, planned, snapshots, labels, churn)
        churn = trained if model == "churn" else churn
        rows.append(log_row(model, training.moment.as_of, trained, artifacts, registry))
    return pa.Table.from_pylist(rows, schema=MODEL_LOG)


def train_model(model: str, planned: Plan, snapshots: pa.Table, labels: pa.Table, churn: Model | None) -> Model:
    """Train one model; a purchase model is a churn model over a shorter horizon, read the other way round."""
    if model == "vip":
        return train_vip(planned, snapshots, labels)
    return train(
        "value" if model == "value" else "churn",
        planned,
        snapshots,
        labels,
        churn=churn if not isinstance(churn, PropensityModel) else None,
    )


def train_vip(planned: Plan, snapshots: pa.Table, labels: pa.Table) -> PropensityModel | Abstained:
    """Who will be in the top tenth by next year's value; only where a year has already followed a past day."""
    if not planned.horizons or planned.horizons[0] < planned.horizon_days:
        return Abstained(f"needs two years of orders to see who was a VIP {planned.horizon_days} days after a past day")
    outcomes = labels.filter(pc.equal(labels["horizon_days"], planned.horizon_days))
    days = [day for day in days_of(outcomes) if day + timedelta(days=planned.horizon_days) <= planned.as_of]
    happened = [is_vip(numbers(of_day(outcomes, day), "net_amount")) for day in days]
    return train_propensity("VIP", [of_day(snapshots, day) for day in days], happened)


def train_first_purchase(warehouse: Warehouse, planned: Plan) -> PropensityModel | Abstained:
    """Who of those who never bought does so within 30 days, from visits, mails, age and tastes."""
    rows = warehouse.read(PROSPECTS, [list(planned.days), planned.as_of])
    days = days_of(rows)
    snapshots = [of_day(rows, day) for day in days]
    happened = [numbers(snapshot, "has_ordered") for snapshot in snapshots]
    columns = tuple(name for name in numeric_columns(rows) if name != "has_ordered") if rows.num_rows else ()
    return train_propensity("make a first purchase", snapshots, happened, columns)


def log_row(model: str, trained_as_of: datetime, trained: Model, artifacts: Path, registry: Registry) -> dict[str, object]:
    row: dict[str, object] = {"model": model, "trained_as_of": trained_as_of, "artifact_sha256": None, "promoted": False, "metrics": None}
    if isinstance(trained, Abstained):
        return row | {"status": "abstained", "reason": trained.reason}
    digest = save(trained, artifacts / model / stamp(trained_as_of))
    promoted, reason, metrics, horizon_days = account_of(trained)
    registry.record(
        model,
        trained,
        params={"trained_as_of": trained_as_of.isoformat(), "horizon_days": horizon_days, "shop": registry.experiment},
        metrics=metrics,
        promoted=promoted,
    )
    return row | {
        "artifact_sha256": digest,
        "promoted": promoted,
        "status": "trained",
        "reason": reason,
        "metrics": json.dumps({name: round(value, 6) for name, value in metrics.items()}, sort_keys=True),
    }


def account_of(trained: Trained | PropensityModel) -> tuple[bool, str, dict[str, float], int]:
    """Whether a model was promoted and why, its numbers, and the days it looks ahead."""
    if isinstance(trained, PropensityModel):
        gain = trained.base_log_loss - trained.log_loss
        metrics = {"auc": trained.auc, "log_loss": trained.log_loss, "base_log_loss": trained.base_log_loss}
        return True, f"AUC {trained.auc:.3f}, log-loss {gain:.4f} better than everyone's rate on the day held back", metrics, 0
    verdict = trained.verdict
    if verdict is None:
        return False, "BG/NBD stays: the history is too short for a back-test", {}, trained.model.horizon_days
    metrics = {
        f"{name}_gain{suffix}": gap[at] for name, gap in verdict.differences.items() for at, suffix in enumerate(("", "_low", "_high"))
    }
    reason = verdict.reason if verdict.promoted else f"BG/NBD stays: {verdict.reason}"
    return verdict.promoted, reason, metrics, trained.model.horizon_days


def score_day(warehouse: Warehouse, artifacts: Path, as_of: datetime) -> Scored:
    """Score one day's customers with the newest models trained at or before it."""
    features = warehouse.read("select * from features.order_features where as_of = ? order by customer_id", [as_of])
    columns: dict[str, pa.Array] = {"customer_id": features["customer_id"]}
    prospects = warehouse.read(TODAYS_PROSPECTS, [as_of])
    first: dict[str, pa.Array] = {"customer_id": prospects["customer_id"]}
    models = []
    for model, trained_as_of, digest, status, reason in warehouse.rows(NEWEST, [as_of]):
        row = {
            "as_of": as_of,
            "model": model,
            "trained_as_of": trained_as_of,
            "artifact_sha256": digest,
            "status": status,
            "reason": reason,
        }
        models.append(row | {"status": "abstained" if digest is None or not features.num_rows else "scored"})
        if digest is None or not features.num_rows:
            continue
        tell("scores", model)
        trained = load(artifacts / model / stamp(trained_as_of), digest)
        if model == "first_purchase":
            first |= columns_of(model, trained, prospects)
        else:
            columns |= columns_of(model, trained, features)
    scores = pa.concat_tables([pa.table(columns), pa.table(first)], promote_options="default")
    return Scored(scores, pa.Table.from_pylist(models, schema=DAILY_MODELS))


def columns_of(model: str, trained: Trained | PropensityModel, features: pa.Table) -> dict[str, pa.Array]:
    """The columns of customer_scores that a model gives."""
    if isinstance(trained, PropensityModel):
        probability = score_propensity(trained, measure_propensity(trained, features), features)
        return {f"{model}_probability": pa.array(np.round(probability, 6))}
    table = score(trained, measure(trained, features), features)
    if model == "churn":
        return {"churn_probability": table["churn_probability"]}
    if model == "purchase":
        return {"purchase_30d_probability": pc.round(pc.subtract(1.0, table["churn_probability"]), 6)}
    return {name: table[name] for name in ("clv_365d_amount", "clv_365d_median", "clv_365d_low", "clv_365d_high")}
