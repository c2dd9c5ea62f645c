"""Tables of systems that have a source.yaml, known by their columns."""

from dataclasses import dataclass

from dagster_project.onboarding.samples import Sample
from dagster_project.sources.contract import System, Table

# Of a known table's columns at least so many are there, and so large a share.
KNOWN_COLUMNS, KNOWN_SHARE = 5, 0.75
ITS_OWN = "sales"


@dataclass(frozen=True)
class Known:
    """A table of a system that has a source.yaml."""

    sample: Sample
    system: str
    table: str
    loader: str | None = None


def known_as(sample: Sample, systems: dict[str, System]) -> Known | None:
    """The known table whose columns these are, by their names in its extracts."""
    headers = {header.lower() for header in sample.headers}
    best: tuple[float, Known] | None = None
    for name, system in systems.items():
        for table_name, table in system.tables.items():
            fit = fits(table, headers, sample.name) if name != ITS_OWN else 0.0
            # Of tables that fit alike, the one that bears its name.
            fit += 0.01 if fit and table_name.replace("_", " ") in sample.words else 0
            if fit and (best is None or fit > best[0]):
                best = (fit, Known(sample, name, table_name))
    return best[1] if best else None


def fits(table: Table, headers: set[str], name: str) -> float:
    """The share of a table's columns that are among the headers, all where a database calls it so too; 0 where it is another table."""
    asked = {header.lower(): table.columns[name] for name, header in table.headers.items() if not table.columns[name].number_within}
    found = [header for header in asked if header in headers]
    is_called_so = table.pull is not None and table.pull.table == name
    if len(found) < min(3 if is_called_so else KNOWN_COLUMNS, len(asked)) or any(
        column.required and header not in headers for header, column in asked.items()
    ):
        return 0.0
    share = 1.0 if is_called_so else len(found) / len(asked)
    return share if share >= KNOWN_SHARE and (is_called_so or len(asked) >= 4) else 0.0
