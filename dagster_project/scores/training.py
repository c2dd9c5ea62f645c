"""Training a shop's models on a training day, and scoring a day with the newest that were promoted. Pure but for the store and the registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.progress import tell
from dagster_project.scores.model_log import Row, in_force, logged
from dagster_project.scores.reasons import SCORE_REASONS, reasons_of
from dagster_project.scores.recording import Model, Recorder, Standing, champions
from dagster_project.scores.score_models import SCORE_MODELS, ScoreModel
from dagster_project.scores.scoring import CANNOT, Day, check_columns, columns_of, measure
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.brought import Unusable
from ml.clusters import ClusterModel, train_clusters
from ml.customer_scores import Trained, train
from ml.parallel import side_by_side
from ml.planning import Plan
from ml.propensity import PropensityModel, is_vip, train_propensity
from ml.registry import Registry
from ml.signals import numbers
from ml.snapshots import data_version, days_of, followed, of_day
from ml.store import RefusedArtifact, load, place

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
# A training has some forty snapshots in memory: of a large shop those of a part of its customers, the same ones on every day.
MOST_CUSTOMERS = 100_000
# Rows scored at once.
MOST_ROWS = 100_000
TAUGHT = "list_contains(?::timestamp[], as_of) and md5_number_lower(customer_id) % 1000 < ?"
SNAPSHOTS = f"select * from features.order_features where {TAUGHT} order by as_of, customer_id"
LABELS = f"select * from features.training_labels where {TAUGHT} order by as_of, customer_id, horizon_days"
MOST_ON_A_DAY = """
select coalesce(max(customers), 0)
from (select count(*) as customers from features.order_features where list_contains(?::timestamp[], as_of) group by as_of) as days
"""
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


# What these learn is what was paid.
OF_MONEY = ("value", "vip")


@dataclass(frozen=True)
class Scored:
    """One day's scores: a row per customer, a row per model that says which model scored or why it abstained, the groups that customers were put
    in, and the reasons (three rows per customer and score)."""

    scores: pa.Table
    models: pa.Table
    clusters: pa.Table
    reasons: pa.Table


def train_all(warehouse: Warehouse, artifacts: Path, registry: Registry, training: Training) -> pa.Table:
    """Train every model on a training day; save what was trained, record it, and return the model log's new rows."""
    snapshots, labels = learned_from(warehouse, training.days)
    recorder = Recorder(artifacts, registry, registry.experiment, training, data_version(snapshots, labels))
    standing = champions(warehouse, artifacts, training.moment.as_of)
    scoring = {one.model for one in in_force(warehouse, training.moment.as_of) if one.sha256}

    def trained(model: str, churn: Model | None = None) -> Model:
        tell("scores", f"training {model}")
        if SCORE_MODELS[model].learns == "clusters":
            return train_groups(training, snapshots, standing.get(model))
        return train_model(warehouse, SCORE_MODELS[model], training.plans[model], snapshots, labels, churn, standing.get(model))

    # What somebody will be worth is told from whether they come back; the others need nothing of each other.
    models: dict[str, Model] = {"churn": trained("churn")} if "churn" in training.plans else {}
    others = [model for model in training.plans if model not in models]
    models |= zip(others, side_by_side(lambda model: trained(model, models.get("churn")), others), strict=True)
    rows: list[Row] = []
    for model in training.plans:
        tell("scores", f"recording {model}")
        rows += recorder.rows(model, models[model], standing.get(model), scores=model in scoring)
    return logged(rows)


def learned_from(warehouse: Warehouse, days: Sequence[datetime], most: int = MOST_CUSTOMERS) -> tuple[pa.Table, pa.Table]:
    """Order features and labels of some days: of all customers, or of about `most` in a shop that has more."""
    ((customers,),) = warehouse.rows(MOST_ON_A_DAY, [list(days)])
    per_thousand = 1000 if customers <= most else max(1000 * most // customers, 1)
    return warehouse.read(SNAPSHOTS, [list(days), per_thousand]), warehouse.read(LABELS, [list(days), per_thousand])


def train_model(
    warehouse: Warehouse,
    model: ScoreModel,
    planned: Plan,
    snapshots: pa.Table,
    labels: pa.Table,
    churn: Model | None,
    standing: object = None,
) -> Model:
    """Train one model."""
    if model.name in OF_MONEY and not (numbers(labels, "net_amount") > 0).any():
        return Abstained("no order of a past day says what was paid")
    if model.learns == "vip":
        return train_vip(planned, snapshots, labels, model.outcome, standing)
    if model.learns == "outcome":
        return train_outcome(warehouse, model, planned, standing)
    return train(
        model.opposite_of or model.name,
        planned,
        snapshots,
        labels,
        churn=churn if isinstance(churn, Trained) else None,
        champion=standing if isinstance(standing, Trained) else None,
    )


def train_vip(planned: Plan, snapshots: pa.Table, labels: pa.Table, outcome: str, standing: object = None) -> PropensityModel | Abstained:
    """Who will be in the top tenth by next year's value; only where a year has already followed a past day."""
    if not planned.horizons or planned.horizons[0] < planned.horizon_days:
        return Abstained(f"needs two years of orders to see who was a VIP {planned.horizon_days} days after a past day")
    outcomes = labels.filter(pc.equal(labels["horizon_days"], planned.horizon_days))
    days = [day for day in days_of(outcomes) if day in planned.days and day + timedelta(days=planned.horizon_days) <= planned.as_of]
    rows = [followed(snapshots, outcomes, day) for day in days]
    happened = [is_vip(numbers(came, "net_amount")) for _, came in rows]
    return train_propensity(outcome, [features for features, _ in rows], happened, champion=propensity_in(standing))


def train_groups(training: Training, snapshots: pa.Table, previous: object) -> ClusterModel | Abstained:
    """Group the training day's buyers; a group that is mostly one of the last training's keeps its name."""
    today = of_day(snapshots, training.moment.as_of)
    return train_clusters(today, training.clustering, previous if isinstance(previous, ClusterModel) else None)


def propensity_in(standing: object) -> PropensityModel | None:
    return standing if isinstance(standing, PropensityModel) else None


def train_outcome(warehouse: Warehouse, model: ScoreModel, planned: Plan, standing: object = None) -> PropensityModel | Abstained:
    """Learn an outcome of `features.outcome_labels` from the planned days."""
    sql = OUTCOMES.format(features=model.features, key=", ".join(model.key))
    rows = warehouse.read(sql, [model.name, list(planned.days), planned.as_of])
    snapshots = [of_day(rows, day) for day in days_of(rows)]
    happened = [numbers(snapshot, "has_happened") for snapshot in snapshots]
    features = [snapshot.drop_columns(["has_happened"]) for snapshot in snapshots]
    return train_propensity(model.outcome, features, happened, champion=propensity_in(standing))


def score_day(
    warehouse: Warehouse, artifacts: Path, as_of: datetime, first_day: date, known: Mapping[str, ScoreModel] = SCORE_MODELS
) -> Scored:
    """Score one day's customers with those of the `known` models that are in force; `first_day` is the shop's day that begins then."""
    tables, models, groups = [pa.table({"customer_id": pa.array([], pa.string())})], [], []
    reasons = [SCORE_REASONS.empty_table()]
    for standing in in_force(warehouse, as_of):
        if standing.model not in known:
            continue
        model, sha256 = known[standing.model], standing.sha256
        features = warehouse.read(todays(model), [as_of]) if sha256 else None
        models.append(
            {
                "as_of": as_of,
                "model": model.name,
                "trained_as_of": standing.trained_as_of,
                "artifact_sha256": sha256,
                "status": "scored" if features else "abstained",
                "reason": standing.reason,
            }
        )
        if not features or not sha256:
            continue
        tell("scores", model.name)
        try:
            trained = load(place(artifacts / model.name, sha256), sha256)
            check_columns(trained, features)
            day = measure(trained, features)
            scored, why = said_of(model, trained, day, features, first_day, as_of)
        except (Unusable, RefusedArtifact) as error:
            # One model's trouble is not the night's: the others score.
            lost = isinstance(error, RefusedArtifact)
            models[-1] |= {"status": "abstained", "reason": f"{CANNOT}its files are lost or changed ({error})" if lost else str(error)}
            continue
        if isinstance(trained, ClusterModel):
            told = zip(trained.names, trained.descriptions, strict=True)
            groups = [{"as_of": as_of, "cluster": cluster, "description": description} for cluster, description in sorted(told)]
        tables.append(scored)
        reasons.append(why)
    scores = tables[0]
    for table in tables[1:]:
        scores = scores.join(table, keys="customer_id", join_type="full outer")
    return Scored(
        scores.sort_by("customer_id"),
        pa.Table.from_pylist(models, schema=DAILY_MODELS),
        pa.Table.from_pylist(groups, schema=CLUSTERS),
        pa.concat_tables(reasons),
    )


def said_of(
    model: ScoreModel, trained: Standing, day: Day, features: pa.Table, first_day: date, as_of: datetime
) -> tuple[pa.Table, pa.Table]:
    """A day's scores by one model, and their reasons: so many rows at a time that memory does not grow with them."""
    scores, reasons = [], [SCORE_REASONS.empty_table()]
    # A customer with several rows (categories) is judged by all of them.
    at_once = MOST_ROWS if model.key == ("as_of", "customer_id") else max(features.num_rows, 1)
    for start in range(0, max(features.num_rows, 1), at_once):
        rows = features.slice(start, at_once) if features.num_rows > at_once else features
        scores.append(columns_of(model.name, trained, day, rows, first_day))
        if not isinstance(trained, ClusterModel):
            reasons.append(reasons_of(model, trained, day, rows, scores[-1], as_of))
    return pa.concat_tables(scores), pa.concat_tables(reasons)


def todays(model: ScoreModel) -> str:
    """The rows of a moment that a model scores."""
    return TODAYS.format(features=model.features, scored=model.scored, key=", ".join(model.key))
