"""Orders to the tools that were given a person: a file per destination, in its own words, that says whom to delete there (Art. 19).

exports/<destination>/deletions/<request>.<csv|jsonl>    until somebody says that the tool has done it: `dearly erase --taken <destination>`
"""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from dagster_project.delivery.destinations import DESTINATIONS, Destination
from dagster_project.delivery.formats import FORMATS
from dagster_project.files import write_whole
from dagster_project.privacy.artefacts import DELETIONS, is_of_lines
from dagster_project.privacy.searching import Search, unpacked


def write_orders(exports: Path, named: Iterable[Path], search: Search, request: str) -> list[Path]:
    """Write an order for each destination in whose files the person is (`named`); one that is there already keeps whom it names."""
    told: dict[str, list[dict[str, str]]] = {}
    for path in named:
        if path.is_relative_to(exports) and is_of_lines(path):
            destination = DESTINATIONS.get(path.relative_to(exports).parts[0])
            if destination and path.name.removesuffix(".gz").endswith(FORMATS[destination.format].extension):
                rows = FORMATS[destination.format].read(unpacked(path).encode())
                told.setdefault(destination.name, []).extend(row for row in rows if search.names(" ".join(map(str, row.values()))))
    return [write_order(exports, DESTINATIONS[name], rows, request) for name, rows in sorted(told.items())]


def write_order(exports: Path, destination: Destination, rows: list[dict[str, str]], request: str) -> Path:
    """Each person once, by what the tool knows them by."""
    form = FORMATS[destination.format]
    path = exports / destination.name / DELETIONS / f"{request}.{form.extension}"
    if path.exists():
        rows = [*form.read(path.read_bytes()), *rows]
    names = [
        name
        for name in (destination.columns.get(one, one) for one in ("email", "external_id", "source_ids"))
        if any(name in row for row in rows)
    ]
    by_person: dict[str, dict[str, str]] = {}
    for row in rows:
        said = {name: str(row[name]) for name in names if row.get(name)}
        if not said:
            continue
        # A file of removals has the key alone: another file says the rest of the same person.
        key = said.get(names[-1]) or said.get(names[0], "")
        by_person[key] = {**by_person.get(key, {}), **said}
    whole = [one for one in by_person.values() if not any(one != other and one.items() <= other.items() for other in by_person.values())]
    texts = {
        name: pa.array([one.get(name, "") for one in sorted(whole, key=lambda one: sorted(one.items()))], pa.string()) for name in names
    }
    head, lines = form.lines(pa.table(texts))
    write_whole(path, head + b"".join(lines))
    return path


def pending_orders(exports: Path, destination: str = "*") -> list[Path]:
    return sorted(exports.glob(f"{destination}/{DELETIONS}/*"))
