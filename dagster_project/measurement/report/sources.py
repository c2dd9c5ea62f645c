"""What the systems brought: in = loaded + duplicate + quarantined + erased, why rows were refused, and what holds delivery."""

from dataclasses import dataclass

from dagster_project.measurement.report.reading import Reading

TABLES = """
select source, table_name, count(*), sum(rows_in), sum(rows_loaded), sum(rows_duplicate), sum(rows_quarantined), sum(rows_erased)
from sources.load_ledger where extracted_at <= $known_by group by source, table_name order by source, table_name
"""
REFUSED = """
select source, table_name, coalesce(column_name, 'the whole row') as column_name, reason, count(*), count(replayed_at)
from sources.quarantine where batch_id in (select batch_id from sources.load_ledger where extracted_at <= $known_by)
group by all order by count(*) desc, source, table_name, column_name, reason
"""
GUARDS = "select guard, is_red, message, accepted_by from sources.guards where as_of = $as_of order by guard"


@dataclass(frozen=True)
class SourceTable:
    """Rows of one table of one system, over all its batches."""

    system: str
    table: str
    batches: int
    rows_in: int
    loaded: int
    duplicate: int
    quarantined: int
    erased: int


@dataclass(frozen=True)
class Refusal:
    """Rows refused for one reason; `replayed` of them came in again later."""

    system: str
    table: str
    column: str
    reason: str
    rows: int
    replayed: int


@dataclass(frozen=True)
class Guard:
    """A guard's word on the day; a red one nobody accepted holds delivery."""

    name: str
    is_red: bool
    message: str
    is_accepted: bool

    @property
    def holds(self) -> bool:
        return self.is_red and not self.is_accepted


@dataclass(frozen=True)
class Sources:
    tables: tuple[SourceTable, ...]
    refusals: tuple[Refusal, ...]
    guards: tuple[Guard, ...]

    @property
    def held(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if guard.holds)


def read_sources(reading: Reading) -> Sources:
    """What came in by the day's `known_by`, and the guards of the day."""
    return Sources(
        tuple(SourceTable(row[0], row[1], *(int(number) for number in row[2:])) for row in reading.rows(TABLES)),
        tuple(Refusal(*row) for row in reading.rows(REFUSED)),
        tuple(Guard(name, is_red, message, accepted is not None) for name, is_red, message, accepted in reading.rows(GUARDS)),
    )
