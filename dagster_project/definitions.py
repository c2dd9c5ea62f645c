"""The map. Nine stages, in this order; each is a Dagster group, a warehouse schema, a dbt folder and a Python package of the same name.

    sources → staging → identity → profile → features → scores → segments → campaigns → (delivery) → measurement
     rows     typed     who is     one row   what was    what is   who is      who gets    files and     what it
     as they  and       who        a person  known       likely    alike       what, why   tools         caused
     came     renamed                        by a moment

Up to segments a run builds a range of days at once. From campaigns on it builds one day at a time, each after the day before, because a decision
reads what was sent.
"""

import dagster as dg

from dagster_project.campaigns.assets import campaign_assets
from dagster_project.delivery.assets import delivery_assets
from dagster_project.identity.assets import identity_assets
from dagster_project.partitions import days_of_shop
from dagster_project.resources import Store
from dagster_project.scores.assets import score_assets
from dagster_project.settings import Settings, load
from dagster_project.shop import load_shop
from dagster_project.sources.assets import source_assets
from dagster_project.transform.assets import dbt_stage_assets

RANGE_STAGES = dg.AssetSelection.groups("sources", "staging", "identity", "profile", "features", "scores", "segments")
DAILY_STAGES = dg.AssetSelection.groups("campaigns", "measurement")


def build_definitions(settings: Settings) -> dg.Definitions:
    """The definitions of one shop."""
    shop = load_shop(settings.shop_folder)
    days = days_of_shop(shop)
    nightly = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), description="One day, whole.")
    return dg.Definitions(
        assets=[
            *source_assets(shop, days),
            *dbt_stage_assets(settings, days),
            *identity_assets(days),
            *score_assets(days),
            *campaign_assets(days),
            *delivery_assets(days),
        ],
        jobs=[nightly],
        schedules=[dg.build_schedule_from_partitioned_job(nightly, hour_of_day=shop.close_after_hours)],
        resources={"store": Store(shop_folder=str(settings.shop_folder))},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(load())
