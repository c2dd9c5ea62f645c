"""The map. Nine stages, in this order; each is a Dagster group and a warehouse schema, and where it has a dbt folder or a Python package, these
bear its word too.

    sources → staging → identity → profile → features → scores → segments → campaigns → (delivery) → measurement
     rows     typed     who is     one row   what was    what is   who is      who gets    files and     what it
     as they  and       who        a person  known       likely    alike       what, why   tools         caused
     came     renamed                        by a moment

Up to segments a run builds a range of days at once. From campaigns on it builds one day at a time, each after the day before, because a decision
reads what was sent.
"""

from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from dagster_project.campaigns.assets import campaign_assets
from dagster_project.delivery.assets import delivery_assets
from dagster_project.identity.assets import identity_assets
from dagster_project.partitions import days_of_shop
from dagster_project.resources import Store
from dagster_project.scores.assets import score_assets
from dagster_project.settings import Settings, load
from dagster_project.shop import Shop, load_shop
from dagster_project.sources.assets import source_assets
from dagster_project.stages import DAILY_STAGES, RANGE_STAGES, TO_MAILS, TO_SEGMENTS
from dagster_project.transform.assets import dbt_stage_assets
from dagster_project.transform.dbt_build import table_descriptions


def build_definitions(settings: Settings, store: Store | None = None) -> dg.Definitions:
    """The definitions of one shop, on the store of its settings or another one's."""
    shop = load_shop(settings.shop_folder)
    days = days_of_shop(shop)
    nightly = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), description="One day, whole.")
    to_segments = dg.define_asset_job(
        TO_SEGMENTS,
        selection=dg.AssetSelection.groups(*RANGE_STAGES),
        description="From extracts to segments, of one day or several at once.",
    )
    to_mails = dg.define_asset_job(
        TO_MAILS, selection=dg.AssetSelection.groups(*DAILY_STAGES), description="A day's decisions, mails, exports and results."
    )
    # The night trains what is due as well; the weekly job makes sure of it where a night failed, and can be started by hand.
    retraining = dg.define_asset_job(
        "retraining",
        selection=dg.AssetSelection.groups("sources", "staging", "identity", "profile", "features")
        | dg.AssetSelection.assets(["scores", "model_log"]),
        description="The models of the training day, compared with those in force.",
    )
    assets = [
        *source_assets(shop, days),
        *dbt_stage_assets(settings, days),
        *identity_assets(days),
        *score_assets(days),
        *campaign_assets(days),
        *delivery_assets(days),
    ]
    return dg.Definitions(
        assets=[*assets, *read_only_tables(assets)],
        jobs=[nightly, to_segments, to_mails, retraining],
        schedules=[dg.build_schedule_from_partitioned_job(nightly, hour_of_day=shop.close_after_hours), weekly(retraining, shop)],
        resources={"store": store or Store.of(settings)},
        executor=dg.in_process_executor,
    )


def read_only_tables(assets: list[dg.AssetsDefinition]) -> list[dg.AssetSpec]:
    """Tables that models read and nothing here builds: what the shop and the run state of themselves, and the tables of systems that this
    shop does not have, which are typed and empty. They stand in their stage's group, not in one of Dagster's own."""
    made = {key for one in assets for key in one.keys}
    read = {key for one in assets for key in one.dependency_keys} - made
    described = table_descriptions()

    def told(key: dg.AssetKey) -> str:
        row = described[key.path[0], key.path[1]]
        is_a_systems = key.path[0] == "sources" and "__" in key.path[1]
        return f"{row} This shop does not have the system: the table is typed and empty." if is_a_systems else row

    return [dg.AssetSpec(key, group_name=key.path[0], description=told(key)) for key in sorted(read)]


def weekly(job: UnresolvedAssetJobDefinition, shop: Shop) -> dg.ScheduleDefinition:
    """The night after the training weekday, an hour after the nightly run."""

    @dg.schedule(
        name="retraining_schedule",
        job=job,
        cron_schedule=f"0 {shop.close_after_hours + 1} * * {(shop.training_weekday + 2) % 7}",
        execution_timezone=shop.zone,
    )
    def retraining_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.date() - timedelta(days=1)
        if not shop.has(day):
            return dg.SkipReason(f"{shop.name} has no day {day}.")
        return dg.RunRequest(partition_key=day.isoformat())

    return retraining_schedule


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load())
