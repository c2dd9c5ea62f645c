"""The scores of customers who have bought: what a run trains, measures and scores. The pipeline and the benchmarks both call these three, for
the days that `ml.planning` says.

train    a model, champion and challenger compared on the newest back-test, or an abstention with its reason
measure  the scored day's distributions, from all its customers: stored beside the model, so that
score    gives one customer's features the same scores alone as in the batch
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.abstention import Abstained, too_few_customers, too_little_history, too_one_sided
from ml.backtest import Backtest, level_off
from ml.churn import ChurnDay, ChurnModel, level_logit, measure_churn, score_churn, train_churn
from ml.horizons import at, closed, no_backtest, one_sided, two_sided
from ml.next_order import NextOrderModel, days_to_order, measure_next_order, score_next_order, surprise, train_next_order, without_trees
from ml.planning import Plan
from ml.promotion import Verdict, judge
from ml.season import NO_SEASON, YEAR, Season, YearAgo, off_in_logits, off_in_logs, shift
from ml.signals import Yardstick, feature_columns, numbers, take_yardstick
from ml.snapshots import of_day, of_days
from ml.value import ValueDay, ValueModel, Values, expected_value, measure_value, score_value, train_value

Vector = NDArray[np.float64]

DECIMALS = 6
# By how much the season may have made the back-test's level worse (log-loss; log of the total) and still be believed: chance does that much.
SEASON_SLACK = {"event": 0.003, "amount": 0.05, "wait": 0.0}
YEAR_DAYS = 365


@dataclass(frozen=True)
class Baseline:
    """The champion of the first day: BG/NBD P(no purchase), BG/NBD x Gamma-Gamma value. Nothing is learned but the yardstick of the
    day.
    """

    horizon_days: int
    columns: tuple[str, ...]
    season: Season = NO_SEASON


Learned = ChurnModel | ValueModel | NextOrderModel
Scoring = TypeVar("Scoring", bound=Learned | Baseline)


@dataclass(frozen=True)
class Trained:
    """The model of a score, as of which day, and the verdict behind it (None on a baseline that scores). `rehearsal` is the challenger as
    the back-test's day would have trained it: what was judged, and what later challengers are judged against; `tested` what it said there.
    Both are None where nothing could be compared.
    `standing` is the champion that stays, at the season of this training day.
    """

    name: str
    trained_as_of: datetime
    model: ChurnModel | ValueModel | NextOrderModel | Baseline
    verdict: Verdict | None
    rehearsal: Learned | None = None
    tested: Backtest | None = field(default=None, compare=False, metadata={"stored": False})
    standing: ChurnModel | ValueModel | Baseline | None = field(default=None, compare=False, metadata={"stored": False})


Day = ChurnDay | ValueDay | Yardstick


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
    plain = _baseline(name, planned.horizon_days, horizons[0], columns)
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
    rehearsal, believed = past.at_season(_rehearse(name, planned, snapshots, taught, columns))
    baseline, believed_of_baseline = past.at_season(_baseline(name, rehearsal.horizon_days, rehearsal.horizon_days, columns))
    tested = past.backtest(rehearsal, baseline, champion)
    verdict = judge(tested)
    if not verdict.promoted:
        return refused(verdict, (believed, believed_of_baseline), rehearsal, tested)
    model = _fit(name, snapshots, ours, columns, planned.horizon_days, _beside(name, churn, planned, snapshots, ours, columns))
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
    return _measure(trained.model, features)


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
        found = _values(trained.model, day, features, (trained.model.horizon_days, YEAR_DAYS))
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


def churn_probability(model: object, day: Day, features: pa.Table) -> Vector:
    """P(no purchase within the model's horizon) of each row."""
    if isinstance(model, ChurnModel) and isinstance(day, ChurnDay):
        return score_churn(model, day, features)
    if isinstance(model, Baseline) and isinstance(day, Yardstick):
        return 1.0 / (1.0 + np.exp(day.view(features).log_odds_buys + model.season.horizon))
    raise TypeError(f"no churn score from {type(model).__name__} with {type(day).__name__}")


def value_mean(model: object, day: Day, features: pa.Table) -> Vector:
    """The expected net revenue within the model's horizon of each row."""
    if isinstance(model, ValueModel) and isinstance(day, ValueDay):
        return expected_value(model, day, features)
    if isinstance(model, Baseline) and isinstance(day, Yardstick):
        return day.view(features).value_expected * np.exp(model.season.horizon)
    raise TypeError(f"no value from {type(model).__name__} with {type(day).__name__}")


def _values(model: object, day: Day, features: pa.Table, horizons: Sequence[int]) -> list[Values]:
    """Mean, median and range within each horizon; the baseline knows no range (NaN)."""
    if isinstance(model, ValueModel) and isinstance(day, ValueDay):
        return score_value(model, day, features, horizons)
    mean = value_mean(model, day, features)
    unknown = np.full(len(mean), np.nan)
    means = [_carried(mean, model, day, features, horizon) for horizon in horizons]
    return [Values(mean=one, median=unknown, low=unknown, high=unknown) for one in means]


def _carried(mean: Vector, model: object, day: Day, features: pa.Table, horizon_days: int) -> Vector:
    """A baseline's mean value within another horizon."""
    if not isinstance(model, Baseline) or not isinstance(day, Yardstick) or horizon_days == model.horizon_days:
        return mean
    return mean * day.purchases_ratio(features, horizon_days) * np.exp(model.season.year - model.season.horizon)


def _fit(
    name: str,
    snapshots: pa.Table,
    labels: pa.Table,
    columns: tuple[str, ...],
    horizon_days: int,
    churn: ChurnModel | None = None,
    seeds: int = 2,
) -> ChurnModel | ValueModel | NextOrderModel:
    if name == "churn":
        return train_churn(snapshots, labels, columns, horizon_days, seeds)
    if name == "value":
        return train_value(snapshots, labels, columns, horizon_days, churn, seeds)
    if name == "next_order":
        longest = max(labels["horizon_days"].to_pylist())
        return train_next_order(snapshots, days_to_order(labels, longest), columns, longest)
    raise ValueError(f"no model is called {name}; there are churn, value and next_order")


def _measure(model: ChurnModel | ValueModel | NextOrderModel | Baseline, features: pa.Table) -> Day:
    if isinstance(model, ChurnModel):
        return measure_churn(model, features)
    if isinstance(model, ValueModel):
        return measure_value(model, features)
    if isinstance(model, NextOrderModel):
        return measure_next_order(model, features)
    return take_yardstick(features, model.columns, model.horizon_days)


def _rehearse(name: str, planned: Plan, snapshots: pa.Table, labels: pa.Table, columns: tuple[str, ...]) -> Learned:
    """The challenger as the back-test's day would have trained it."""
    if planned.backtest_day is None:
        raise ValueError("the history is too short for a back-test")
    before = closed(labels, planned.backtest_day)
    before = at(before, two_sided(before, planned.backtest_horizons, is_money=name == "value"))
    return _fit(name, snapshots, before, columns, planned.backtest_horizons[0], seeds=1)


@dataclass(frozen=True)
class Past:
    """What is known of the past as of a training day: `labels` of the planned days, `known` those of a year ago too."""

    name: str
    planned: Plan
    snapshots: pa.Table
    labels: pa.Table
    known: pa.Table

    def backtest(self, challenger: Learned | Baseline, baseline: Learned | Baseline, champion: Trained | None = None) -> Backtest:
        """What baseline, challenger and champion (their rehearsals) said on the back-test's day, and what followed it."""
        day = self.planned.backtest_day
        if day is None:
            raise ValueError("the history is too short for a back-test")
        name, tested = self.name, self.planned.backtest_horizons[0]
        features = of_day(self.snapshots, day)
        truth = of_day(at(closed(self.labels, self.planned.as_of), (tested,)), day)
        stands = champion.rehearsal if champion else None
        # Of columns that are gone it cannot be asked (and scores nobody either): the baseline is what is left to win against.
        if stands and not set(features.column_names).issuperset(stands.columns):
            stands = None
        # A young shop learns at a longer horizon every few weeks. The champion of a shorter one is asked about this one, as it carries itself
        # to the horizon that is published.
        if isinstance(stands, ChurnModel | ValueModel):
            stands = replace(stands, horizon_days=tested)
        value = np.maximum(numbers(truth, "net_amount"), 0.0)
        waited = np.nan_to_num(numbers(days_to_order(truth, tested), "days_to_order"), nan=np.inf)
        came_true = {"churn": (numbers(truth, "orders_count") == 0).astype(np.float64), "value": value, "next_order": waited}[name]

        # Waits are compared bucket by bucket, so at the same ones.
        ends = challenger.ends if isinstance(challenger, NextOrderModel) else None

        def said(model: Learned | Baseline, measured: Day) -> Vector:
            if isinstance(model, NextOrderModel) and isinstance(measured, Yardstick):
                return surprise(model, measured, features, waited, ends)
            return (churn_probability if name == "churn" else value_mean)(model, measured, features)

        measured = _measure(challenger, features)
        by_challenger = said(challenger, measured)
        return Backtest(
            kind={"churn": "event", "value": "amount", "next_order": "wait"}[name],
            truth=came_true,
            value=value,
            challenger=by_challenger,
            baseline=by_challenger if baseline is challenger else said(baseline, _measure(baseline, features)),
            champion=said(stands, _measure(stands, features)) if stands else None,
            features=features,
            day=measured,
        )

    def at_season(self, model: Scoring) -> tuple[Scoring, bool]:
        """A model of the back-test's day at the level of the season that came then, and whether to believe in it: not where it made the level
        worse by more than chance does."""
        day = self.planned.backtest_day
        moved = self._moved(model, self.planned.backtest_season, closed(self.known, day)) if day else model
        if moved is model:
            return model, True
        plain, seasonal = (self.backtest(one, one) for one in (model, moved))
        believed = level_off(seasonal) <= level_off(plain) + SEASON_SLACK[plain.kind]
        return (moved if believed else model), believed

    def today(self, model: Scoring, believed: bool) -> Scoring:
        """A model of today at the level of the season that comes."""
        return self._moved(model, self.planned.season, self.known) if believed else model

    def _moved(self, model: Scoring, ago: YearAgo | None, labels: pa.Table) -> Scoring:
        """The model moved; as it is where no year ago is known, too little followed one, or chance explains the difference."""
        if ago is None or isinstance(model, NextOrderModel):
            return model
        followed = [of_day(at(labels, (model.horizon_days,)), day) for day in (ago.coming, ago.taught)]
        if any(too_one_sided(numbers(one, "orders_count") > 0, "") for one in followed):
            return model

        def off(day: datetime, horizon_days: int) -> tuple[float, float]:
            features, followed = of_day(self.snapshots, day), of_day(at(labels, (horizon_days,)), day)
            yardstick = take_yardstick(features, model.columns, model.horizon_days)
            view = yardstick.view(features)
            if self.name == "churn":
                said = level_logit(model, view) if isinstance(model, ChurnModel) else view.log_odds_buys
                return off_in_logits(said, (numbers(followed, "orders_count") > 0).astype(np.float64))
            value = model.parts[0].corrected(view) if isinstance(model, ValueModel) else view.value_expected
            carried = yardstick.purchases_ratio(features, horizon_days) if horizon_days != model.horizon_days else 1.0
            return off_in_logs(value * carried, np.maximum(numbers(followed, "net_amount"), 0.0))

        # A baseline is not taught by what followed: its level is off by what it was off by a year ago.
        taught = (0.0, 0.0) if isinstance(model, Baseline) else off(ago.taught, model.horizon_days)
        year = shift(off(ago.coming, YEAR.days), taught) if self.name == "value" else 0.0
        season = Season(shift(off(ago.coming, model.horizon_days), taught), year)
        return replace(model, season=season) if season != NO_SEASON else model


def _baseline(name: str, horizon_days: int, learned_days: int, columns: tuple[str, ...]) -> Baseline | NextOrderModel:
    """What needs no training: BG/NBD, at the asked horizon, or for the wait at the one that can be learned."""
    return without_trees(columns, learned_days) if name == "next_order" else Baseline(horizon_days, columns)
