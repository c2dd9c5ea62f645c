"""Twenty planted people: each in every table of every source system, in a good row and in one that is refused, and in files beside."""

import copy
import gzip
import json
import shutil
import zipfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dagster_project.privacy.person import Person
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.shop import load_shop
from dagster_project.sources.contract import Table, all_systems
from dagster_project.sources.identifiers import Identifier
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse
from tests.sources.samples import content, good_rows

PEOPLE = range(20)
ERASED, KEPT = range(10), range(10, 20)
EVERY = frozenset(all_systems())
STAMP = "20260302T050000Z"


def said(number: int) -> dict[str, str]:
    """What identifies a planted person, by kind."""
    return {
        "record_id": f"77001{number:02d}003",
        "login_id": f"88002{number:02d}004",
        "loyalty_id": f"CARD99{number:02d}55",
        "browser_id": f"GA1.4455{number:02d}66.77",
        "national_id": f"AB{number:02d}998877",
        "email": f"canary.{number:02d}@example.org",
        "phone": f"+4930901820{number:02d}",
        "any_id": f"shopify:77001{number:02d}003",
    }


def person(*numbers: int) -> Person:
    """The planted people as the finder would have them."""
    found = set()
    for number in numbers:
        for kind, value in said(number).items():
            if kind == "record_id":
                found |= {Identifier(kind, f"{system}:{value}") for system in all_systems()}
            elif kind != "any_id":
                found.add(Identifier(kind, value.lower() if kind == "national_id" else value))
    return Person(frozenset(found))


def row_of(table: Table, row: dict[str, Any], number: int, broken: bool) -> dict[str, Any]:
    """A good row made that of a person, and broken where it is to be refused."""
    row = copy.deepcopy(row)
    for name, column in table.columns.items():
        header = table.headers[name]
        for path, kind in column.says_who.items():
            value = said(number)[kind]
            if path is None:
                row[header] = value
            else:
                place = row[header] = row[header] if isinstance(row[header], dict) else {}
                *folders, last = path.removeprefix("$.").split(".")
                for folder in folders:
                    place = place.setdefault(folder, {})
                place[last] = value
    if broken:
        row[table.headers[breakable(table)]] = "no such thing"  # type: ignore[index]
    return row


def breakable(table: Table) -> str | None:
    """A column that refuses the row and does not say who it is of."""
    typed = ("timestamp", "date", "integer", "decimal")
    names = [name for name, column in table.columns.items() if not column.says_who and column.broken == "quarantine"]
    return next((name for name in names if table.columns[name].type in typed or table.columns[name].values), None)


def tables(systems: Container[str] = EVERY) -> Iterator[tuple[str, str, Table]]:
    for system, contract in all_systems().items():
        if system not in systems:
            continue
        for name, table in contract.tables.items():
            if any(column.says_who for column in table.columns.values()):
                yield system, name, table


def plant(folder: Path, systems: Container[str] = EVERY, pulled: bool = False) -> Settings:
    """A shop of these systems whose extracts hold the twenty, loaded into a store, with files beside that name them too. `pulled`: Dearly asked
    an API for them itself, and keeps the answers in the store."""
    shop = folder / "shops" / "planted"
    stated = yaml.safe_load((SHOPS / "small" / "shop.yaml").read_text())
    stated |= {
        "name": "planted",
        "sources": {
            system: {"kind": "http", "url": "https://shop.example"} if pulled else {"path": f"extracts/{system}"}
            for system, _, _ in tables(systems)
        },
    }
    shop.mkdir(parents=True)
    for system, name, table in tables(systems):
        rows = good_rows(system, name, 40)
        people = [row_of(table, rows[number], number, broken=False) for number in PEOPLE]
        if breakable(table):
            people += [row_of(table, rows[20 + number], number, broken=True) for number in PEOPLE]
        extracts = folder / "home" / "planted" / "pulled" if pulled else shop / "extracts"
        path = extracts / system / name / f"{name}_{STAMP}.{table.format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = content(table, people)
        if table.format == "csv":
            # A line with too many fields cannot be read: it waits as the text it came as.
            made += "".join(f"{said(number)['email']},{',' * len(table.columns)}\r\n" for number in PEOPLE).encode()
        path.write_bytes(made)
    (shop / "shop.yaml").write_text(yaml.safe_dump(stated))
    shutil.copy(SHOPS / "small" / "brand.yaml", shop / "brand.yaml")
    settings = load({"DEARLY_HOME": str(folder / "home")}, shop=str(shop))
    load_all(settings)
    for number in PEOPLE:
        plant_files(settings.store, number)
    return settings


def load_all(settings: Settings) -> Warehouse:
    warehouse = Warehouse.of(settings)
    settings.store.mkdir(parents=True, exist_ok=True)
    warehouse.create()
    load_shop_extracts(warehouse, load_shop(settings.shop_folder), settings.store)
    return warehouse


def plant_files(store: Path, number: int) -> None:
    """What readers and tools take, and what is left lying about."""
    email = said(number)["email"]
    append(store / "published" / "day" / "customers.parquet", {"customer_id": f"c{number:020d}", "email": email})
    append(store / "exports" / "generic_jsonl" / "loose" / "rows.jsonl", {"email": email})
    path = store / "replays" / "rows.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = gzip.decompress(path.read_bytes()) if path.exists() else b""
    path.write_bytes(gzip.compress(before + json.dumps({"mail": email.upper()}).encode() + b"\n"))
    page = store / "report" / f"{number}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<p>{email}</p>")
    with Warehouse(store / "warehouse.duckdb").transaction() as connection:
        # A table that nobody has heard of.
        connection.execute("create schema if not exists later")
        connection.execute("create table if not exists later.notes (note varchar, count integer)")
        connection.execute("insert into later.notes values (?, 1)", [f"called {email} twice"])


def append(path: Path, row: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist() if path.exists() else []
        pq.write_table(pa.Table.from_pylist([*rows, row]), path)
    else:
        path.write_text((path.read_text() if path.exists() else "") + json.dumps(row) + "\n")


def places_that_name(settings: Settings, *numbers: int) -> dict[int, set[str]]:
    """Where each of these people is: every table's rows and every file's bytes, unpacked, in the test's own way. Who is nowhere is left out."""
    found: dict[int, set[str]] = {}
    texts = {number: {value.lower() for kind, value in said(number).items() if kind != "any_id"} for number in numbers}
    for place, text in everything(settings):
        for number, values in texts.items():
            if any(value in text for value in values):
                found.setdefault(number, set()).add(place)
    return found


def everything(settings: Settings) -> Iterator[tuple[str, str]]:
    warehouse = Warehouse(settings.warehouse)
    with warehouse.session():
        for schema, table in warehouse.rows("select schema_name, table_name from duckdb_tables() where not temporary"):
            yield f"{schema}.{table}", str(warehouse.rows(f'from {schema}."{table}"')).lower()
    for path in sorted(settings.store.rglob("*")):
        within = path.relative_to(settings.store).as_posix()
        if path.is_file() and "deletions" not in within:
            yield within, everything_in(path)


def everything_in(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if path.suffix == ".parquet":
        return str(pq.read_table(path).to_pylist()).lower()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
    return content.decode("latin-1").lower()
