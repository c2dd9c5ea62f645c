"""Days of the shop as Dagster's partitions, and the moments a run builds."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

from dagster_project.moments import Moment
from dagster_project.resources import Store
from dagster_project.scores.training_days import Training, trainings_due
from dagster_project.shop import Shop


def days_of_shop(shop: Shop) -> dg.DailyPartitionsDefinition:
    """One partition a day of the shop's zone, from first_day to last_day; without a last one, to the day that Dagster's clock has ended."""
    return dg.DailyPartitionsDefinition(
        start_date=shop.first_day.isoformat(),
        end_date=(shop.last_day + timedelta(days=1)).isoformat() if shop.last_day else None,
        timezone=shop.zone,
    )


def moments_of(context: dg.AssetExecutionContext, shop: Shop) -> list[Moment]:
    """The moments of the run's partitions, oldest first."""
    return [shop.moment(date.fromisoformat(key)) for key in sorted(context.partition_keys)]


def write_moments(store: Store, days: Sequence[Moment]) -> list[Training]:
    """State the run's moments in the store, where the models read them; return the trainings that are due.

    The past moments that a training learns from are moments of the run too, for features alone.
    """
    trainings = trainings_due(store.warehouse, store.shop, days)
    close = timedelta(hours=store.shop.close_after_hours)
    learned = {as_of for training in trainings for as_of in training.days}
    store.warehouse.write_run_days(days, [Moment(as_of, as_of + close) for as_of in learned])
    return trainings
