"""Days of the shop as Dagster's partitions, and the moments a run builds."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
import pyarrow as pa

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
    """State the run's moments and the shop's settings in the store, where the models read them; return the trainings that are due.

    The past moments that a training learns from are moments of the run too, for features alone.
    """
    trainings = trainings_due(store.warehouse, store.shop, days)
    close = timedelta(hours=store.shop.close_after_hours)
    learned = {as_of for training in trainings for as_of in training.days}
    store.warehouse.write_run_days(days, [Moment(as_of, as_of + close) for as_of in learned])
    write_shop(store)
    return trainings


def write_shop(store: Store) -> None:
    shop = store.shop
    store.warehouse.replace(
        "sources.shop",
        pa.table(
            {
                "name": [shop.name],
                "zone": [shop.zone],
                "currency": [shop.currency],
                "country": [shop.country],
                "language": [shop.language],
                "global_holdout": pa.array([round(shop.holdout * 10_000)], pa.int64()),
                "cost_per_mail": [shop.cost_per_mail],
                "cap_mails": pa.array([shop.cap.mails], pa.int64()),
                "cap_days": pa.array([shop.cap.days], pa.int64()),
                "send_hour": pa.array([shop.send_hour], pa.int64()),
                "quiet_from": pa.array([shop.quiet_hours[0]], pa.int64()),
                "quiet_until": pa.array([shop.quiet_hours[1]], pa.int64()),
                "address_held_by": [shop.address_held_by],
                "soft_opt_in_notice": pa.array([shop.soft_opt_in.notice if shop.soft_opt_in else None], pa.string()),
                "soft_opt_in_purposes": pa.array([shop.soft_opt_in.purposes if shop.soft_opt_in else ()], pa.list_(pa.string())),
                "systems": pa.array(
                    [sorted(name for name, source in shop.sources.items() if source.states_consent)], pa.list_(pa.string())
                ),
            }
        ),
    )
    rates = {shop.currency: 1.0, **shop.fx_rates}
    store.warehouse.replace("sources.fx_rates", pa.table({"currency": list(rates), "rate": list(rates.values())}))
