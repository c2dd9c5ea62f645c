"""Training a shop's models on a training day, and scoring a day with the newest that were promoted. Pure but for the store and the registry."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.scores.score_models import SCORE_MODELS, ScoreModel
from dagster_project.scores.scoring import columns_of, measure
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.clusters import ClusterModel, train_clusters
from ml.customer_scores import Plan, Trained, train
from ml.propensity import PropensityModel, is_vip, train_propensity
from ml.registry import Registry
from ml.signals import numbers
from ml.snapshots import days_of, of_day
from ml.store import load, save

Model = Trained | PropensityModel | ClusterModel | Abstained

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
# The outcomes of past days beside what was known of them; those whose 30 days had passed by the training day.
OUTCOMES = """
select features.*, labels.has_happened::integer as has_happened
from {features} as features
inner join features.outcome_labels as labels using ({key})
where labels.outcome = ? and list_contains(?::timestamp[], as_of) and labels.label_until <= ?
order by {key}
"""
TODAYS = "select * from {features} where as_of = ? and {scored} order by {key}"
CLUSTERS = pa.schema([("as_of", pa.timestamp("us")), ("cluster", pa.string()), ("description", pa.string())])
PREVIOUS = """
select trained_as_of, artifact_sha256 from scores.model_log
where model = ? and trained_as_of < ? and artifact_sha256 is not null order by trained_as_of desc limit 1
"""
NEWEST = """
select model, trained_as_of, artifact_sha256, status, reason from scores.model_log
where trained_as_of <= ? qualify row_number() over (partition by model order by trained_as_of desc) = 1 order by model
"""


@dataclass(frozen=True)
class Scored:
    """One day's scores: a row per customer, a row per model that says which model scored or why it abstained, and a row per cluster."""

    scores: pa.Table
    models: pa.Table
    clusters: pa.Table


def train_all(warehouse: Warehouse, artifacts: Path, registry: Registry, training: Training) -> pa.Table:
    """Train every model on a training day; save what was trained, record it, and return the model log's new rows."""
    snapshots = warehouse.read(SNAPSHOTS, [training.days])
    labels = warehouse.read(LABELS, [training.days])
    rows: list[dict[str, object]] = []
    churn: Model | None = None
    for model, planned in training.plans.items():
        tell("scores", f"training {model}")
        if SCORE_MODELS[model].learns == "clusters":
            trained: Model = train_groups(warehouse, artifacts, model, training, snapshots)
        else:
            trained = train_model(warehouse, SCORE_MODELS[model], planned, snapshots, labels, churn)
        churn = trained if model == "churn" else churn
        rows.append(log_row(model, training.moment.as_of, trained, artifacts, registry))
    return pa.Table.from_pylist(rows, schema=MODEL_LOG)


def train_model(
    warehouse: Warehouse, model: ScoreModel, planned: Plan, snapshots: pa.Table, labels: pa.Table, churn: Model | None
) -> Model:
    """Train one model; a purchase model is a churn model over a shorter horizon."""
    if model.learns == "vip":
        return train_vip(planned, snapshots, labels, model.outcome)
    if model.learns == "outcome":
        return train_outcome(warehouse, model, planned)
    kind = "churn" if model.name == "purchase" else model.name
    return train(kind, planned, snapshots, labels, churn=churn if isinstance(churn, Trained) else None)


def train_vip(planned: Plan, snapshots: pa.Table, labels: pa.Table, outcome: str) -> PropensityModel | Abstained:
    """Who will be in the top tenth by next year's value; only where a year has already followed a past day."""
    if not planned.horizons or planned.horizons[0] < planned.horizon_days:
        return Abstained(f"needs two years of orders to see who was a VIP {planned.horizon_days} days after a past day")
    outcomes = labels.filter(pc.equal(labels["horizon_days"], planned.horizon_days))
    days = [day for day in days_of(outcomes) if day + timedelta(days=planned.horizon_days) <= planned.as_of]
    happened = [is_vip(numbers(of_day(outcomes, day), "net_amount")) for day in days]
    return train_propensity(outcome, [of_day(snapshots, day) for day in days], happened)


def train_groups(warehouse: Warehouse, artifacts: Path, model: str, training: Training, snapshots: pa.Table) -> ClusterModel | Abstained:
    """Group the training day's buyers; a group that is mostly one of the last training's keeps its name."""
    as_of, previous = training.moment.as_of, None
    if warehouse.exists("scores.model_log"):
        for trained_as_of, digest in warehouse.rows(PREVIOUS, [model, as_of]):
            previous = load(artifacts / model / stamp(trained_as_of), digest)
    return train_clusters(of_day(snapshots, as_of), training.clustering, previous)


def train_outcome(warehouse: Warehouse, model: ScoreModel, planned: Plan) -> PropensityModel | Abstained:
    """Learn an outcome of `features.outcome_labels` from the planned days."""
    sql = OUTCOMES.format(features=model.features, key=", ".join(model.key))
    rows = warehouse.read(sql, [model.name, list(planned.days), planned.as_of])
    snapshots = [of_day(rows, day) for day in days_of(rows)]
    happened = [numbers(snapshot, "has_happened") for snapshot in snapshots]
    return train_propensity(model.outcome, [snapshot.drop_columns(["has_happened"]) for snapshot in snapshots], happened)


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


def account_of(trained: Trained | PropensityModel | ClusterModel) -> tuple[bool, str, dict[str, float], int]:
    """Whether a model was promoted and why, its numbers, and the days it looks ahead."""
    if isinstance(trained, PropensityModel):
        gain = trained.base_log_loss - trained.log_loss
        metrics = {"auc": trained.auc, "log_loss": trained.log_loss, "base_log_loss": trained.base_log_loss}
        return True, f"AUC {trained.auc:.3f}, log-loss {gain:.4f} better than everyone's rate, on customers not seen", metrics, 0
    if isinstance(trained, ClusterModel):
        metrics = {"groups": float(len(trained.names)), "agreement_mean": trained.agreement[0], "agreement_worst": trained.agreement[1]}
        told = f"{len(trained.names)} groups; customers drawn anew fall into the same: {trained.agreement[0]:.2f}, at worst"
        return True, f"{told} {trained.agreement[1]:.2f}", metrics, 0
    verdict = trained.verdict
    if verdict is None:
        return False, "BG/NBD stays: the history is too short for a back-test", {}, trained.model.horizon_days
    metrics = {
        f"{name}_gain{suffix}": gap[at] for name, gap in verdict.differences.items() for at, suffix in enumerate(("", "_low", "_high"))
    }
    reason = verdict.reason if verdict.promoted else f"BG/NBD stays: {verdict.reason}"
    return verdict.promoted, reason, metrics, trained.model.horizon_days


def score_day(warehouse: Warehouse, artifacts: Path, as_of: datetime, first_day: date) -> Scored:
    """Score one day's customers with the newest models trained at or before it; `first_day` is the shop's day that begins then."""
    tables, models, groups = [pa.table({"customer_id": pa.array([], pa.string())})], [], []
    for name, trained_as_of, digest, status, reason in warehouse.rows(NEWEST, [as_of]):
        model = SCORE_MODELS[name]
        row = {"as_of": as_of, "model": name, "trained_as_of": trained_as_of, "artifact_sha256": digest, "status": status, "reason": reason}
        features = warehouse.read(todays(model), [as_of]) if digest is not None else None
        models.append(row | {"status": "scored" if features else "abstained"})
        if not features:
            continue
        tell("scores", name)
        trained = load(artifacts / name / stamp(trained_as_of), digest)
        if isinstance(trained, ClusterModel):
            told = zip(trained.names, trained.descriptions, strict=True)
            groups = [{"as_of": as_of, "cluster": cluster, "description": description} for cluster, description in sorted(told)]
        tables.append(columns_of(name, trained, measure(trained, features), features, first_day))
    scores = tables[0]
    for table in tables[1:]:
        scores = scores.join(table, keys="customer_id", join_type="full outer")
    return Scored(
        scores.sort_by("customer_id"), pa.Table.from_pylist(models, schema=DAILY_MODELS), pa.Table.from_pylist(groups, schema=CLUSTERS)
    )


def todays(model: ScoreModel) -> str:
    """The rows of a moment that a model scores."""
    return TODAYS.format(features=model.features, scored=model.scored, key=", ".join(model.key))
