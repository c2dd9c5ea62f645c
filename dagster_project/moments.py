"""The product's one clock: a day of the shop's zone as two instants, without a wall clock anywhere."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, order=True)
class Moment:
    """A moment a run builds. Both instants are naive UTC: facts count when they happened before `as_of` and were known by `known_by`."""

    as_of: datetime
    known_by: datetime

    @property
    def name(self) -> str:
        """The moment in names of files and folders: 20260305T230000Z."""
        return stamp(self.as_of)


def end_of_day(day: date, zone: str, close_after_hours: int) -> Moment:
    """The moment of a daily partition: the end of the day in the shop's zone, and when the night's extracts are in (shop time)."""
    midnight = datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(zone))
    # Wall-clock hours in the shop's zone, so that the schedule's cron line and this agree on days with a change of clocks.
    closed = datetime.combine(day + timedelta(days=1), time(close_after_hours), ZoneInfo(zone))
    return Moment(naive_utc(midnight), naive_utc(closed))


def day_of(as_of: datetime, zone: str) -> date:
    """The shop day that ends at `as_of`."""
    return (as_of.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) - timedelta(microseconds=1)).date()


def naive_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


def stamp(instant: datetime) -> str:
    return instant.strftime("%Y%m%dT%H%M%SZ")


def parse_stamp(text: str) -> datetime:
    """The instant of a stamp.

    Raises:
        ValueError: it is not of the form 20260305T230000Z.
    """
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ")
