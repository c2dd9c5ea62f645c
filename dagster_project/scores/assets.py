"""Scores: models trained on their days, every customer of a day scored, and what to recommend to whom."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.faults import fault_point
from dagster_project.moments import Moment, day_of
from dagster_project.partitions import moments_of, write_moments
from dagster_project.resources import Store
from dagster_project.scores.choosing import follow_aliases, follow_brought, registry_of
from dagster_project.scores.drift import DRIFT, REALISED, drift_of, off, realised_by, request, shifted, strongest
from dagster_project.scores.model_log import MODEL_LOG, append
from dagster_project.scores.recommending import TABLES, recommend_day
from dagster_project.scores.score_models import CUSTOMER_SCORES, customer_scores_of, models_of
from dagster_project.scores.training import CLUSTERS, DAILY_MODELS, Scored, score_day, train_all
from dagster_project.transform.dbt_build import table_descriptions
from ml.parallel import side_by_side

# Profiling consent gates scores: whoever has no features of their own that day gets none.
PROFILED = """
select features.customer_id, hours.best_send_hour from features.customer_features as features
left join scores.send_hours as hours using (as_of, customer_id)
where features.as_of = ? order by features.customer_id
"""


# A watched check has turned red: ask for a training, once, on the newest day.
RETRAINING = (
    dg.AutomationCondition.any_deps_match(dg.AutomationCondition.any_checks_match(dg.AutomationCondition.check_failed()))
    .newly_true()
    .with_label("drift or a miss was found")
    & dg.AutomationCondition.in_latest_time_window()
    & ~dg.AutomationCondition.in_progress()
)


def score_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    a_range = dg.BackfillPolicy.single_run()

    def key(name: str) -> dg.AssetKey:
        return dg.AssetKey(["scores", name])

    described = table_descriptions()

    def spec(name: str, deps: Sequence[Any]) -> dg.AssetSpec:
        return dg.AssetSpec(key(name), group_name="scores", deps=deps, description=described["scores", name])

    features = [
        ["features", "order_features"],
        ["features", "customer_features"],
        ["features", "category_features"],
        ["scores", "send_hours"],
    ]

    @dg.asset(
        key=key("model_log"),
        group_name="scores",
        partitions_def=partitions,
        backfill_policy=a_range,
        deps=[["features", "order_features"], ["features", "training_labels"], ["features", "outcome_labels"]],
    )
    def model_log(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """One row per model, training day and candidate: train what is due, and let no worse model replace a better one."""
        trained = train_due(store, moments_of(context, store.shop))
        return dg.MaterializeResult(metadata={"trained": trained.num_rows, "models": story(trained)})

    @dg.multi_asset(
        name="score",
        specs=[
            spec("daily_models", [key("model_log")]),
            spec("clusters", [key("model_log")]),
            spec("customer_scores", [key("model_log"), *features]),
            spec("score_reasons", [key("model_log"), *features]),
        ],
        partitions_def=partitions,
        backfill_policy=a_range,
    )
    def score(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """Score each day with the models in force, and say why."""
        moments = moments_of(context, store.shop)
        as_ofs = [moment.as_of for moment in moments]
        known = models_of(store.shop.brought_models)

        def scored(moment: Moment) -> tuple[datetime, Scored]:
            return moment.as_of, score_day(store.warehouse, store.settings.artifacts, moment.as_of, first_day(store, moment), known)

        days = side_by_side(scored, moments)
        models = pa.concat_tables([DAILY_MODELS.empty_table(), *(day.models for _, day in days)])
        store.warehouse.replace_days("scores.daily_models", models, as_ofs)
        yield dg.MaterializeResult(asset_key=key("daily_models"), metadata={"models": story(days[-1][1].models)})
        clusters = pa.concat_tables([CLUSTERS.empty_table(), *(day.clusters for _, day in days)])
        store.warehouse.replace_days("scores.clusters", clusters, as_ofs)
        yield dg.MaterializeResult(asset_key=key("clusters"), metadata=row_counts(clusters, as_ofs))
        profiles = {as_of: profiled(store, as_of) for as_of in as_ofs}
        schema = customer_scores_of(known)
        scores = pa.concat_tables(whole(as_of, day.scores, profiles[as_of], schema) for as_of, day in days)
        store.warehouse.replace_days("scores.customer_scores", scores, as_ofs)
        fault_point("scored")
        yield dg.MaterializeResult(asset_key=key("customer_scores"), metadata=row_counts(scores, as_ofs))
        reasons = pa.concat_tables(permitted(day.reasons, profiles[as_of]) for as_of, day in days)
        store.warehouse.replace_days("scores.score_reasons", reasons, as_ofs)
        yield dg.MaterializeResult(asset_key=key("score_reasons"), metadata=row_counts(reasons, as_ofs))

    @dg.multi_asset(
        name="watch",
        specs=[
            spec("drift", [key("daily_models"), key("customer_scores"), *features]),
            spec("realised", [key("customer_scores"), ["features", "training_labels"]]),
        ],
        check_specs=[
            dg.AssetCheckSpec("population_is_stable", asset=key("drift"), description="The shop is the one that the models learned."),
            dg.AssetCheckSpec("scores_come_true", asset=key("realised"), description="What was predicted on average is what came."),
        ],
        partitions_def=partitions,
        backfill_policy=a_range,
    )
    def watch(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """How far each day is from what its models learned, and whether what they said came true."""
        as_ofs = [moment.as_of for moment in moments_of(context, store.shop)]
        models = models_of(store.shop.brought_models)
        drift = pa.concat_tables([DRIFT.empty_table(), *(drift_of(store.warehouse, as_of, models) for as_of in as_ofs)])
        realised = pa.concat_tables([REALISED.empty_table(), *(realised_by(store.warehouse, as_of) for as_of in as_ofs)])
        store.warehouse.replace_days("scores.drift", drift, as_ofs)
        store.warehouse.replace_days("scores.realised", realised, as_ofs)
        newest = drift.filter(pc.equal(drift["as_of"], pa.scalar(as_ofs[-1], pa.timestamp("us"))))
        moved, wrong = shifted(newest), off(realised)
        yield dg.MaterializeResult(asset_key=key("drift"), metadata={"moved most": most_moved(newest)})
        yield dg.MaterializeResult(asset_key=key("realised"), metadata=row_counts(realised, as_ofs))
        warn = dg.AssetCheckSeverity.WARN
        yield dg.AssetCheckResult(
            passed=not moved, asset_key=key("drift"), check_name="population_is_stable", severity=warn, metadata=told(moved)
        )
        yield dg.AssetCheckResult(
            passed=not wrong, asset_key=key("realised"), check_name="scores_come_true", severity=warn, metadata=told(wrong)
        )

    @dg.asset(
        key=key("training_requests"),
        group_name="scores",
        partitions_def=partitions,
        backfill_policy=a_range,
        deps=[key("drift"), key("realised")],
        automation_condition=RETRAINING,
    )
    def training_requests(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """One row per day that drift made a training day: the next run trains as of it, for the days after it."""
        asked = [moment.as_of for moment in moments_of(context, store.shop) if request(store.warehouse, moment.as_of)]
        return dg.MaterializeResult(metadata={"requested": len(asked)})

    shown = [["scores", name] for name in ("interactions", "recommendable_products", "brought_recommendations")]
    shown += [["profile", name] for name in ("product_wishes", "current_customers")]

    @dg.multi_asset(
        name="recommendations",
        specs=[
            dg.AssetSpec(key(name), group_name="scores", deps=shown, description=description) for name, (_, description) in TABLES.items()
        ],
        partitions_def=partitions,
        backfill_policy=a_range,
    )
    def recommendations(context: dg.AssetExecutionContext, store: Store):  # type: ignore[no-untyped-def]
        """What to show to whom, and beside what."""
        moments = moments_of(context, store.shop)
        days = side_by_side(lambda moment: recommend_day(store.warehouse, moment), moments)
        for name in TABLES:
            rows = pa.concat_tables(day[name] for day in days)
            as_ofs = [moment.as_of for moment in moments]
            store.warehouse.replace_days(f"scores.{name}", rows, as_ofs)
            yield dg.MaterializeResult(asset_key=key(name), metadata=row_counts(rows, as_ofs))

    return [model_log, score, watch, training_requests, recommendations]


def train_due(store: Store, moments: list[Any]) -> pa.Table:
    """Train the training days that are missing, oldest first; a training day's log rows come in one piece."""
    registry = registry_of(store.settings, store.shop)
    follow_aliases(store.warehouse, store.shop, registry, store.settings.artifacts, [moment.as_of for moment in moments])
    logs = [
        MODEL_LOG.empty_table(),
        follow_brought(store.warehouse, store.shop, registry, store.settings.artifacts, [one.as_of for one in moments]),
    ]
    for training in write_moments(store, moments):
        rows = train_all(store.warehouse, store.settings.artifacts, registry, training)
        append(store.warehouse, rows)
        logs.append(rows)
    return pa.concat_tables(logs)


def permitted(reasons: pa.Table, profiles: pa.Table) -> pa.Table:
    """The reasons of those who have a score."""
    return reasons.filter(pc.is_in(reasons["customer_id"], profiles["customer_id"].combine_chunks().cast(pa.string())))


def row_counts(rows: pa.Table, as_ofs: Sequence[datetime]) -> dict[str, int]:
    """Rows as the UI counts them: those of the newest day, whose partition's page shows them, and of all the days of the run."""
    newest = pc.equal(rows["as_of"], pa.scalar(as_ofs[-1], pa.timestamp("us")))
    return {"dagster/row_count": pc.sum(newest).as_py() or 0, "rows of the run's days": rows.num_rows}


def told(sentences: list[str]) -> dict[str, str]:
    return {"why": "; ".join(sentences) or "as it was"}


def most_moved(drift: pa.Table) -> dg.MetadataValue:
    lines = ["| model | column | stability index |", "|---|---|---|"]
    return dg.MetadataValue.md("\n".join(lines + [f"| {model} | {name} | {index:.3f} |" for model, name, index in strongest(drift)]))


def profiled(store: Store, as_of: Any) -> pa.Table:
    return store.warehouse.read(PROFILED, [as_of])


def first_day(store: Store, moment: Moment) -> date:
    """The shop's day that begins at a moment: the one after the day it ends, or the one it lies in."""
    return day_of(moment.as_of + timedelta(microseconds=1), store.shop.zone)


def whole(as_of: Any, scores: pa.Table, profiles: pa.Table, schema: pa.Schema = CUSTOMER_SCORES) -> pa.Table:
    """A row per customer with every column of the schema, null where no model of the day gives it."""
    customers = profiles["customer_id"].combine_chunks().cast(pa.string())
    rows = scores.take(pc.index_in(customers, value_set=scores["customer_id"].combine_chunks().cast(pa.string())))
    columns = {
        "as_of": pa.repeat(pa.scalar(as_of, pa.timestamp("us")), len(customers)),
        "customer_id": customers,
        "best_send_hour": profiles["best_send_hour"].cast(pa.int64()),
    }
    for field in schema:
        if field.name not in columns:
            given = field.name in scores.column_names
            columns[field.name] = rows[field.name].cast(field.type) if given else pa.nulls(len(customers), field.type)
    return pa.table(columns, schema=schema)


def story(models: pa.Table) -> dg.MetadataValue:
    """The models as a table to read in the UI."""
    lines = ["| model | trained as of | status | reason |", "|---|---|---|---|"]
    lines += [f"| {m['model']} | {m['trained_as_of']:%Y-%m-%d} | {m['status']} | {m['reason']} |" for m in models.to_pylist()]
    return dg.MetadataValue.md("\n".join(lines))
