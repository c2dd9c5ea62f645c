"""What is held of a person, for them to read (Art. 15): the same walk over the tables that an erasure makes, in one JSON file and one page.

access/<request>/data.json    every row, by table
access/<request>/index.html   the same to be read: who they are and which source said so, consents, scores and why, segments, mails and why
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment

from dagster_project.campaigns.brand import load_brand
from dagster_project.files import write_json, write_whole
from dagster_project.privacy.artefacts import files_of
from dagster_project.privacy.erasing import whom
from dagster_project.privacy.person import Person
from dagster_project.privacy.proof import in_sources
from dagster_project.privacy.searching import Search
from dagster_project.privacy.traces import traces
from dagster_project.progress import say
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.erased import Erased
from dagster_project.sources.ledger import newest_known
from dagster_project.warehouse import Warehouse, exists

# Where rows only repeat others in another shape: they are in data.json, not on the page.
REPEATING = ("staging.", "identity.normalised", "identity.st", "__changes", ".int_", "features.")
# What each stage's tables are for, in words a person understands, in the order in which one would ask.
PURPOSES = {
    "profile": "your profile, orders, consents and events, put together from all systems",
    "scores": "what we think likely, and the reasons, only with your consent to profiling; without it what is popular with everybody",
    "segments": "groups that you are in, and since when",
    "campaigns": "which mails were decided for you, and why or why not",
    "measurement": "which mails you got, to see what they do",
    "features": "numbers made of them, for scores and segments",
    "identity": "to know which records are one person",
    "sources": "as each source system sent it",
}
PAGE = Path(__file__).with_name("access.html.j2")
# Of longer tables the newest rows are on the page, by the first of these columns that there is.
SHOWN = 25
WHEN = ("as_of", "occurred_at", "contacted_at", "known_at", "valid_from")
VIEWS = """
select distinct table_schema || '.' || table_name from information_schema.tables inner join information_schema.columns
using (table_catalog, table_schema, table_name) where table_type = 'VIEW' and column_name = 'customer_id' order by 1
"""
# Whom a browser was used by is told by a view, of them alone: others may have used it too.
BROWSERS = """
select * from identity.browser_users
where list_contains($browser_id, browser_id)
    and coalesce(list_contains($login_id, login_id), true) and coalesce(list_contains($record_id, record_id), true)
order by all
"""


@dataclass(frozen=True)
class Held:
    """The folder that was written, and how much is in it."""

    folder: Path
    tables: int
    rows: int
    files: int


def write_access(settings: Settings, shop: Shop, names: Sequence[str]) -> Held:
    """Write down everything that the store holds of a person.

    Raises:
        ValueError: nobody in the store is called that.
    """
    brand = load_brand(shop.folder)
    person, _ = whom(settings, shop, names)
    erased = Erased.against(shop, settings.pseudonym_key, person.identifiers)
    say("tables")
    tables = rows_of(settings, shop, person, erased)
    say("files")
    search = Search(person, settings.store)
    access = settings.store / "access"
    files = [path for path in files_of(settings, shop) if not path.is_relative_to(access) and search.file(path)]
    named = [path.relative_to(settings.store).as_posix() for path in files]
    sources = [(called(path, shop.folder, settings.store), rows) for path, rows in in_sources(settings, shop, erased)]
    newest = newest_known(Warehouse.of(settings))
    known_by = sorted(f"{one.kind.replace('_', ' ')} {one.value}" for one in person.identifiers)
    held = {
        "shop": shop.name,
        "as_of": plain(newest),
        "known_by": known_by,
        "tables": {name: {"purpose": PURPOSES.get(name.split(".")[0], ""), "rows": rows} for name, rows in tables.items()},
        "files": named,
        "source_files": [{"file": file, "rows": rows} for file, rows in sources],
    }
    folder = access / erased.request
    write_json(folder / "data.json", held, indent=1)
    done = Held(folder, len(tables), sum(map(len, tables.values())), len(named))
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE.read_text())
    by_kind = {kind.replace("_", " "): sorted(person.of(kind)) for kind in sorted({one.kind for one in person.identifiers})}
    html = page.render(brand=brand, as_of=shown(newest), held=done, known_by=by_kind, stages=by_stage(tables), files=named, sources=sources)
    write_whole(folder / "index.html", html.encode())
    return done


def rows_of(settings: Settings, shop: Shop, person: Person, erased: Erased) -> dict[str, list[dict[str, Any]]]:
    """Every row of theirs, by table."""
    warehouse = Warehouse.of(settings)
    found: dict[str, list[dict[str, Any]]] = {}
    with warehouse.session(), warehouse.connect() as connection:
        for trace in traces(connection, shop, person, erased):
            rows = connection.execute(f"select * from {trace.table} where {trace.where} order by all").to_arrow_table().to_pylist()
            name = trace.table.replace('"', "")
            if not trace.is_theirs or name.startswith("identity.int_browser"):
                continue
            found.setdefault(name, []).extend({key: plain(value) for key, value in row.items()} for row in rows)
        # Which source said what of a customer is a view.
        asked = [
            (view, f"select * from {view} where list_contains($customer_id, customer_id) order by all")
            for (view,) in connection.execute(VIEWS).fetchall()
        ]
        asked += [("identity.browser_users", BROWSERS)] if exists(connection, "identity.browser_users") else []
        for view, sql in asked:
            named = {kind: sorted(person.of(kind)) for kind in ("customer_id", "browser_id", "login_id", "record_id") if f"${kind}" in sql}
            rows = connection.execute(sql, named).to_arrow_table().to_pylist()
            if rows:
                found[view] = [{key: plain(value) for key, value in row.items()} for row in rows]
    return found


@dataclass(frozen=True)
class Shown:
    """A table on the page: its newest rows, and how many more there are; of one that does not say when, some rows (`has_times`). Columns that
    say nothing are left out."""

    name: str
    columns: list[str]
    rows: list[list[str]]
    more: int
    has_times: bool


def called(path: Path, *folders: Path) -> str:
    """A file as it is called within the first of the folders that holds it: two systems may have files of one name."""
    return next((path.relative_to(folder).as_posix() for folder in folders if path.is_relative_to(folder)), path.name)


def by_stage(tables: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, list[Shown]]]:
    """The tables to be read: stage, what it is for, and its tables."""
    stages = []
    for stage, purpose in PURPOSES.items():
        listed = []
        for name, rows in tables.items():
            if name.startswith(f"{stage}.") and not any(part in name for part in REPEATING):
                columns = [name for name in rows[0] if not name.startswith("_") and any(row[name] not in (None, "") for row in rows)]
                when = next((column for column in WHEN if column in rows[0]), None)
                ordered = sorted(rows, key=lambda row: row[when] or "") if when else rows
                newest = [[shown(row[column]) for column in columns] for row in ordered[-SHOWN:]]
                title = re.sub("^(dim|fct)_", "", name.split(".")[1]).replace("__", ": ").replace("_", " ")
                listed.append(
                    Shown(title, [column.replace("_", " ") for column in columns], newest, len(rows) - len(newest), when is not None)
                )
        if listed:
            stages.append((stage, purpose, sorted(listed, key=lambda table: table.name)))
    return stages


def shown(value: Any) -> str:
    """A value as it is read on a page."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return json.dumps(plain(value), ensure_ascii=False)
    text = str(plain(value))
    return text[:16].replace("T", " ") if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text) else text


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
