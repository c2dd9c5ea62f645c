"""`dearly shop new`: a folder of files, or a database, becomes shops/<shop> with everything that a run needs; what is uncertain is said in shop.yaml."""

import secrets
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from dagster_project.files import make_whole, write_whole
from dagster_project.moments import end_of_day, parse_stamp, stamp
from dagster_project.onboarding import values
from dagster_project.onboarding.brands import brand_of
from dagster_project.onboarding.known_tables import ITS_OWN
from dagster_project.onboarding.lakes import Lake, read_lake
from dagster_project.onboarding.laying_out import lay_out
from dagster_project.onboarding.layout import Layout, NothingToSell
from dagster_project.onboarding.places import place_of
from dagster_project.onboarding.samples import CannotRead, Sample, databases_in, files_in, read_file
from dagster_project.onboarding.shop_yaml import Findings, shop_yaml_of
from dagster_project.shop import Shop, load_shop
from dagster_project.sources.contract import System, all_systems
from dagster_project.sources.extracts import STAMP
from dagster_project.sources.reading.formats import DAY_NUMBER, read_in

# A database's first pull is history, whenever within these days it happens.
FIRST_PULL_WITHIN = timedelta(days=7)
CLOSE_AFTER = 6
DATED = {"lines": "ordered_at", "purchases": "ordered_at", "orders": "ordered_at"}


class ShopExists(ValueError):
    """The folder is there already."""


@dataclass
class Draft:
    """What was written: the shop, how its tables were read, and what to look at."""

    shop: Shop
    layout: Layout
    review: list[str] = field(default_factory=list)


def draft_shop(folder: Path, source: Path | Lake, now: datetime | None = None) -> Draft:
    """Write a shop's folder from files, or from a database (which is pulled from, from `now` on).

    Raises:
        ShopExists: the folder has a shop already.
        CannotRead, NothingToSell: the files are no tables, or none says who bought what.
    """
    if folder.exists():
        raise ShopExists(f"{folder} is there already; name another shop, or delete it.")
    systems = all_systems()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        if isinstance(source, Lake):
            groups: dict[Path, list[Path]] = {}
            samples, unread = read_lake(connection, source), list[str]()
        else:
            groups = grouped(files_in(source))
            samples, unread = read_samples(connection, groups)
            unread += databases_in(source)
            unread += [f"{sample.name}: {sample.empty} rows have no value at all, and are left out" for sample in samples if sample.empty]
        try:
            layout = lay_out(connection, samples, systems)
        except NothingToSell as error:
            raise NothingToSell("; ".join([*unread, str(error)])) from None
        place = place_of(connection, [*layout.own, *layout.said_by_known()])
        first, last = span(connection, layout, systems)
        local_last = (last.astimezone(ZoneInfo(place.zone)) if last.tzinfo else last).date()
        closed = end_of_day(local_last, place.zone, CLOSE_AFTER).known_by
        try:
            if isinstance(source, Lake):
                until = (now or closed) + FIRST_PULL_WITHIN
                history = dict.fromkeys([*(known.system for known in layout.known), *([ITS_OWN] if layout.own else [])], until)
            else:
                history = write_extracts(connection, folder, layout, groups, closed, systems)
            review = [*unread, *(f"{sample.name} is left out: {why}" for sample, why in layout.left_out)]
            review = list(dict.fromkeys([*review, *(doubt for reading in layout.own for doubt in reading.doubts)]))
            lake = source if isinstance(source, Lake) else None
            write_settings(folder, shop_yaml_of(connection, Findings(folder, place, first, local_last, history, layout, review, lake)))
            return Draft(load_shop(folder), layout, review)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def grouped(files: list[Path]) -> dict[Path, list[Path]]:
    """Files that a stamp in their names marks as pulls of one table, under the largest of them; every other file by itself."""
    pulls: dict[Path, list[Path]] = defaultdict(list)
    alone: dict[Path, list[Path]] = {}
    for path in files:
        if STAMP.search(path.name):
            pulls[path.parent].append(path)
        else:
            alone[path] = [path]
    return {**{max(group, key=lambda path: path.stat().st_size): group for group in pulls.values()}, **alone}


def read_samples(connection: duckdb.DuckDBPyConnection, groups: dict[Path, list[Path]]) -> tuple[list[Sample], list[str]]:
    samples, unread = [], []
    for number, path in enumerate(groups):
        try:
            samples.append(read_file(connection, path, number))
        except CannotRead as error:
            unread.append(str(error))
    if not samples:
        raise CannotRead("; ".join(unread))
    return samples, unread


def span(connection: duckdb.DuckDBPyConnection, layout: Layout, systems: dict[str, System]) -> tuple[datetime, datetime]:
    """The first and the last moment that an order is of."""
    moments = []
    for reading in layout.own:
        part = reading.parts.get(DATED.get(reading.kind, ""))
        if part:
            moments.append((reading.sample, as_moment(part.header, part.format)))
    for known in layout.known:
        if known.loader:
            moments += [(known.sample, as_moment(header, None)) for header in ("created_at",) if header in known.sample.headers]
            continue
        table = systems[known.system].tables[known.table]
        for name, column in table.columns.items():
            if column.type == "timestamp" and column.required and name not in ("updated_at", "last_modified_date"):
                moments.append((known.sample, as_moment(table.headers[name], column.format)))
    ends = []
    for sample, moment in moments:
        row = connection.execute(f"select min({moment}), max({moment}) from {sample.relation}").fetchone()
        ends += [one for one in row or () if one is not None]
    if not ends:
        raise CannotRead("No order has a date.")
    return min(ends), max(ends)


def as_moment(header: str, format: str | None) -> str:
    value = values.said(header)
    if format in ("unix", "unix_ms"):
        return f"make_timestamp(try_cast({value} as bigint) * {1_000_000 if format == 'unix' else 1_000})"
    if format and DAY_NUMBER.fullmatch(format):
        return f"try_cast({read_in(format).format(value)} as timestamp)"
    return f"try_strptime({value}, '{format}')" if format else f"try_cast({value} as timestamp)"


def write_extracts(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    layout: Layout,
    groups: dict[Path, list[Path]],
    closed: datetime,
    systems: dict[str, System],
) -> dict[str, datetime]:
    """Put each table where its system's extracts are; per system, up to when its extracts are history."""
    history: dict[str, datetime] = {}
    places = [(known.sample, known.system, known.table) for known in layout.known] + [(one.sample, ITS_OWN, one.kind) for one in layout.own]
    for number, (sample, system, table) in enumerate(places):
        assert sample.path is not None
        for path in groups[sample.path]:
            found = STAMP.search(path.name)
            pulled = parse_stamp(found.group()) if found else closed
            history[system] = min(history.get(system, pulled), pulled)
            extract = folder / "extracts" / system / table / (path.name if found else f"{table}_{number}_{stamp(pulled)}.parquet")
            is_kept = found is not None or (system != ITS_OWN and path.name.removesuffix(".gz").endswith(".jsonl"))
            if is_kept and not found:
                extract = extract.with_name(f"{table}_{number}_{stamp(pulled)}.{path.name.split('.', 1)[1]}")
            make_whole(extract, partial(shutil.copyfile, path) if is_kept else partial(write_rows, connection, sample.relation))
    return history


def write_rows(connection: duckdb.DuckDBPyConnection, relation: str, path: Path) -> None:
    """A table's rows in their order, as text under their own headers."""
    connection.execute(f"copy (select * from {relation} order by rowid) to '{path}' (format parquet, compression zstd)")


def write_settings(folder: Path, shop_yaml: str) -> None:
    """Write what a shop's folder has beside its extracts: shop.yaml, brand.yaml, and a pseudonym key of its own."""
    write_whole(folder / "shop.yaml", shop_yaml.encode())
    write_whole(folder / "brand.yaml", brand_of(folder.name).encode())
    key = folder / "pseudonym.key"
    write_whole(key, (secrets.token_hex(32) + "\n").encode())
    key.chmod(0o600)
