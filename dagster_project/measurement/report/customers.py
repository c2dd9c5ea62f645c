"""Who is who: how well the systems' records meet, what is known of people, and what they allowed."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from dagster_project.measurement.report.reading import Reading
from dagster_project.moments import day_of

PAIRS = """
select source, other_source, coalesce(sum(records_count) filter (where outcome = 'matched'), 0)::bigint, sum(records_count)::bigint,
    max_by(outcome, (records_count, outcome)) filter (where outcome <> 'matched')
from identity.match_rates where as_of = $as_of group by source, other_source order by source, other_source
"""
RULES = """
select rule, count(*), min(match_probability) from identity.customer_links
where valid_from <= $known_by and (valid_to is null or valid_to > $known_by) group by rule order by count(*) desc, rule
"""
FIRST_SEEN = "select first_seen_at from profile.current_customers where as_of = $as_of and first_seen_at < $as_of"
FIELDS = "select field, filled_count from measurement.report_profile_fields where as_of = $as_of order by field_number"
UNREAD = "select sum(customers_count)::bigint from profile.unread_wishes where as_of = $as_of"
CONSENT = """
select channel, purpose, count(*) filter (where is_permitted), count(*) filter (where not is_permitted)
from profile.customer_permissions semi join profile.current_customers using (as_of, customer_id)
where as_of = $as_of group by channel, purpose order by channel, purpose
"""
SUPPRESSED = """
select channel, reason, count(*) from profile.customer_suppressions
where as_of = $as_of group by all order by count(*) desc, channel, reason
"""
DAYS_SHOWN = 42


@dataclass(frozen=True)
class Pair:
    """Records of a system, those of them that found their person in another, and why most of the others did not (None where all did)."""

    source: str
    other: str
    matched: int
    records: int
    mostly_because: str | None


@dataclass(frozen=True)
class Rule:
    """Records that came to their customer by a rule, and the lowest probability among them."""

    name: str
    records: int
    lowest_probability: float


@dataclass(frozen=True)
class Purpose:
    """Customers who said yes, who said no or withdrew, and who said nothing, which counts as no."""

    channel: str
    purpose: str
    granted: int
    refused: int
    silent: int


@dataclass(frozen=True)
class Customers:
    """`new` is customers first seen, by shop day, without gaps, and `newest` the last day that had one; `fields` is (field, filled);
    `unread` is how often somebody stated a wish that no rule of recommendations reads."""

    count: int
    pairs: tuple[Pair, ...]
    rules: tuple[Rule, ...]
    new: tuple[tuple[date, int], ...]
    newest: date | None
    fields: tuple[tuple[str, int], ...]
    unread: int
    purposes: tuple[Purpose, ...]
    suppressed: tuple[tuple[str, str, int], ...]

    @property
    def systems(self) -> list[str]:
        """The systems that know people."""
        return sorted({pair.source for pair in self.pairs})

    @property
    def matches(self) -> dict[tuple[str, str], Pair]:
        return {(pair.source, pair.other): pair for pair in self.pairs}


def read_customers(reading: Reading) -> Customers:
    """The customers as the day believed them."""
    new, newest = _new_by_day(reading)
    count = reading.number("select count(*) from profile.current_customers where as_of = $as_of")
    return Customers(
        count,
        tuple(Pair(*row) for row in reading.rows(PAIRS)),
        tuple(Rule(*row) for row in reading.rows(RULES)),
        new,
        newest,
        tuple((field, filled) for field, filled in reading.rows(FIELDS)) if reading.has("measurement.report_profile_fields") else (),
        reading.number(UNREAD) if reading.has("profile.unread_wishes") else 0,
        tuple(Purpose(channel, purpose, yes, no, count - yes - no) for channel, purpose, yes, no in reading.rows(CONSENT)),
        tuple((channel, reason, people) for channel, reason, people in reading.rows(SUPPRESSED)),
    )


def _new_by_day(reading: Reading) -> tuple[tuple[tuple[date, int], ...], date | None]:
    """The last DAYS_SHOWN shop days up to the day itself, days without anybody new included; and the last day with somebody new."""
    # `day_of` names the day that ends at an instant; an instant at midnight begins the next one.
    seen = Counter(day_of(at + timedelta(microseconds=1), reading.shop.zone) for (at,) in reading.rows(FIRST_SEEN))
    last = day_of(reading.moment.as_of, reading.shop.zone)
    days = [last - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    return tuple((day, seen[day]) for day in days), max(seen, default=None)
