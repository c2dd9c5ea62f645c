"""What is held of a person, for them to read (Art. 15): the same walk over the tables that an erasure makes, in one JSON file and one page.

access/<request>/data.json    every row, by table
access/<request>/index.html   the same to be read: who they are and which source said so, consents, scores and why, segments, mails and why
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment

from dagster_project.files import write_whole
from dagster_project.privacy.artefacts import files_of
from dagster_project.privacy.erasing import whom
from dagster_project.privacy.person import Person
from dagster_project.privacy.proof import in_sources
from dagster_project.privacy.searching import Search
from dagster_project.privacy.traces import traces
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.identifiers import Identifier
from dagster_project.sources.suppression import Suppression
from dagster_project.warehouse import Warehouse

# Where rows only repeat others in another shape: they are in data.json, not on the page.
REPEATING = ("staging.", "identity.normalised", "identity.st", "__changes", ".int_", "features.")
# What each stage's tables are for, in words a person understands.
PURPOSES = {
    "sources": "as each source system sent it",
    "identity": "to know which records are one person",
    "profile": "your profile, orders, consents and events, put together",
    "features": "numbers made of them, for scores and segments",
    "scores": "what we think likely, and the reasons; only with your consent to profiling",
    "segments": "groups that you are in, and since when",
    "campaigns": "which mails were decided for you, and why or why not",
    "measurement": "which mails you got, to see what they do",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What {{ shop }} holds about you</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #22302b; background: #f6f4ee; margin: 0; }
main { max-width: 1040px; margin: 0 auto; padding: 32px 20px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 32px 0 4px; } h3 { font-size: 16px; margin: 18px 0 6px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; background: #fff; font-size: 13px; }
th, td { text-align: left; padding: 5px 9px; border-bottom: 1px solid #e4e0d4; vertical-align: top; max-width: 420px; overflow-wrap: anywhere; }
.muted { color: #5d6b65; }
</style></head><body><main>
<h1>What {{ shop }} holds about you</h1>
<p class="muted">As of {{ as_of }} (UTC). Known by: {{ known_by | join(", ") }}. Every row, also those not shown here, is in <code>data.json</code>.</p>
{% for stage, purpose, tables in stages %}<h2>{{ stage | capitalize }}</h2><p class="muted">{{ purpose }}</p>
{% for name, columns, rows, more in tables %}<h3>{{ name }}</h3>
<div class="scroll"><table><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table></div>
{% if more %}<p class="muted">and {{ more }} rows more</p>{% endif %}{% endfor %}{% endfor %}
<h2>Files</h2><p class="muted">made for tools that write to you, or for reports</p>
<ul>{% for file in files %}<li>{{ file }}</li>{% else %}<li>none</li>{% endfor %}</ul>
<h2>Source files</h2><p class="muted">as the shop's systems wrote them</p>
<ul>{% for file, numbers in sources %}<li>{{ file }}, rows {{ numbers }}</li>{% else %}<li>none</li>{% endfor %}</ul>
</main></body></html>
"""
SHOWN = 25
VIEWS = """
select distinct table_schema || '.' || table_name from information_schema.tables inner join information_schema.columns
using (table_catalog, table_schema, table_name) where table_type = 'VIEW' and column_name = 'customer_id' order by 1
"""
NEWEST = "select max(greatest(extracted_at, known_at)) from sources.load_ledger"


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
    person, _ = whom(settings, shop, names)
    suppression = Suppression.against(shop, person.identifiers)
    tables = rows_of(settings, shop, person, suppression)
    search = Search(person)
    access = settings.store / "access"
    files = [path for path in files_of(settings, shop) if not path.is_relative_to(access) and search.file(path)]
    named = [path.relative_to(settings.store).as_posix() for path in files]
    sources = [
        (path.relative_to(shop.folder).as_posix() if path.is_relative_to(shop.folder) else path.name, rows)
        for path, rows in in_sources(settings, shop, suppression)
    ]
    ((newest,),) = Warehouse(settings.warehouse, settings.threads).rows(NEWEST)
    known_by = sorted(f"{one.kind.replace('_', ' ')} {one.value}" for one in person.identifiers)
    held = {
        "shop": shop.name,
        "as_of": plain(newest),
        "known_by": known_by,
        "tables": {name: {"purpose": PURPOSES.get(name.split(".")[0], ""), "rows": rows} for name, rows in tables.items()},
        "files": named,
        "source_files": [{"file": file, "rows": rows} for file, rows in sources],
    }
    folder = access / suppression.digest(Identifier("request", "".join(sorted(suppression.digests))))[:12]
    write_whole(folder / "data.json", json.dumps(held, ensure_ascii=False, indent=1).encode() + b"\n")
    page = Environment(autoescape=True).from_string(PAGE)
    html = page.render(shop=shop.name, as_of=held["as_of"], known_by=known_by, stages=by_stage(tables), files=named, sources=sources)
    write_whole(folder / "index.html", html.encode())
    return Held(folder, len(tables), sum(map(len, tables.values())), len(named))


def rows_of(settings: Settings, shop: Shop, person: Person, suppression: Suppression) -> dict[str, list[dict[str, Any]]]:
    """Every row of theirs, by table."""
    warehouse = Warehouse(settings.warehouse, settings.threads)
    found: dict[str, list[dict[str, Any]]] = {}
    customers = sorted(person.of("customer_id"))
    with warehouse.session(), warehouse.connect() as connection:
        for trace in traces(connection, shop, person, suppression):
            rows = connection.execute(f"select * from {trace.table} where {trace.where} order by all").to_arrow_table().to_pylist()
            name = trace.table.replace('"', "")
            found.setdefault(name, []).extend({key: plain(value) for key, value in row.items()} for row in rows)
        # Which source said what of a customer is a view.
        for (view,) in connection.execute(VIEWS).fetchall():
            rows = (
                connection.execute(f"select * from {view} where list_contains(?, customer_id) order by all", [customers])
                .to_arrow_table()
                .to_pylist()
            )
            if rows:
                found[view] = [{key: plain(value) for key, value in row.items()} for row in rows]
    return found


def by_stage(tables: dict[str, list[dict[str, Any]]]) -> list[tuple[str, str, list[tuple[str, list[str], list[list[Any]], int]]]]:
    """The tables to be read, in the order of the stages; columns that say nothing are left out."""
    stages = []
    for stage, purpose in PURPOSES.items():
        shown = []
        for name, rows in tables.items():
            if name.startswith(f"{stage}.") and not any(part in name for part in REPEATING):
                columns = [
                    column for column in rows[0] if not column.startswith("_") and any(row[column] not in (None, "") for row in rows)
                ]
                newest = rows[-SHOWN:]
                shown.append(
                    (name.split(".")[1], columns, [[row[column] for column in columns] for row in newest], len(rows) - len(newest))
                )
        if shown:
            stages.append((stage, purpose, shown))
    return stages


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
