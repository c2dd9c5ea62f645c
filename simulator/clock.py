"""The shop's days, the pulls that follow them, and how each vendor writes a moment.

Every moment inside the simulator is an int64 of seconds since 1970-01-01 UTC. Nothing reads the wall clock.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

SHOP_ZONE = "Europe/Berlin"
PULL_HOUR = 6
DAY = 86_400
NEVER = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Pull:
    """One extract of every table: the changes before `until`, read at `extracted_at` (both in seconds)."""

    until: int
    extracted_at: int

    @property
    def stamp(self) -> str:
        """The pull's moment as file names carry it, e.g. `20260302T050000Z`."""
        return datetime.fromtimestamp(self.extracted_at, UTC).strftime("%Y%m%dT%H%M%SZ")


@dataclass(frozen=True)
class Clock:
    """The simulated span: `months` of days that end with `last_day`, the last `days` of them pulled daily."""

    last_day: date
    months: int
    days: int

    def __post_init__(self) -> None:
        if self.days < 1 or self.months < 1:
            raise ValueError("months and days must be at least 1")
        if self.opening - self.start < 30 * DAY:
            raise ValueError(f"{self.months} months leave less than 30 days of history before the {self.days} daily extracts")

    @cached_property
    def start(self) -> int:
        """The first moment of the history."""
        first = pd.Timestamp(self.last_day) + pd.Timedelta(days=1) - pd.DateOffset(months=self.months)
        return shop_moment(first.date())

    @cached_property
    def opening(self) -> int:
        """The start of the first daily pulled day; everything before it is in the history extract."""
        return shop_moment(self.last_day - timedelta(days=self.days - 1))

    @cached_property
    def end(self) -> int:
        """The end of the last day."""
        return shop_moment(self.last_day + timedelta(days=1))

    @cached_property
    def pulls(self) -> tuple[Pull, ...]:
        """The history pull, then one pull a day at 06:00 shop time of the next day."""
        first = self.last_day - timedelta(days=self.days - 1)
        daily = [first + timedelta(days=number + 1) for number in range(self.days)]
        return (
            Pull(self.opening, self.opening),
            *(Pull(shop_moment(day), shop_moment(day, PULL_HOUR)) for day in daily),
        )

    def pull_of(self, moments: np.ndarray, up_to_pull: bool = False) -> np.ndarray:
        """The number of the pull that first sees each moment; `len(pulls)` when none does.

        Most tables are cut at the end of the day. With `up_to_pull` a pull also holds the night before it.
        """
        bounds = [pull.extracted_at if up_to_pull else pull.until for pull in self.pulls]
        return np.searchsorted(np.array(bounds), moments, side="right")


def shop_moment(day: date, hour: int = 0) -> int:
    """The moment at which the shop's clocks show `hour` on `day`."""
    return int(datetime.combine(day, time(hour), ZoneInfo(SHOP_ZONE)).timestamp())


def offsets(moments: np.ndarray, zone: str) -> np.ndarray:
    """Seconds by which the zone is ahead of UTC at each moment."""
    index = pd.DatetimeIndex(np.asarray(moments, dtype="datetime64[s]"), tz="UTC")
    local = index.tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return local - np.asarray(moments, dtype=np.int64)


def at_local(days: np.ndarray, seconds: np.ndarray, zone: str) -> np.ndarray:
    """The moments at which the zone's clocks show `seconds` past midnight on `days` (days since 1970-01-01)."""
    naive = days.astype(np.int64) * DAY + seconds.astype(np.int64)
    return naive - offsets(naive, zone)


def local_days(moments: np.ndarray, zone: str = SHOP_ZONE) -> np.ndarray:
    """The calendar day in the zone of each moment, as days since 1970-01-01."""
    return (np.asarray(moments, dtype=np.int64) + offsets(moments, zone)) // DAY


def local_texts(moments: np.ndarray, zone: str = SHOP_ZONE, unit: Literal["D", "m", "s"] = "s", separator: str = " ") -> np.ndarray:
    """`2026-03-01 14:05:33`: the zone's clock without an offset."""
    local = (np.asarray(moments, dtype=np.int64) + offsets(moments, zone)).astype("datetime64[s]")
    texts = np.datetime_as_string(local, unit=unit)
    return np.char.replace(texts, "T", separator) if separator != "T" else texts


def offset_texts(moments: np.ndarray, zone: str = SHOP_ZONE) -> np.ndarray:
    """`2026-03-01T14:05:33+01:00`: the zone's clock with its offset (whole hours)."""
    hours = offsets(moments, zone) // 3600
    marks = np.array([f"{hour:+03d}:00" for hour in range(-12, 15)])
    return np.char.add(local_texts(moments, zone, separator="T"), marks[hours + 12])


def utc_texts(moments: np.ndarray, suffix: str = "Z") -> np.ndarray:
    """`2026-03-01T13:05:33Z`, or with another suffix."""
    return np.char.add(np.datetime_as_string(np.asarray(moments, dtype="datetime64[s]")), suffix)


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each named part, so that one part's draws never move another's."""
    return np.random.default_rng([seed, *name.encode()])
