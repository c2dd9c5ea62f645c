"""Scores: models trained on their days, every customer of a day scored, and what to recommend to whom."""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from dagster_project.faults import fault_point
from dagster_project.moments import Moment, day_of
from dagster_project.partitions import moments_of, write_moments
from dagster_project.resources import Store
from dagster_project.scores.recommending import recommend_day
from dagster_project.scores.score_models import CUSTOMER_SCORES
from dagster_project.scores.training import CLUSTERS, DAILY_MODELS, MODEL_LOG, score_day, train_all
from ml.registry import Registry

# Profiling consent gates scores: whoever has no features of their own that day gets none.
PROFILED = """
select features.customer_id, hours.best_send_hour from features.customer_features as features
left join scores.send_hours as hours using (as_of, customer_id)
where features.as_of = ? order by features.customer_id
"""


def score_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    a_range = dg.BackfillPolicy.single_run()

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey(["scores", name])

    features = [
        ["features", "order_features"],
        ["features", "customer_features"],
        ["features", "category_features"],
        ["scores", "send_hours"],
    ]

    @dg.multi_asset(
        name="score",
        specs=[
            dg.AssetSpec(
                key("model_log"),
                group_name="scores",
                deps=[["features", "order_features"], ["features", "training_labels"], ["features", "outcome_labels"]],
            ),
            dg.AssetSpec(key("daily_models"), group_name="scores", deps=[key("model_log")]),
            dg.AssetSpec(key("clusters"), group_name="scores", deps=[key("model_log")]),
            dg.AssetSpec(key("customer_scores"), group_name="scores", deps=[key("model_log"), *features]),
        ],
        partitions_def=partitions,
        backfill_policy=a_range,
    )
    def score(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """Train what is due, then score each day with the newest models trained at or before it."""
        moments = moments_of(context, store.shop)
        trained = train_due(store, moments)
        yield dg.MaterializeResult(asset_key=key("model_log"), metadata={"trained": trained.num_rows, "models": story(trained)})
        days = [(moment.as_of, score_day(store.warehouse, artifacts(store), moment.as_of, first_day(store, moment))) for moment in moments]
        store.warehouse.replace_days(
            "scores.daily_models",
            pa.concat_tables([DAILY_MODELS.empty_table(), *(day.models for _, day in days)]),
            [m.as_of for m in moments],
        )
        yield dg.MaterializeResult(asset_key=key("daily_models"), metadata={"models": story(days[-1][1].models)})
        clusters = pa.concat_tables([CLUSTERS.empty_table(), *(day.clusters for _, day in days)])
        store.warehouse.replace_days("scores.clusters", clusters, [moment.as_of for moment in moments])
        yield dg.MaterializeResult(asset_key=key("clusters"), metadata={"dagster/row_count": clusters.num_rows})
        scores = pa.concat_tables(whole(as_of, day.scores, profiled(store, as_of)) for as_of, day in days)
        store.warehouse.replace_days("scores.customer_scores", scores, [moment.as_of for moment in moments])
        fault_point("scored")
        yield dg.MaterializeResult(asset_key=key("customer_scores"), metadata={"dagster/row_count": scores.num_rows})

    @dg.asset(
        key=key("customer_recommendations"),
        group_name="scores",
        partitions_def=partitions,
        backfill_policy=a_range,
        deps=[
            ["scores", "interactions"],
            ["scores", "recommendable_products"],
            ["profile", "product_wishes"],
            ["profile", "current_customers"],
        ],
    )
    def customer_recommendations(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """One row per customer, strategy and rank: what to show, and why."""
        moments = moments_of(context, store.shop)
        rows = pa.concat_tables(recommend_day(store.warehouse, moment) for moment in moments)
        store.warehouse.replace_days("scores.customer_recommendations", rows, [moment.as_of for moment in moments])
        return dg.MaterializeResult(metadata={"dagster/row_count": rows.num_rows})

    return [score, customer_recommendations]


def artifacts(store: Store) -> Any:
    return store.settings.store / "mlartifacts"


def train_due(store: Store, moments: list[Any]) -> pa.Table:
    """Train the training days that are missing, oldest first; a training day's log rows come in one piece."""
    registry = Registry(f"sqlite:///{store.settings.store / 'mlflow.db'}", store.settings.store / "mlflow", store.shop.name)
    logs = [MODEL_LOG.empty_table()]
    for training in write_moments(store, moments):
        rows = train_all(store.warehouse, artifacts(store), registry, training)
        with store.warehouse.transaction() as connection:
            connection.register("incoming", rows)
            connection.execute("create table if not exists scores.model_log as select * from incoming where false")
            connection.execute("insert into scores.model_log by name select * from incoming")
        logs.append(rows)
    return pa.concat_tables(logs)


def profiled(store: Store, as_of: Any) -> pa.Table:
    return store.warehouse.read(PROFILED, [as_of])


def first_day(store: Store, moment: Moment) -> date:
    """The shop's day that begins at a moment: the one after the day it ends, or the one it lies in."""
    return day_of(moment.as_of + timedelta(microseconds=1), store.shop.zone)


def whole(as_of: Any, scores: pa.Table, profiles: pa.Table) -> pa.Table:
    """A row per customer with every column of CUSTOMER_SCORES, null where no model of the day gives it."""
    customers = profiles["customer_id"].to_pylist()
    place = {customer: at for at, customer in enumerate(scores["customer_id"].to_pylist())}
    rows = scores.take(pa.array([place.get(customer) for customer in customers], pa.int64()))
    columns = {
        "as_of": pa.array([as_of] * len(customers), pa.timestamp("us")),
        "customer_id": pa.array(customers, pa.string()),
        "best_send_hour": profiles["best_send_hour"].cast(pa.int64()),
    }
    for field in CUSTOMER_SCORES:
        if field.name not in columns:
            given = field.name in scores.column_names
            columns[field.name] = rows[field.name].cast(field.type) if given else pa.nulls(len(customers), field.type)
    return pa.table(columns, schema=CUSTOMER_SCORES)


def story(models: pa.Table) -> dg.MetadataValue:
    """The models as a table to read in the UI."""
    lines = ["| model | trained as of | status | reason |", "|---|---|---|---|"]
    lines += [f"| {m['model']} | {m['trained_as_of']:%Y-%m-%d} | {m['status']} | {m['reason']} |" for m in models.to_pylist()]
    return dg.MetadataValue.md("\n".join(lines))
