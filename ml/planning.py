"""Which past days (and horizons) the features and labels of a training are needed for."""

from dataclasses import dataclass, replace
from datetime import datetime

from ml.season import YEAR, YearAgo
from ml.snapshots import SPACING_DAYS, DaysBefore, days_before, learnable_horizons, newest_closed, training_days


@dataclass(frozen=True)
class Plan:
    """What a training day needs: horizons to learn at and, where history allows one, the back-test (a training day of its own in the
    past), and a year ago, for both.
    """

    as_of: datetime
    horizon_days: int
    horizons: tuple[int, ...]
    backtest_day: datetime | None
    backtest_horizons: tuple[int, ...]
    days: tuple[datetime, ...]
    season: YearAgo | None = None
    backtest_season: YearAgo | None = None

    @property
    def snapshot_days(self) -> tuple[datetime, ...]:
        """Every past day that features and labels are needed of: `days` teach, those of a year ago set the level."""
        seasons = (day for season in (self.season, self.backtest_season) if season for day in (season.coming, season.taught))
        return tuple(sorted({*self.days, *seasons}))

    @property
    def label_horizons(self) -> tuple[int, ...]:
        """Every horizon that labels are needed for."""
        return tuple(sorted({*self.horizons, *self.backtest_horizons, *((YEAR.days,) if self.season else ())}))


def plan(as_of: datetime, history_days: int, horizon_days: int, aligned: bool = False, before: DaysBefore = days_before) -> Plan:
    """The days and horizons to build features and labels for; no horizons when the history is too short. `before` counts days back: a shop's
    days end at another hour of UTC when clocks change, and only the end of a shop's day is one that was scored.
    """
    horizons = learnable_horizons(history_days, horizon_days)
    days = {day for listed in training_days(as_of, horizons, aligned, before).values() for day in listed}
    # The back-test is this very training a horizon ago, so it needs a third one before.
    third = history_days // 3 // SPACING_DAYS * SPACING_DAYS
    tested = min(horizon_days, third) if horizons and third >= SPACING_DAYS else 0
    backtest_day: datetime | None = None
    backtest_horizons: tuple[int, ...] = ()
    if tested:
        back = newest_closed(as_of, tested, aligned, before)
        backtest_day = before(as_of, back)
        backtest_horizons = learnable_horizons(history_days - back, tested)
        backtest_horizons = backtest_horizons if backtest_horizons[:1] == (tested,) else ()
        if backtest_horizons:
            taught = training_days(backtest_day, backtest_horizons, aligned, before)
            days |= {backtest_day} | {day for listed in taught.values() for day in listed}
        else:
            backtest_day = None
    planned = Plan(as_of, horizon_days, horizons, backtest_day, backtest_horizons, tuple(sorted(days)))
    # A season is believed where it would have helped the back-test, which needs the year before that too, and a horizon to know people by.
    if backtest_day is None or tested != horizon_days or history_days < YEAR.days + 4 * back:
        return planned
    return replace(planned, season=_year_ago(as_of, back, before), backtest_season=_year_ago(backtest_day, back, before))


def _year_ago(as_of: datetime, back: int, before: DaysBefore) -> YearAgo:
    """The days to compare for a model that is trained on a day and taught by the one so many days before."""
    year = newest_closed(as_of, YEAR.days, aligned=True, before=before)
    return YearAgo(coming=before(as_of, year), taught=before(as_of, year + back))
