"""`dearly shop new`: a folder of files, or a database, becomes shops/<shop> with everything that a run needs; what is uncertain is said in shop.yaml."""

import re
import secrets
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import yaml

from dagster_project.files import make_whole, write_whole
from dagster_project.moments import end_of_day, parse_stamp, stamp
from dagster_project.onboarding import values
from dagster_project.onboarding.brands import brand_of
from dagster_project.onboarding.known_tables import ITS_OWN, Known
from dagster_project.onboarding.lakes import Lake, read_lake
from dagster_project.onboarding.laying_out import lay_out
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.places import Place, place_of
from dagster_project.onboarding.roles import Reading, unread_consent
from dagster_project.onboarding.samples import CannotRead, Sample, files_in, read_file, words_of
from dagster_project.onboarding.systems import CURSOR
from dagster_project.shop import ASSUMED, Shop, load_shop
from dagster_project.sources.contract import System, all_systems, load_system
from dagster_project.sources.extracts import STAMP
from dagster_project.sources.reading.formats import DAY_NUMBER, read_in

# A database's first pull is history, whenever within these days it happens.
FIRST_PULL_WITHIN = timedelta(days=7)
CLOSE_AFTER, DAYS = 6, 14
# What stg_sales__consents reads as the purpose of profiling.
PROFILING = re.compile("profil|personal|analy|segment")
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
        layout = lay_out(connection, samples, systems)
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
            write_shop_yaml(
                connection, folder, place, (first, local_last), history, layout, review, source if isinstance(source, Lake) else None
            )
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


def says_of_profiling(connection: duckdb.DuckDBPyConnection, layout: Layout) -> bool:
    """Whether a table of consents names profiling among its purposes."""
    purposes = [(one.sample, one.parts["purpose"].header) for one in layout.own_of("consents") if "purpose" in one.parts]
    return any(PROFILING.search(word.lower()) for sample, header in purposes for word in values.distinct_words(connection, sample, header))


def write_shop_yaml(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    place: Place,
    span: tuple[datetime, date],
    history: dict[str, datetime],
    layout: Layout,
    review: list[str],
    lake: Lake | None,
) -> None:
    first, last = span
    name = re.sub(r"\W+", "_", folder.name)
    has_consent = any("accepts_marketing" in reading.parts or reading.kind == "consents" for reading in layout.own)
    says_profiling = says_of_profiling(connection, layout)
    consenting = {"shopify", "hubspot", "klaviyo", "mailchimp", "consent", "cookiebot", "fivetran_shopify"} & set(history)
    lines = [
        f"# Drafted by `dearly shop new {folder.name}`. Lines with REVIEW are guesses: look at them, then delete the word.",
        *(f"# REVIEW {line}." for line in review),
        f"name: {name}",
        f"description: {folder.name}, from {', '.join(sorted({reading.sample.name for reading in layout.own} | {one.sample.name for one in layout.known})[:8])}.",
        f"# REVIEW {place.guess}: zone, currency, country and language follow from it. Times without an offset are on this zone's clock.",
        f"zone: {place.zone}",
        f"currency: {place.currency}",
        f"country: {place.country}",
        f"language: {place.language}",
        "# REVIEW whether prices hold tax; nothing is added or taken off.",
        "tax: included",
    ]
    if place.currencies:
        lines += [
            "# REVIEW what one unit is worth in the shop's currency; rows in a currency without a rate wait in quarantine.",
            f"# fx_rates: {{{', '.join(f'{code}: 1.0' for code in place.currencies[:8])}}}",
        ]
    start = max(last - timedelta(days=DAYS - 1), first.date() if isinstance(first, datetime) else first)
    lines += [
        f"# The rows reach from {first:%Y-%m-%d} to {last}; these are the days that can be built.",
        f"first_day: {start}",
        f"last_day: {last}  # delete it once extracts come every night: then each night that has come is a day",
        "campaigns: [win_back]",
        "destinations: [generic]",
        "guards:",
        "  rows_at_least: 0  # REVIEW once extracts come every night: the share of a usual day's rows below which delivery holds",
    ]
    unread = [header for reading in layout.own for header in unread_consent(connection, reading)]
    if not has_consent and not consenting and unread:
        lines += [
            f"# REVIEW {', '.join(unread)} may say who agreed to be written to, or who did not, and nothing reads it: so nobody is written to. Where yes",
            "# means agreed, name it as accepts_marketing below.",
        ]
    elif not has_consent and not consenting:
        lines += [
            "# REVIEW No table says who agreed to be written to. So that there is something to see, buyers count as told at the checkout; a run with",
            "# DEARLY_ENV=production refuses to deliver until this says where they are told, or is deleted.",
            "soft_opt_in:",
            f"  notice: {ASSUMED}",
            "  purposes: [marketing, profiling]",
        ]
    elif not consenting and not says_profiling:
        lines += [
            "# REVIEW No table says who may be profiled, and without that there are no segments and no scores. Buyers count as told at the checkout; a run",
            "# with DEARLY_ENV=production refuses to deliver until this says where they are told, or is deleted.",
            "soft_opt_in:",
            f"  notice: {ASSUMED}",
            "  purposes: [profiling]",
        ]
    if not any("email" in reading.parts for reading in layout.own) and not layout.known:
        lines += [
            "# No table has e-mail addresses: exports carry the ids, and the tool that sends knows the addresses.",
            "address_held_by: tool",
        ]
    lines += ["sources:"]
    for system, until in sorted(history.items()):
        lines += [
            f"  {system}:",
            *(pulled_from(connection, lake, system, layout) if lake else [f"    path: extracts/{system}"]),
            f"    history_until: {until:%Y-%m-%dT%H:%M:%S}  # known when they happened",
        ]
        encodings = {
            *(known.sample.encoding for known in layout.known if known.system == system),
            *(reading.sample.encoding for reading in layout.own if system == ITS_OWN),
        }
        if encodings - {"utf-8", "utf-16"}:
            lines.append("    encoding: cp1252  # REVIEW what the next extracts are written in: the files are not UTF-8")
        if system == ITS_OWN:
            lines += [f"    states_consent: {str(has_consent).lower()}", *columns_of(layout)]
    write_whole(folder / "shop.yaml", ("\n".join(lines) + "\n").encode())
    write_whole(folder / "brand.yaml", brand_of(folder.name).encode())
    key = folder / "pseudonym.key"
    write_whole(key, (secrets.token_hex(32) + "\n").encode())
    key.chmod(0o600)


def pulled_from(connection: duckdb.DuckDBPyConnection, at: Lake, system: str, layout: Layout) -> list[str]:
    """Where a system's tables are in a database, what they are called there, and the column by which only what is new is pulled."""
    known = [one for one in layout.known if one.system == system]
    own = layout.own if system == ITS_OWN else []
    samples = [*(one.sample for one in known), *(one.sample for one in own)]
    tables = {one.table: one.sample for one in known} | {one.kind: one.sample for one in own}
    lines = ["    kind: tables", f"    file: {at.file}" if at.file else f"    connection: {at.connection}  # the environment variable"]
    lines += [f"    schema: {samples[0].schema}", f"    tables: [{', '.join(tables)}]"]
    if loader := next((one.loader for one in known if one.loader), None):
        return [*lines, f"    loader: {loader}"]
    # What source.yaml says of a known table under its usual name holds here too.
    stated = {table: pull for table, one in load_system(system).tables.items() if (pull := one.pull)}
    tables = {table: sample for table, sample in tables.items() if table not in stated or stated[table].table != sample.name}
    if not tables:
        return lines
    pulls = {
        table: {"table": sample.name, **({"cursor": cursor, "overlap": 600} if (cursor := cursor_of(connection, sample)) else {})}
        for table, sample in tables.items()
    }
    lines += [
        "    pulls:",
        *(
            f"      {table}: {yaml.safe_dump(pull, default_flow_style=True, width=1000, sort_keys=False).strip()}"
            for table, pull in pulls.items()
        ),
    ]
    return lines


def cursor_of(connection: duckdb.DuckDBPyConnection, sample: Sample) -> str | None:
    """The column that says when a row was changed last, where every row says so."""
    for header in sample.headers:
        written = values.moment(connection, sample, header) if CURSOR.fullmatch(words_of(header)) else None
        if written and not written.format and values.said_share(connection, sample, header) == 1:
            return header
    return None


def columns_of(layout: Layout) -> list[str]:
    """The `columns` of the shop's own tables: column of source.yaml ← header of the extracts."""
    lines = ["    columns:  # column of sources/sales/source.yaml: its header in the extracts"]
    for kind in dict.fromkeys(reading.kind for reading in layout.own):
        reading = layout.own_of(kind)[0]
        lines.append(f"      {kind}:")
        for column, part in reading.parts.items():
            stated: str | dict[str, object] = part.header
            required = kind == "lines" and column == "ordered_at" and not layout.own_of("orders")
            if part.format or required:
                stated = {
                    "from": part.header,
                    **({"format": part.format} if part.format else {}),
                    **({"required": True} if required else {}),
                }
            text = yaml.safe_dump(stated, default_flow_style=True, width=1000, allow_unicode=True).removesuffix("\n...\n").strip()
            lines.append(f"        {column}: {text}")
    return [*lines, *not_used_of(layout)]


def not_used_of(layout: Layout) -> list[str]:
    """The `not_used` of the shop's own tables: headers of which nothing is read."""
    lines = []
    for kind in dict.fromkeys(reading.kind for reading in layout.own):
        readings = layout.own_of(kind)
        headers = dict.fromkeys(header for reading in readings for header in reading.sample.headers)
        used = {part.header for reading in readings for part in reading.parts.values()}
        if unused := [header for header in headers if header not in used]:
            text = yaml.safe_dump(unused, default_flow_style=True, width=float("inf"), allow_unicode=True).strip()
            lines.append(f"      {kind}: {text}")
    return ["    not_used:  # read by nothing, and no news when they come", *lines] if lines else []


__all__ = ["Draft", "Known", "Reading", "ShopExists", "draft_shop"]
