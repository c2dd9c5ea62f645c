"""A score's past: what challenger, champion and baseline said on the back-test's day, what followed, and what the season did a year ago."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa

from ml import customer_models
from ml.abstention import too_one_sided
from ml.backtest import Backtest, level_off
from ml.churn import ChurnModel, level_logit
from ml.customer_models import Baseline, Day, Learned, Vector, churn_probability, measure_day, value_mean
from ml.horizons import at, closed, two_sided
from ml.next_order import NextOrderModel, days_to_order, surprise
from ml.planning import Plan
from ml.season import NO_SEASON, YEAR, Season, YearAgo, off_in_logits, off_in_logs, shift
from ml.signals import Yardstick, numbers, take_yardstick
from ml.snapshots import followed, of_day
from ml.value import ValueModel

# By how much the season may have made the back-test's level worse (log-loss; log of the total) and still be believed: chance does that much.
SEASON_SLACK = {"event": 0.003, "amount": 0.05, "wait": 0.0}
Scoring = TypeVar("Scoring", bound=Learned | Baseline)


@dataclass(frozen=True)
class Past:
    """What is known of the past as of a training day: `labels` of the planned days, `known` those of a year ago too."""

    name: str
    planned: Plan
    snapshots: pa.Table
    labels: pa.Table
    known: pa.Table

    def rehearse(self, columns: tuple[str, ...]) -> Learned:
        """The challenger as the back-test's day would have trained it."""
        planned = self.planned
        if planned.backtest_day is None:
            raise ValueError("the history is too short for a back-test")
        before = closed(self.labels, planned.backtest_day)
        before = at(before, two_sided(before, planned.backtest_horizons, is_money=self.name == "value"))
        return customer_models.fit(self.name, self.snapshots, before, columns, planned.backtest_horizons[0], seeds=1)

    def backtest(self, challenger: Learned | Baseline, baseline: Learned | Baseline, stands: Learned | None = None) -> Backtest:
        """What baseline, challenger and the champion that `stands` (their rehearsals) said on the back-test's day, and what followed it."""
        day = self.planned.backtest_day
        if day is None:
            raise ValueError("the history is too short for a back-test")
        name, tested = self.name, self.planned.backtest_horizons[0]
        features, truth = followed(self.snapshots, at(closed(self.labels, self.planned.as_of), (tested,)), day)
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

        measured = measure_day(challenger, features)
        by_challenger = said(challenger, measured)
        return Backtest(
            kind={"churn": "event", "value": "amount", "next_order": "wait"}[name],
            truth=came_true,
            value=value,
            challenger=by_challenger,
            baseline=by_challenger if baseline is challenger else said(baseline, measure_day(baseline, features)),
            champion=said(stands, measure_day(stands, features)) if stands else None,
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
        came = [of_day(at(labels, (model.horizon_days,)), day) for day in (ago.coming, ago.taught)]
        if any(too_one_sided(numbers(one, "orders_count") > 0, "") for one in came):
            return model

        def off(day: datetime, horizon_days: int) -> tuple[float, float]:
            features, truth = followed(self.snapshots, at(labels, (horizon_days,)), day)
            yardstick = take_yardstick(features, model.columns, model.horizon_days)
            view = yardstick.view(features)
            if self.name == "churn":
                said = level_logit(model, view) if isinstance(model, ChurnModel) else view.log_odds_buys
                return off_in_logits(said, (numbers(truth, "orders_count") > 0).astype(np.float64))
            value = model.parts[0].corrected(view) if isinstance(model, ValueModel) else view.value_expected
            carried = yardstick.purchases_ratio(features, horizon_days) if horizon_days != model.horizon_days else 1.0
            return off_in_logs(value * carried, np.maximum(numbers(truth, "net_amount"), 0.0))

        # A baseline is not taught by what followed: its level is off by what it was off by a year ago.
        taught = (0.0, 0.0) if isinstance(model, Baseline) else off(ago.taught, model.horizon_days)
        year = shift(off(ago.coming, YEAR.days), taught) if self.name == "value" else 0.0
        season = Season(shift(off(ago.coming, model.horizon_days), taught), year)
        return replace(model, season=season) if season != NO_SEASON else model
