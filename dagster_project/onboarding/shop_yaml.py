"""A drafted shop's shop.yaml, section by section: what was found, and a REVIEW at each guess."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import yaml

from dagster_project.dbt_vars import dbt_vars
from dagster_project.onboarding import values
from dagster_project.onboarding.known_tables import ITS_OWN
from dagster_project.onboarding.lakes import Lake
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.meeting import unread_anywhere
from dagster_project.onboarding.places import Place
from dagster_project.onboarding.samples import Sample, words_of
from dagster_project.onboarding.systems import CURSOR
from dagster_project.shop import ASSUMED
from dagster_project.sources.contract import load_system

DAYS = 14
CONSENTING = {"shopify", "hubspot", "klaviyo", "mailchimp", "consent", "cookiebot", "fivetran_shopify"}


@dataclass(frozen=True)
class Findings:
    """What was found of a shop. `first` and `last` are of its orders; `history` is, per source system, up to when its extracts are history."""

    folder: Path
    place: Place
    first: datetime
    last: date
    history: dict[str, datetime]
    layout: Layout
    review: list[str]
    lake: Lake | None


def shop_yaml_of(connection: duckdb.DuckDBPyConnection, found: Findings) -> str:
    lines = [
        *heading(found),
        *place_of_shop(found.place),
        *days(found),
        *consent(connection, found),
        *addresses(found.layout),
        "sources:",
    ]
    for system, until in sorted(found.history.items()):
        lines += source(connection, found, system, until)
    return "\n".join(lines) + "\n"


def heading(found: Findings) -> list[str]:
    tables = {reading.sample.name for reading in found.layout.own} | {one.sample.name for one in found.layout.known}
    name = re.sub(r"\W+", "_", found.folder.name)
    return [
        f"# Drafted by `dearly shop new {found.folder.name}`. Lines with REVIEW are guesses: look at them, then delete the word.",
        *(f"# REVIEW {line}." for line in found.review),
        f"name: {name}",
        f"description: {found.folder.name}, from {', '.join(sorted(tables)[:8])}.",
    ]


def place_of_shop(place: Place) -> Iterator[str]:
    yield f"# REVIEW {place.guess}: zone, currency, country and language follow from it. Times without an offset are on this zone's clock."
    yield f"zone: {place.zone}  # a column whose times are UTC and do not say so: {{from: …, format: utc}}"
    yield f"currency: {place.currency}"
    yield f"country: {place.country}"
    yield f"language: {place.language}"
    yield "# REVIEW whether prices hold tax; nothing is added or taken off."
    yield "tax: included"
    if place.currencies:
        yield "# REVIEW what one unit is worth in the shop's currency; rows in a currency without a rate wait in quarantine."
        yield f"# fx_rates: {{{', '.join(f'{code}: 1.0' for code in place.currencies[:8])}}}"


def days(found: Findings) -> list[str]:
    first, last = found.first, found.last
    return [
        f"# The rows reach from {first:%Y-%m-%d} to {last}; these are the days that can be built.",
        f"first_day: {max(last - timedelta(days=DAYS - 1), first.date())}",
        f"last_day: {last}  # delete it once extracts come every night: then each night that has come is a day",
        "campaigns: [win_back]",
        "destinations: [generic]",
        "guards:",
        "  rows_at_least: 0  # REVIEW once extracts come every night: the share of a usual day's rows below which delivery holds",
    ]


def consent(connection: duckdb.DuckDBPyConnection, found: Findings) -> list[str]:
    """Who may be written to and profiled: what the shop's own tables leave open, where no known system says it."""
    stating = CONSENTING & set(found.history)
    if stating - set(dbt_vars()["states_marketing_alone"]):
        return []
    if not stating and not states_consent(found.layout):
        if unread := unread_anywhere(connection, found.layout):
            return [
                f"# REVIEW {', '.join(unread)} may say who agreed to be written to, or who did not, and no yes is read of it: so nobody is written to. Where yes",
                "# means agreed, name it as accepts_marketing below.",
            ]
        return [
            "# REVIEW No table says who agreed to be written to. So that there is something to see, buyers count as told at the checkout; a run with",
            "# DEARLY_ENV=production refuses to deliver until this says where they are told, or is deleted.",
            *soft_opt_in("marketing, profiling"),
        ]
    if says_of_profiling(connection, found.layout):
        return []
    return [
        "# REVIEW No table says who may be profiled, and without that there are no segments and no scores. Buyers count as told at the checkout; a run",
        "# with DEARLY_ENV=production refuses to deliver until this says where they are told, or is deleted.",
        *soft_opt_in("profiling"),
    ]


def soft_opt_in(purposes: str) -> list[str]:
    return ["soft_opt_in:", f"  notice: {ASSUMED}", f"  purposes: [{purposes}]"]


def states_consent(layout: Layout) -> bool:
    return any("accepts_marketing" in reading.parts or reading.kind == "consents" for reading in layout.own)


def says_of_profiling(connection: duckdb.DuckDBPyConnection, layout: Layout) -> bool:
    """Whether a table of consents names profiling among its purposes."""
    purposes = [(one.sample, one.parts["purpose"].header) for one in layout.own_of("consents") if "purpose" in one.parts]
    words = (word.lower() for sample, header in purposes for word in values.distinct_words(connection, sample, header))
    return any(re.search(dbt_vars()["says_profiling"], word) for word in words)


def addresses(layout: Layout) -> list[str]:
    if layout.known or any("email" in reading.parts for reading in layout.own):
        return []
    return [
        "# No table has e-mail addresses: exports carry the ids, and the tool that sends knows the addresses.",
        "address_held_by: tool",
    ]


def source(connection: duckdb.DuckDBPyConnection, found: Findings, system: str, until: datetime) -> Iterator[str]:
    """One system under `sources`: where its rows are, up to when they are history, and how its own tables are read."""
    layout = found.layout
    yield f"  {system}:"
    yield from pulled_from(connection, found.lake, system, layout) if found.lake else [f"    path: extracts/{system}"]
    yield f"    history_until: {until:%Y-%m-%dT%H:%M:%S}  # known when they happened"
    encodings = {
        *(known.sample.encoding for known in layout.known if known.system == system),
        *(reading.sample.encoding for reading in layout.own if system == ITS_OWN),
    }
    if encodings - {"utf-8", "utf-16"}:
        yield "    encoding: cp1252  # REVIEW what the next extracts are written in: the files are not UTF-8"
    if system == ITS_OWN:
        yield f"    states_consent: {str(states_consent(layout)).lower()}"
        yield from columns_of(layout)
        yield from not_used_of(layout)


def pulled_from(connection: duckdb.DuckDBPyConnection, at: Lake, system: str, layout: Layout) -> list[str]:
    """Where a system's tables are in a database, what they are called there, and the column by which only what is new is pulled."""
    known = [one for one in layout.known if one.system == system]
    own = layout.own if system == ITS_OWN else []
    tables = {one.table: one.sample for one in known} | {one.kind: one.sample for one in own}
    schema = [*(one.sample for one in known), *(one.sample for one in own)][0].schema
    lines = [
        "    kind: tables",
        f"    file: {at.file}" if at.file else f"    connection: {at.connection}  # the environment variable",
        f"    schema: {schema}",
        f"    tables: [{', '.join(tables)}]",
    ]
    if loader := next((one.loader for one in known if one.loader), None):
        return [*lines, f"    loader: {loader}"]
    # What source.yaml says of a known table under its usual name holds here too.
    stated = {table: pull for table, one in load_system(system).tables.items() if (pull := one.pull)}
    pulls = [
        f"      {table}: {in_line(pull_of(connection, sample))}"
        for table, sample in tables.items()
        if table not in stated or stated[table].table != sample.name
    ]
    return [*lines, "    pulls:", *pulls] if pulls else lines


def pull_of(connection: duckdb.DuckDBPyConnection, sample: Sample) -> dict[str, object]:
    cursor = cursor_of(connection, sample)
    return {"table": sample.name, **({"cursor": cursor, "overlap": 600} if cursor else {})}


def cursor_of(connection: duckdb.DuckDBPyConnection, sample: Sample) -> str | None:
    """The column that says when a row was changed last, where every row says so."""
    for header in sample.headers:
        written = values.moment(connection, sample, header) if CURSOR.fullmatch(words_of(header)) else None
        if written and not written.format and values.said_share(connection, sample, header) == 1:
            return header
    return None


def columns_of(layout: Layout) -> Iterator[str]:
    """The `columns` of the shop's own tables: column of source.yaml ← header of the extracts."""
    yield "    columns:  # column of sources/sales/source.yaml: its header in the extracts"
    for kind in dict.fromkeys(reading.kind for reading in layout.own):
        yield f"      {kind}:"
        for column, part in layout.own_of(kind)[0].parts.items():
            stated: dict[str, object] = {"format": part.format} if part.format else {}
            stated["from"] = part.header
            if kind == "lines" and column == "ordered_at" and not layout.own_of("orders"):
                stated["required"] = True
            yield f"        {column}: {in_line(stated if len(stated) > 1 else part.header)}"


def not_used_of(layout: Layout) -> list[str]:
    """The `not_used` of the shop's own tables: headers of which nothing is read."""
    lines = []
    for kind in dict.fromkeys(reading.kind for reading in layout.own):
        readings = layout.own_of(kind)
        headers = dict.fromkeys(header for reading in readings for header in reading.sample.headers)
        used = {part.header for reading in readings for part in reading.parts.values()}
        if unused := [header for header in headers if header not in used]:
            lines.append(f"      {kind}: {in_line(unused)}")
    return ["    not_used:  # read by nothing: no news when they come, and never pulled", *lines] if lines else []


def in_line(value: object) -> str:
    """A value of YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n...\n").strip()
