"""Which labels teach: those whose horizon had closed by a day, at the horizons at which some people did and some did not.

A model has a part per horizon and each part is fitted alone, so each must have both outcomes among the rows that it learns from. A shop that was
closed for the last weeks has a shorter horizon of nobody and a longer one that teaches as ever.
"""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ml.abstention import Abstained, too_few_customers, too_one_sided
from ml.planning import Plan
from ml.signals import numbers
from ml.snapshots import drawn, of_day, of_days, taught_days


def closed(labels: pa.Table, as_of: datetime) -> pa.Table:
    """Labels whose horizon had passed by a moment: what a model of that day may learn from."""
    return labels.filter(pc.less_equal(labels["label_until"], pa.scalar(as_of, labels.schema.field("label_until").type)))


def at(labels: pa.Table, horizons: Sequence[int]) -> pa.Table:
    """Labels at some horizons."""
    return labels.filter(pc.is_in(labels["horizon_days"], pa.array(horizons, labels.schema.field("horizon_days").type)))


def one_sided(labels: pa.Table, horizon_days: int, is_money: bool = False) -> Abstained | None:
    """Why a horizon teaches nothing, None where it does: too few of the rows that are learned from bought, or too few did not. Money
    needs people who paid as well.
    """
    rows = at(labels, (horizon_days,))
    # As `gather` takes them: the newest days, and of many rows the same ones.
    rows = of_days(rows, taught_days(rows))
    rows = rows.take(drawn(len(rows)))
    bought = too_one_sided(numbers(rows, "orders_count") > 0, f"bought within {horizon_days} days")
    return bought or (too_one_sided(numbers(rows, "net_amount") > 0, f"paid within {horizon_days} days") if is_money else None)


def two_sided(labels: pa.Table, horizons: Sequence[int], is_money: bool = False) -> tuple[int, ...]:
    """The horizons that teach, in their order."""
    return tuple(horizon for horizon in horizons if one_sided(labels, horizon, is_money) is None)


def no_backtest(planned: Plan, snapshots: pa.Table, labels: pa.Table, is_money: bool = False) -> str:
    """Why candidates cannot be compared on the back-test's day, empty where they can: too few people were there, they had too little to be
    taught by, or nearly all of them then did the same.
    """
    day, horizons = planned.backtest_day, planned.backtest_horizons
    if day is None:
        return "the history is too short for a back-test"
    before, followed = closed(labels, day), of_day(closed(labels, planned.as_of), day)
    nothing = too_few_customers(len(of_day(snapshots, day)), "had bought")
    nothing = nothing or (None if two_sided(before, horizons, is_money) else one_sided(before, horizons[0], is_money))
    nothing = nothing or one_sided(followed, horizons[0], is_money)
    return f"no back-test as of {day:%Y-%m-%d}: {nothing.reason}" if nothing else ""
