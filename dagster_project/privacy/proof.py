"""The proof: every table and every byte of the store looked at once more, and what is not ours to change listed."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.identity.link_lists import path_of
from dagster_project.privacy.artefacts import files_of
from dagster_project.privacy.orders import pending_orders
from dagster_project.privacy.person import Person
from dagster_project.privacy.searching import Search
from dagster_project.privacy.traces import TABLES, traces
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.erased import Erased
from dagster_project.sources.extracts import find_extracts
from dagster_project.sources.mapping import contracts_of
from dagster_project.warehouse import Warehouse


@dataclass(frozen=True)
class Proof:
    """How many tables and files were looked at, and where the person still is in them (`hits`). What is not ours to change: the shop's source
    files (file, rows, or why it cannot be read), lines of its decisions, orders that tools have not confirmed. `erased`: table → rows;
    `shared`: identifiers that others state too; `entry`: what is kept.
    """

    tables: int
    files: int
    hits: list[str]
    erased: dict[str, int] = field(default_factory=dict)
    sources: list[tuple[Path, str]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    orders: list[Path] = field(default_factory=list)
    shared: int = 0
    entry: Path | None = None


def prove(settings: Settings, shop: Shop, person: Person, erased: Erased, rows: dict[str, int]) -> Proof:
    """Look everywhere."""
    warehouse = Warehouse.of(settings)
    with warehouse.session(), warehouse.connect() as connection:
        tables = len(connection.execute(TABLES).fetchall())
        hits = [f"{trace.table}: {trace.rows} rows" for trace in traces(connection, shop, person, erased)]
    search = Search(person, settings.store)
    files = [*files_of(settings, shop), settings.warehouse, Path(f"{settings.warehouse}.wal")]
    hits += [str(path.relative_to(settings.store)) for path in files if path.is_file() and search.file(path, if_broken=True)]
    return Proof(
        tables,
        len(files),
        hits,
        rows,
        in_sources(settings, shop, erased),
        in_decisions(shop, person),
        pending_orders(settings.exports),
        len(person.shared),
    )


def in_sources(settings: Settings, shop: Shop, erased: Erased) -> list[tuple[Path, str]]:
    """The shop's own extract files that the person is in, with the rows."""
    found: list[tuple[Path, str]] = []
    for name, system in contracts_of(shop).items():
        if shop.sources[name].kind == "files":
            for extract in find_extracts(shop.extracts(name, settings.store), system):
                try:
                    rows = sorted(erased.rows_in(extract.path, system, extract.table))
                except UnreadableExtract as error:
                    found.append((extract.path, f"cannot be read: {error}"))
                    continue
                if rows:
                    found.append((extract.path, ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")))
    return found


def in_decisions(shop: Shop, person: Person) -> list[str]:
    """Lines of the shop's identity/decisions.csv that name a record of the person: ignored from now on."""
    path = path_of(shop.folder)
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        return [f"{path}:{reader.line_num}" for row in reader if {row.get("record_a"), row.get("record_b")} & person.of("record_id")]
