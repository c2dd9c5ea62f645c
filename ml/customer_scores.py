"""The scores of customers who have bought: what a run trains, measures and scores. The pipeline and the benchmarks both call these three, for
the days that `ml.planning` says.

train    a model, champion and challenger compared on the newest back-test, or an abstention with its reason
measure  the scored day's distributions, from all its customers: stored beside the model, so that
score    gives one customer's features the same scores alone as in the batch
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from ml import customer_models
from ml.abstention import Abstained, too_few_customers, too_little_history
from ml.backtest import Backtest
from ml.churn import ChurnModel, train_churn
from ml.customer_models import Baseline, Day, Learned, Vector, baseline_of, churn_probability, measure_day, values_of
from ml.horizons import at, closed, no_backtest, one_sided, two_sided
from ml.next_order import NextOrderModel, score_next_order
from ml.past import Past
from ml.planning import Plan
from ml.promotion import Verdict, judge
from ml.season import NO_SEASON
from ml.signals import Yardstick, feature_columns, numbers
from ml.snapshots import of_day, of_days
from ml.value import ValueModel

DECIMALS = 6
YEAR_DAYS = 365


@dataclass(frozen=True)
class Trained:
    """The model of a score, as of which day, and the verdict behind it (None on a baseline that scores). `rehearsal` is the challenger as
    the back-test's day would have trained it: what was judged, and what later challengers are judged against; `tested` what it said there.
    Both are None where nothing could be compared.
    `standing` is the champion that stays, at the season of this training day.
    """

    name: str
    trained_as_of: datetime
    model: Learned | Baseline
    verdict: Verdict | None
    rehearsal: Learned | None = None
    tested: Backtest | None = field(default=None, compare=False, metadata={"stored": False})
    standing: ChurnModel | ValueModel | Baseline | None = field(default=None, compare=False, metadata={"stored": False})


def train(
    name: str,
    planned: Plan,
    snapshots: pa.Table,
    labels: pa.Table,
    churn: Trained | Abstained | None = None,
    champion: Trained | None = None,
) -> Trained | Abstained:
    """Train `name` ("churn", "value" or "next_order") on `features.order_features` of the planned days and `features.training_labels`.

    `snapshots` also holds the rows of `planned.as_of`, which say how many customers and how much history there are. A value model has a
    churn model beside it: `churn` if it was trained already, else it is trained here. `champion` is what scores now. A refused challenger
    leaves the baseline as the model and itself as the rehearsal; `verdict.stays` says whether champion or baseline scores on. One that cannot
    be compared is refused too.
    """
    today = of_day(snapshots, planned.as_of)
    history = int(numbers(today, "history_days").max()) if len(today) else 0
    known = closed(labels, planned.as_of)
    taught = of_days(known, planned.days)
    horizons = two_sided(taught, planned.horizons, is_money=name == "value")
    abstained = too_few_customers(len(today)) or too_little_history(history, planned.horizon_days, planned.horizons)
    abstained = abstained or (None if horizons else one_sided(taught, planned.horizons[0], is_money=name == "value"))
    if abstained:
        return abstained
    ours = at(taught, horizons)
    columns = feature_columns(snapshots)
    plain = baseline_of(name, planned.horizon_days, horizons[0], columns)
    past = Past(name, planned, snapshots, taught, known)

    def refused(verdict: Verdict, seasons: tuple[bool, bool], rehearsal: Learned | None, tested: Backtest | None) -> Trained:
        """The baseline in the challenger's place, and the champion where it stays, at the season of this day."""
        stays = champion.model if champion and verdict.stays == "champion" else None
        standing = None if stays is None or isinstance(stays, NextOrderModel) else past.today(replace(stays, season=NO_SEASON), seasons[0])
        return Trained(name, planned.as_of, past.today(plain, seasons[1]), verdict, rehearsal, tested, standing)

    nothing = no_backtest(planned, snapshots, taught, is_money=name == "value")
    if nothing:
        # What cannot be compared does not score: who scored goes on, at no season, as none could be tried either.
        return refused(Verdict(False, nothing, {}, "champion" if champion else "baseline"), (False, False), None, None)
    rehearsal, believed = past.at_season(past.rehearse(columns))
    baseline, believed_of_baseline = past.at_season(baseline_of(name, rehearsal.horizon_days, rehearsal.horizon_days, columns))
    tested = past.backtest(rehearsal, baseline, champion.rehearsal if champion else None)
    verdict = judge(tested)
    if not verdict.promoted:
        return refused(verdict, (believed, believed_of_baseline), rehearsal, tested)
    model = customer_models.fit(
        name, snapshots, ours, columns, planned.horizon_days, _beside(name, churn, planned, snapshots, ours, columns)
    )
    return Trained(name, planned.as_of, past.today(model, believed), verdict, rehearsal, tested)


def _beside(
    name: str, churn: Trained | Abstained | None, planned: Plan, snapshots: pa.Table, labels: pa.Table, columns: tuple[str, ...]
) -> ChurnModel | None:
    """The churn model that a value model needs beside it."""
    if name != "value":
        return None
    horizons = set(labels["horizon_days"].to_pylist())
    if isinstance(churn, Trained) and isinstance(churn.model, ChurnModel) and {part.horizon_days for part in churn.model.parts} == horizons:
        return churn.model
    return train_churn(snapshots, labels, columns, planned.horizon_days)


def measure(trained: Trained, features: pa.Table) -> Day:
    """The distributions of a day, from the order features of all its customers."""
    return measure_day(trained.model, features)


def score(trained: Trained, day: Day, features: pa.Table, decimals: int = DECIMALS) -> pa.Table:
    """Scores of the rows of order features, one or all: churn_probability, or the value columns at the horizon and a year.

    Columns: customer_id; churn_probability | value_amount, value_median, value_low, value_high, clv_365d_amount, _median, _low, _high |
    next_order_days, _low_days, _high_days (whole days from as_of, null without a narrow range) and next_order_reason.
    """
    columns: dict[str, Vector] = {}
    if isinstance(trained.model, NextOrderModel):
        return _next_orders(trained.model, day, features)
    if trained.name == "churn":
        columns["churn_probability"] = churn_probability(trained.model, day, features)
    else:
        found = values_of(trained.model, day, features, (trained.model.horizon_days, YEAR_DAYS))
        for prefix, values in zip(("value", "clv_365d"), found, strict=True):
            named = {"amount": values.mean, "median": values.median, "low": values.low, "high": values.high}
            columns |= {f"{prefix}_{part}": amounts for part, amounts in named.items()}
    return pa.table({"customer_id": features["customer_id"]} | {name: np.round(values, decimals) for name, values in columns.items()})


def _next_orders(model: NextOrderModel, day: Day, features: pa.Table) -> pa.Table:
    if not isinstance(day, Yardstick):
        raise TypeError(f"no next order with {type(day).__name__}")
    found = score_next_order(model, day, features)
    named = {"next_order_days": found.days, "next_order_low_days": found.low_days, "next_order_high_days": found.high_days}
    # To the millionth before the whole: alone or in the batch the same day.
    days = {name: pa.array(np.floor(np.round(values, DECIMALS)), pa.int64(), mask=np.isnan(values)) for name, values in named.items()}
    return pa.table({"customer_id": features["customer_id"]} | days | {"next_order_reason": pa.array(found.reason, pa.string())})
