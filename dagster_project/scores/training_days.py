"""When models are trained, and which past moments that needs.

Training days are fixed: the end of the shop's training weekday. A run trains the newest one at or before each of its days, if the model log does
not have it; the past days to learn from are moments of the run like any other, marked as training days.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from dagster_project.moments import Moment, day_of
from dagster_project.scores.model_log import has_log
from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse
from ml.planning import Plan, plan

FIRST_ORDER = """
select min(occurred_at) from ({orders}) as orders where customer_known and occurred_at < ?
"""
REQUESTED = "select as_of from scores.training_requests where as_of < ? order by as_of"
STAGED_ORDERS = (
    "select table_name from information_schema.tables where table_schema = 'staging' and table_name like 'stg_%\\__orders' escape '\\'"
)


@dataclass(frozen=True)
class Training:
    """One training day and what each model needs for it. What it promotes scores from `effective_from` on."""

    moment: Moment
    plans: dict[str, Plan]
    effective_from: datetime
    clustering: str = "kmeans"

    @property
    def days(self) -> list[datetime]:
        """Every moment whose features are needed, the training day itself among them."""
        return sorted({self.moment.as_of, *(day for planned in self.plans.values() for day in planned.snapshot_days)})

    @property
    def label_horizons(self) -> list[int]:
        return sorted({horizon for planned in self.plans.values() for horizon in planned.label_horizons})


def training_day(shop: Shop, day: date) -> date:
    """The newest training day at or before a day."""
    return day - timedelta(days=(day.weekday() - shop.training_weekday) % 7)


def trainings_due(warehouse: Warehouse, shop: Shop, moments: Sequence[Moment]) -> list[Training]:
    """The training days of these moments that the model log does not have, oldest first: the training weekdays, and the days on which drift
    asked for one. A weekday's models score that day itself; drift is seen after a day was scored, so its models score from the next day on."""
    days = {training_day(shop, day_of(moment.as_of, shop.zone)) for moment in moments}
    due = {shop.moment(day).as_of: Training(shop.moment(day), {}, shop.moment(day).as_of) for day in days}
    if moments and warehouse.exists("scores.training_requests"):
        for (as_of,) in warehouse.rows(REQUESTED, [max(moment.as_of for moment in moments)]):
            day = day_of(as_of, shop.zone)
            due.setdefault(as_of, Training(shop.moment(day), {}, shop.moment(day + timedelta(days=1)).as_of))
    trained = set()
    if has_log(warehouse):
        trained = {row[0] for row in warehouse.rows("select distinct trained_as_of from scores.model_log where candidate <> 'brought'")}
    missing = [training for as_of, training in sorted(due.items()) if as_of not in trained]
    return [replace(one, plans=plans_of(warehouse, one.moment, shop), clustering=shop.clustering) for one in missing] if shop.models else []


def plans_of(warehouse: Warehouse, moment: Moment, shop: Shop) -> dict[str, Plan]:
    """What each of the shop's models needs for a training day, counted back in the shop's days."""

    def before(as_of: datetime, days: int) -> datetime:
        return shop.moment(day_of(as_of, shop.zone) - timedelta(days=days)).as_of

    history = history_days(warehouse, moment.as_of)
    now = Plan(moment.as_of, 0, (), None, (), ())
    days = {model: SCORE_MODELS[model].horizon_days for model in shop.models}
    return {model: plan(moment.as_of, history, horizon, aligned=True, before=before) if horizon else now for model, horizon in days.items()}


def history_days(warehouse: Warehouse, as_of: datetime) -> int:
    """How many days of orders there are before a moment; 0 without any."""
    views = [row[0] for row in warehouse.rows(STAGED_ORDERS)]
    if not views:
        return 0
    orders = " union all ".join(
        f"select occurred_at, source_customer_id is not null as customer_known from staging.{view}" for view in sorted(views)
    )
    ((first,),) = warehouse.rows(FIRST_ORDER.format(orders=orders), [as_of])
    return (as_of - first).days + 1 if first else 0
