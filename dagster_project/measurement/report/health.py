"""The data-health page of a night: what came, what was refused, how full and how fresh the columns are, and how their values drift.

    loaded batches ──→ profile of the night (rows per table, share of empty values per column, mean or commonest value) ──→ page
                       the nights before it ──────────────────────────────────────────────────────────────────────────┘

It shows counts, shares, row numbers and shapes of values: no value of a personal column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from dagster_project.measurement.report.reading import Reading
from dagster_project.sources.contract import Column
from dagster_project.sources.mapping import contracts_of

# What a night is compared with, and from how many of its rows and how many nights on a comparison says anything.
DAYS_BEFORE = 28
ROWS_COMPARED_FROM = 20
NIGHTS_COMPARED_FROM = 3
# A share of empty values further than this from that of the nights before, or a mean further than this many times their usual spread, stands out.
EMPTY_STANDS_OUT = 0.2
MEAN_STANDS_OUT = 4.0
SHARE_STANDS_OUT = 0.25
LISTED = 12

BATCHES = """
select source, table_name, extracted_at, sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined), sum(rows_erased),
    bool_or(known_at > extracted_at), list(batch_id)
from sources.load_ledger
where extracted_at > $as_of - interval {days} day and extracted_at <= $known_by and (not is_history or extracted_at > $as_of)
group by all order by source, table_name, extracted_at
"""
BROKEN = """
select source, table_name, coalesce(column_name, 'the whole row'), reason, warns, sum(rows)::bigint,
    list_sort(flatten(list(row_numbers)))[:6], list_sort(list_distinct(flatten(list(shapes))))[:3]
from sources.broken_rules
where batch_id in (select batch_id from sources.load_ledger where extracted_at > $as_of and extracted_at <= $known_by)
group by all order by 6 desc, 1, 2, 3, 4
"""
DIFFERENT = """
select source, table_name, drift, message from sources.differences
where batch_id in (select batch_id from sources.load_ledger where extracted_at > $as_of and extracted_at <= $known_by) order by all
"""
REFUSED = "select source, table_name, file, reason from sources.refused_extracts where extracted_at <= $known_by order by all"
WAITING = """
select source, table_name, coalesce(column_name, 'the whole row'), reason, count(*) from sources.quarantine
where replayed_at is null and batch_id in (select batch_id from sources.load_ledger where extracted_at <= $known_by)
group by all order by 5 desc, 1, 2, 3, 4
"""
GUARDS = "select guard, is_red, message, accepted_by is not null from sources.guards where as_of = $as_of order by is_red desc, guard"


@dataclass(frozen=True)
class Night:
    """One table's extracts of one night."""

    rows_in: int
    loaded: int
    duplicate: int
    quarantined: int
    erased: int
    is_late: bool


@dataclass(frozen=True)
class TableHealth:
    """A table: its newest night, and the rows of the nights up to it, oldest first. `outdated` rows are older words than what was held."""

    system: str
    table: str
    night: Night | None
    rows: tuple[int, ...]
    usual: float | None
    hours_old: float | None
    outdated: int


@dataclass(frozen=True)
class ColumnHealth:
    """A column whose values stand out tonight: what is different, and its course over the nights."""

    system: str
    table: str
    column: str
    what: str
    course: tuple[float, ...]


@dataclass(frozen=True)
class Health:
    tables: tuple[TableHealth, ...]
    emptiest: tuple[tuple[str, str, str, float], ...]
    standing_out: tuple[ColumnHealth, ...]
    broken: list[tuple[object, ...]]
    different: list[tuple[object, ...]]
    refused: list[tuple[object, ...]]
    waiting: list[tuple[object, ...]]
    guards: list[tuple[object, ...]]
    columns_watched: int


def read_health(reading: Reading) -> Health:
    """What the newest built day's night says of the data."""
    nights: dict[tuple[str, str], list[tuple[datetime, Night, list[str]]]] = {}
    for source, table, at, rows_in, loaded, duplicate, quarantined, erased, is_late, batches in reading.rows(
        BATCHES.format(days=DAYS_BEFORE)
    ):
        night = Night(int(rows_in), int(loaded), int(duplicate), int(quarantined), int(erased), is_late)
        nights.setdefault((source, table), []).append((at, night, batches))
    tables, emptiest, standing_out, watched = [], [], [], 0
    contracts = contracts_of(reading.shop)
    for system in reading.shop.sources:
        for name, table in contracts[system].tables.items():
            before = nights.get((system, name), [])
            tables.append(table_health(reading, system, name, table.cursor, before))
            if not before or not reading.has(f"sources.{system}__{name}"):
                continue
            courses = column_courses(reading, f"sources.{system}__{name}", table.columns, [batches for _, _, batches in before])
            watched += len(courses)
            for column, course in courses.items():
                if course and before[-1][0] > reading.moment.as_of:
                    emptiest.append((system, name, column, course[-1].empty))
                    standing_out += [ColumnHealth(system, name, column, *one) for one in differences(course)]
    emptiest = sorted((one for one in emptiest if one[3] > 0), key=lambda one: (-one[3], one[:3]))[:LISTED]
    return Health(
        tuple(tables),
        tuple(emptiest),
        tuple(standing_out),
        reading.rows(BROKEN),
        reading.rows(DIFFERENT),
        reading.rows(REFUSED),
        reading.rows(WAITING),
        reading.rows(GUARDS),
        watched,
    )


def table_health(
    reading: Reading, system: str, name: str, cursor: str | None, nights: Sequence[tuple[datetime, Night, list[str]]]
) -> TableHealth:
    tonight = nights[-1] if nights and nights[-1][0] > reading.moment.as_of else None
    rows = [night.rows_in for _, night, _ in nights]
    usual = median(rows[:-1] if tonight else rows) if len(rows) > 1 else None
    raw = f"sources.{system}__{name}"
    newest, outdated = None, 0
    if cursor and tonight and reading.has(raw):
        at = f'coalesce(make_timestamp(try_cast("{cursor}" as bigint)), try_cast("{cursor}" as timestamptz)::timestamp)'
        batches = "', '".join(tonight[2])
        ((newest, outdated),) = reading.rows(
            f"select max({at}), count(*) filter (where {at} < $as_of - interval 2 day) from {raw} where _batch_id in ('{batches}')"
        )
    hours = max((tonight[0] - newest) / timedelta(hours=1), 0.0) if tonight and newest else None
    return TableHealth(system, name, tonight[1] if tonight else None, tuple(rows), usual, hours, outdated)


@dataclass(frozen=True)
class Values:
    """A column on one night: how many rows, the share without a value, and its mean (numbers) or the share of its commonest value (short lists)."""

    rows: int
    empty: float
    mean: float | None
    commonest: float | None


def column_courses(reading: Reading, raw: str, columns: dict[str, Column], nights: Sequence[list[str]]) -> dict[str, list[Values]]:
    """Each column over the nights, oldest first, in one look at the table; nights without rows are left out."""
    asked = []
    for name, column in columns.items():
        is_number = column.type in ("integer", "decimal") and column.pii == "none" and not name.endswith("id")
        mean = f'avg(try_cast("{name}" as double))' if is_number else "null::double"
        commonest = f'list_max(map_values(histogram("{name}")))' if column.values else "null::bigint"
        asked.append(f'count("{name}"), {mean}, {commonest}')
    listed = ", ".join(f"('{batch}', {night})" for night, batches in enumerate(nights) for batch in batches)
    found = reading.rows(
        f"""
        select nights.night, count(*), {", ".join(asked)}
        from {raw} as rows inner join (values {listed}) as nights(batch, night) on rows._batch_id = nights.batch
        group by nights.night order by nights.night
        """
    )
    courses: dict[str, list[Values]] = {name: [] for name in columns}
    for _, rows, *numbers in found:
        for place, course in enumerate(courses.values()):
            stated, mean, commonest = numbers[3 * place : 3 * place + 3]
            course.append(Values(rows, 1 - stated / rows, mean, commonest / stated if commonest else None))
    return courses


def differences(course: Sequence[Values]) -> list[tuple[str, tuple[float, ...]]]:
    """What stands out in the last night of a column's course, in words, with the course."""
    found = []
    before, tonight = [night for night in course[:-1] if night.rows >= ROWS_COMPARED_FROM], course[-1]
    if len(before) < NIGHTS_COMPARED_FROM or tonight.rows < ROWS_COMPARED_FROM:
        return []
    usual = median(night.empty for night in before)
    if abs(tonight.empty - usual) > EMPTY_STANDS_OUT:
        found.append((f"{tonight.empty:.0%} are empty, usually {usual:.0%}", tuple(night.empty for night in [*before, tonight])))
    means = [night.mean for night in before if night.mean is not None]
    if tonight.mean is not None and len(means) >= NIGHTS_COMPARED_FROM:
        middle = median(means)
        spread = median(abs(mean - middle) for mean in means)
        if abs(tonight.mean - middle) > MEAN_STANDS_OUT * max(spread, abs(middle) * 0.05):
            found.append((f"the mean is {tonight.mean:,.2f}, usually {middle:,.2f}", (*means, tonight.mean)))
    shares = [night.commonest for night in before if night.commonest is not None]
    if tonight.commonest is not None and len(shares) >= NIGHTS_COMPARED_FROM and abs(tonight.commonest - median(shares)) > SHARE_STANDS_OUT:
        found.append((f"the commonest value is {tonight.commonest:.0%} of all, usually {median(shares):.0%}", (*shares, tonight.commonest)))
    return found
