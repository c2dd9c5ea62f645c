"""The data-health page of a night: what came, what was refused, how full and how fresh the columns are, and how their values drift.

    loaded batches ──→ profile of the night (rows per table, share of empty values per column, mean or commonest value) ──→ page
                       the nights before it ──────────────────────────────────────────────────────────────────────────┘

It shows counts, shares, row numbers and shapes of values: no value of a personal column.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from dagster_project.measurement.report.reading import Reading
from dagster_project.sources.contract import Column, Table
from dagster_project.sources.lateness import night_of
from dagster_project.sources.mapping import contracts_of

# What a night is compared with, and from how many of its rows and how many nights on a comparison says anything.
DAYS_BEFORE = 28
ROWS_COMPARED_FROM = 20
NIGHTS_COMPARED_FROM = 3
# A share of empty values further than this from that of the nights before, or a mean further than this many times their usual spread, stands out.
EMPTY_STANDS_OUT = 0.2
MEAN_STANDS_OUT = 4.0
SHARE_STANDS_OUT = 0.25

BATCHES = """
select source, table_name, batch_id, extracted_at, known_at, is_history, rows_in, rows_loaded, rows_duplicate, rows_quarantined, rows_erased
from sources.load_ledger
where greatest(extracted_at, known_at) > $as_of - interval {days} day and extracted_at <= $known_by order by extracted_at, batch_id
"""
BROKEN = """
select source, table_name, coalesce(column_name, 'the whole row'), reason, warns, sum(rows)::bigint,
    list_sort(flatten(list(row_numbers)))[:6], list_sort(list_distinct(flatten(list(shapes))))[:3]
from sources.broken_rules where batch_id in ({tonight}) group by all order by 6 desc, 1, 2, 3, 4
"""
DIFFERENT = "select source, table_name, drift, message from sources.differences where batch_id in ({tonight}) order by all"
TOLD_BEFORE = """
select source, table_name, count(*) from sources.differences where batch_id not in ({tonight}) group by all order by 3 desc, 1, 2
"""
REFUSED = "select source, table_name, file, reason from sources.refused_extracts where extracted_at <= $known_by order by all"
WAITING = """
select source, table_name, coalesce(column_name, 'the whole row'), reason, count(*) from sources.quarantine
where replayed_at is null and batch_id in (select batch_id from sources.load_ledger where extracted_at <= $known_by)
    and batch_id not in ({later})
group by all order by 5 desc, 1, 2, 3, 4
"""
WARNINGS = "select test, says, rows from sources.test_warnings where as_of = $as_of order by test"
GUARDS = "select guard, is_red, message, accepted_by is not null from sources.guards where as_of = $as_of order by is_red desc, guard"


@dataclass(frozen=True)
class Night:
    """One table's extracts of one night, `batches` in the ledger. `is_late`: some of them came when a day had been built without them."""

    rows_in: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    erased: int = 0
    is_late: bool = False
    batches: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableHealth:
    """A table: its newest night, and the rows of the nights up to it, oldest first. `outdated` rows are older words than what was held; `note` says
    where the number of rows was not judged, and why."""

    system: str
    table: str
    night: Night | None
    rows: tuple[int, ...]
    usual: float | None
    hours_old: float | None
    outdated: int
    note: str = ""


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
    """`later` are tables of which rows came after the night's close, and how many: they are the next night's. `told_before` are differences of other
    nights, which are told once."""

    tables: tuple[TableHealth, ...]
    emptiest: list[tuple[str, str, str, float]]
    standing_out: tuple[ColumnHealth, ...]
    broken: list[tuple[object, ...]]
    different: list[tuple[object, ...]]
    told_before: list[tuple[object, ...]]
    refused: list[tuple[object, ...]]
    waiting: list[tuple[object, ...]]
    later: dict[str, int]
    guards: list[tuple[object, ...]]
    warnings: list[tuple[object, ...]]
    columns_watched: int


def read_health(reading: Reading) -> Health:
    """What the newest built day's night says of the data."""
    nights, later = nights_of(reading)
    tables, emptiest, standing_out, watched = [], [], [], 0
    contracts = contracts_of(reading.shop)
    for system in reading.shop.sources:
        for name, table in contracts[system].tables.items():
            before = nights.get((system, name), {})
            tables.append(table_health(reading, system, name, table, before))
            if not before or not reading.has(f"sources.{system}__{name}"):
                continue
            courses = column_courses(
                reading, f"sources.{system}__{name}", table.columns, [before[as_of].batches for as_of in sorted(before)]
            )
            watched += len(courses)
            for column, course in courses.items():
                if course and reading.moment.as_of in before:
                    emptiest.append((system, name, column, course[-1].empty))
                    standing_out += [ColumnHealth(system, name, column, *one) for one in differences(course)]
    tonight = quoted(batch for table in tables if table.night for batch in table.night.batches)
    return Health(
        tuple(tables),
        sorted((one for one in emptiest if one[3] > 0), key=lambda one: (-one[3], one[:3])),
        tuple(standing_out),
        reading.rows(BROKEN.format(tonight=tonight)),
        reading.rows(DIFFERENT.format(tonight=tonight)),
        reading.rows(TOLD_BEFORE.format(tonight=tonight)),
        [(system, table, file, said_of(file, reason)) for system, table, file, reason in reading.rows(REFUSED)],
        reading.rows(WAITING.format(later=quoted(batch for _, _, batch in later))),
        later_rows(later),
        reading.rows(GUARDS),
        reading.rows(WARNINGS),
        watched,
    )


def nights_of(reading: Reading) -> tuple[dict[tuple[str, str], dict[datetime, Night]], list[tuple[str, int, str]]]:
    """Each table's nights up to the day's, by their moment, and what came after the day's night had closed: table, rows, batch."""
    nights: dict[tuple[str, str], dict[datetime, Night]] = defaultdict(dict)
    later = []
    for source, table, batch, extracted_at, known_at, is_history, *numbers in reading.rows(BATCHES.format(days=DAYS_BEFORE)):
        at = night_of(reading.shop, extracted_at, known_at).as_of
        if at > reading.moment.as_of:
            later.append((f"{source}.{table}", int(numbers[0]), batch))
        # History that came in the night is the night's; that of earlier ones is no measure of a usual night.
        elif at == reading.moment.as_of or not is_history:
            night = nights[source, table].get(at, Night())
            came, loaded, duplicate, quarantined, erased = map(int, numbers)
            nights[source, table][at] = Night(
                night.rows_in + came,
                night.loaded + loaded,
                night.duplicate + duplicate,
                night.quarantined + quarantined,
                night.erased + erased,
                night.is_late or known_at > extracted_at,
                (*night.batches, batch),
            )
    return nights, later


def later_rows(later: Sequence[tuple[str, int, str]]) -> dict[str, int]:
    """The rows that came too late for the night, by table."""
    return {table: sum(rows for one, rows, _ in later if one == table) for table in sorted({table for table, _, _ in later})}


def quoted(batches: Iterable[str]) -> str:
    """Batch ids, which are hexadecimal, as SQL lists them."""
    return ", ".join(f"'{batch}'" for batch in batches) or "''"


def said_of(file: str, reason: str) -> str:
    """Why an extract was refused, without its path: the page names the file before it."""
    _, found, rest = reason.partition(f"{file}: ")
    return rest if found else reason


def table_health(reading: Reading, system: str, name: str, table: Table, nights: Mapping[datetime, Night]) -> TableHealth:
    tonight = nights.get(reading.moment.as_of)
    rows = [nights[as_of].rows_in for as_of in sorted(nights)]
    before = rows[:-1] if tonight else rows
    usual = median(before) if before else None
    raw = f"sources.{system}__{name}"
    newest, outdated = None, 0
    if table.cursor and tonight and reading.has(raw):
        at = f'coalesce(make_timestamp(try_cast("{table.cursor}" as bigint)), try_cast("{table.cursor}" as timestamptz)::timestamp)'
        ((newest, outdated),) = reading.rows(
            f"select max({at}), count(*) filter (where {at} < $as_of - interval 2 day) from {raw} where _batch_id in ({quoted(tonight.batches)})"
        )
    hours = max((reading.moment.known_by - newest) / timedelta(hours=1), 0.0) if tonight and newest else None
    note = note_of(table, tonight, usual, reading.shop.guards.rows_compared_from)
    return TableHealth(system, name, tonight, tuple(rows), usual, hours, outdated, note)


def note_of(table: Table, tonight: Night | None, usual: float | None, compared_from: int) -> str:
    """What is to be said of a number of rows that no guard vouches for."""
    if tonight is None:
        return "nothing came; it must come every day" if table.daily else "nothing came; it need not come every night"
    if not table.volume.is_judged:
        return "comes in bursts"
    if usual is not None and max(usual, tonight.rows_in) < compared_from:
        return "too few to judge"
    return ""


@dataclass(frozen=True)
class Values:
    """A column on one night: how many rows, the share without a value, and its mean (numbers) or the share of its commonest value (short lists)."""

    rows: int
    empty: float
    mean: float | None
    commonest: float | None


def column_courses(reading: Reading, raw: str, columns: dict[str, Column], nights: Sequence[tuple[str, ...]]) -> dict[str, list[Values]]:
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
