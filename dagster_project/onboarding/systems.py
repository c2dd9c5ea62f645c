"""`dearly source new`: a sample of each table becomes the contract and the staging models of a new source system, and its name in dbt_project.yml."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from dagster_project.onboarding import values
from dagster_project.onboarding.answers import UNREAD, unread_answers
from dagster_project.onboarding.headers import meaning_of
from dagster_project.onboarding.known_tables import ITS_OWN
from dagster_project.onboarding.laying_out import NONE_OF_THESE
from dagster_project.onboarding.own_tables import read_as
from dagster_project.onboarding.roles import Reading
from dagster_project.onboarding.samples import Sample, quoted, read_file, words_of
from dagster_project.onboarding.staging import Drafted, lacks, models_of
from dagster_project.onboarding.vocabulary import AMOUNTS
from dagster_project.settings import DBT_PROJECT
from dagster_project.sources.contract import SYSTEMS, System, all_systems, dbt_source

DIRECT = re.compile(r"\b(e ?mail|phone|mobile|name|street|address|iban)\b")
INDIRECT = re.compile(
    r"\b(customer|user|client|member|contact|city|town|zip|postal|postcode|country|state|region|gender|sex|birth\w*|dob|age|ip|lat\w*|lon\w*)\b"
)
THINGS = re.compile(r"\b(product|item|article|brand|category|campaign|file|event|sku)\b")
# What a part says of who a row is of, and the kinds of tables whose rows stay when that person is erased.
IDENTIFYING = {
    "customer_id": "record_id",
    "login_id": "login_id",
    "visitor_id": "browser_id",
    "national_id": "national_id",
    "email": "email",
    "phone": "phone",
}
SALES = ("lines", "purchases", "orders", "returns")
CURSOR = re.compile(r"(updated|modified|changed|last ?(modified|updated|changed)|synced).*")


MONEY = AMOUNTS - {"quantity", "items_count", "stock"}
# What may be said of an order on one of its lines; what is no line's.
ONCE = ("status", "customer_id", "email")
OF_WHOLE_ORDERS = ("order_discount_amount", "refunded_amount", "order_cancelled_at")


class SystemExists(ValueError):
    """A system of this name is there already."""


def draft_system(name: str, sources: Sequence[Path], systems: Path = SYSTEMS, project: Path = DBT_PROJECT) -> list[Path]:
    """Write a system's source.yaml, staging models and entity lines from a sample of each of its tables; return the files.

    Raises:
        SystemExists: there is one of this name.
        CannotRead: a sample is no table.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SystemExists(f"{name!r} cannot name a system: small letters, digits and underscores, beginning with a letter.")
    folder = systems / name
    if folder.exists():
        raise SystemExists(f"{folder} is there already; name another system, or delete it.")
    own = all_systems(systems)[ITS_OWN]
    tables: dict[str, Any] = {}
    models: dict[str, str] = {}
    notes: list[str] = []
    of: dict[str, str] = {}
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for number, source in enumerate(sources):
            sample = read_file(connection, source, number)
            reading = read_as(connection, sample, own)
            contract, drafted = draft_table(connection, source, sample, reading, tables)
            tables[drafted.name] = contract
            given = models_of(name, drafted)
            twice = [entity for entity in given if entity in models]
            models = given | models
            of |= {entity: of.get(entity, drafted.name) for entity in given}
            notes += [
                f"{source.name} was read as {drafted.kind}." if reading else f"{source.name} is {NONE_OF_THESE}.",
                *(doubts_of(reading) if reading else []),
                *(
                    f"{one} {UNREAD}."
                    for one in unread_answers(connection, sample, {part.header for part in reading.parts.values()} if reading else ())
                ),
                *([] if given else [lacks(drafted)]),
                *([f"Nothing reads {', '.join(twice)} of it: a table before it has them. Join the two in the model."] if twice else []),
            ]
    if {"orders", "order_items"} <= set(of) and of["orders"] != of["order_items"]:
        notes.append(
            f"orders come from {of['orders']} and order_items from {of['order_items']}: a line counts where known_at, version_at and version_number "
            "are those of its order. Make the two models agree."
        )
    declared = {"system": name, "description": f"Drafted from {', '.join(source.name for source in sources)}", "tables": tables}
    files = {folder / "source.yaml": heading(name, notes) + yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=140)}
    staging = project / "models" / "staging" / name
    files |= {staging / f"stg_{name}__{entity}.sql": sql for entity, sql in models.items()}
    files[staging / f"_{name}__sources.yml"] = dbt_source(System(**declared))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    listed = project / "dbt_project.yml"
    listed.write_text(with_system(listed.read_text(), name, list(models)))
    return [*files, listed]


def doubts_of(reading: Reading) -> list[str]:
    """What is uncertain of a table, and what it says of whole orders that the models of a drafted system do not read."""
    unread = [part.header for column, part in reading.parts.items() if column in OF_WHOLE_ORDERS]
    doubts = [doubt for doubt in reading.doubts if not doubt.startswith(tuple(f"{header} " for header in unread))]
    return doubts + [
        f"{header} is of whole orders, and no model takes it off or gives it back: write it into the models." for header in unread
    ]


def draft_table(
    connection: duckdb.DuckDBPyConnection, path: Path, sample: Sample, reading: Reading | None, taken: dict[str, Any]
) -> tuple[dict[str, Any], Drafted]:
    """A table's contract, and what of it the staging models read; its name is none of those `taken`."""
    read = reading.parts if reading else {}
    ids = {part.header for column, part in read.items() if column.endswith("_id")}
    moments = {part.header for column, part in read.items() if column.endswith(("_at", "_date"))}
    money = {part.header for column, part in read.items() if column in MONEY}
    columns = columns_of(connection, sample, ids, moments, money)
    for column in columns.values():
        # Whoever it numbers, under whatever name.
        if "customer_id" in read and column["from"] == read["customer_id"].header:
            column.setdefault("pii", "indirect")
        for part, kind in IDENTIFYING.items():
            if part in read and column["from"] == read[part].header:
                column["identifies"] = kind
    contract = contract_of(connection, path, sample, columns, reading)
    if reading and reading.kind in SALES:
        contract["sale"] = True
    named = {column.get("from", key): key for key, column in columns.items()}
    parts = {part: named[one.header] for part, one in read.items()}
    name = unique_name(reading.kind if reading else values.name_of(sample.name), taken)
    once = {parts[part] for part in ONCE if part in parts and reading and is_said_once(connection, reading, part)}
    return contract, Drafted(name, reading.kind if reading else None, parts, contract["key"], contract.get("cursor"), sorted(once))


def is_said_once(connection: duckdb.DuckDBPyConnection, reading: Reading, part: str) -> bool:
    """Whether one line of an order says something for all of it."""
    if reading.kind != "lines" or "order_id" not in reading.parts:
        return False
    said, order = values.said(reading.parts[part].header), quoted(reading.parts["order_id"].header)
    row = connection.execute(
        f"select avg(case when stated = 1 then 1.0 else 0.0 end) from (select count({said}) as stated from {reading.sample.relation} "
        f"group by {order} having count(*) > 1 and count({said}) > 0)"
    ).fetchone()
    return bool(row and row[0] is not None and row[0] >= 0.9)


def heading(name: str, notes: list[str]) -> str:
    lines = [f"Drafted by `dearly source new {name}`: look at types, key, cursor and the class of personal data.", *notes]
    return "".join(f"# {line}\n" for line in lines)


def columns_of(
    connection: duckdb.DuckDBPyConnection, sample: Sample, ids: set[str], moments: set[str], money: set[str]
) -> dict[str, dict[str, Any]]:
    """Each header as a column: its type by its values, how it is written, few words as the only ones allowed, and the class of personal data."""
    columns: dict[str, dict[str, Any]] = {}
    for header in sample.headers:
        column: dict[str, Any] = {"from": header}
        words = f"{words_of(header)} {meaning_of(header)}"
        stated = values.said_share(connection, sample, header)
        moment = (
            values.moment(connection, sample, header)
            if header in moments
            or re.search(r"\b(at|on|date\w*|time\w*|dt|created|updated|modified|changed|synced|day|since|when|birth\w*|dob)\b", words)
            else None
        )
        number = values.amount(connection, sample, header) if not moment else None
        if moment:
            column |= {"type": "timestamp"} | ({"format": moment.format} if moment.format else {})
        elif values.share(connection, sample, header, "value like '{%' or value like '[%'") >= values.ALMOST_ALL:
            column["type"] = "json"
        elif values.share(connection, sample, header, "lower(value) in ('true', 'false', 'yes', 'no')") >= values.ALMOST_ALL and stated:
            column["type"] = "boolean"
        elif number and header not in ids and not re.search(r"\b(id|no|number|code|zip|postal|plz|phone|sku)\b", words):
            # Prices that are whole today are not for ever.
            whole = (
                not number.format
                and header not in money
                and values.share(connection, sample, header, "try_cast(value as bigint) is not null and value not like '%.%'") == 1
            )
            column |= {"type": "integer"} if whole else {"type": "decimal"} | ({"format": number.format} if number.format else {})
        # Numbers, keys and moments that are always there are needed; a person without a name or a phone is no wrong row.
        if stated == 1 and (header in ids or column.get("type")):
            column["required"] = True
        elif stated == 0:
            column["description"] = "empty in the sample"
        is_person = DIRECT.search(words) and not THINGS.search(words)
        is_email = values.is_email(connection, sample, header)
        if is_email:
            column["identifies"] = "email"
        pii = "direct" if is_person or is_email else "indirect" if INDIRECT.search(words) else None
        columns[unique_name(values.name_of(header), columns)] = column | ({"pii": pii} if pii else {})
    return columns


def unique_name(name: str, taken: dict[str, Any]) -> str:
    return name if name not in taken else next(f"{name}_{n}" for n in range(2, 1000) if f"{name}_{n}" not in taken)


def contract_of(
    connection: duckdb.DuckDBPyConnection,
    source: Path,
    sample: Sample,
    columns: dict[str, dict[str, Any]],
    reading: Reading | None,
) -> dict[str, Any]:
    """The contract: the key is the first column (or the reading's own) that is different on every row, else rows are numbered."""
    named = {column.get("from", key): key for key, column in columns.items()}
    own = (
        [
            reading.parts[part].header
            for part in ("line_number", "order_id", "visitor_id", "customer_id", "product_id", "email")
            if part in reading.parts
        ]
        if reading
        else []
    )
    own = [header for header in own if values.said_share(connection, sample, header) == 1]
    ids = [header for header in sample.headers if re.search(r"\b(id|key|no|number|code|email)\b", words_of(header))]
    unique = [
        header
        for header in [*ids, *own]
        if values.said_share(connection, sample, header) == 1 and values.is_unique(connection, sample, header)
    ]
    unique = [header for header in unique if all_different(connection, sample, header)]
    if unique:
        key = [named[unique[0]]]
    else:
        group = [named[header] for header in own[:1]] or [next(iter(columns))]
        columns["row_in_group"] = {
            "type": "integer",
            "number_within": group,
            "description": "counted in the extract's order: no column is a key",
        }
        key = [*group, "row_in_group"]
    for part in key:
        if part != "row_in_group":
            columns[part]["required"] = True
    cursor = next(
        (
            named[h]
            for h in sample.headers
            if CURSOR.fullmatch(words_of(h)) and columns[named[h]].get("type") == "timestamp" and columns[named[h]].get("required")
        ),
        None,
    )
    format = "parquet" if source.suffix == ".parquet" else "jsonl" if "json" in source.name else "csv"
    kind = reading.kind if reading else re.sub(r"\W+", "_", sample.words).strip("_") or "rows"
    return {
        "format": format,
        **({"encoding": sample.encoding} if sample.encoding == "cp1252" else {}),
        "description": f"One row per {kind.rstrip('s')} and change.",
        "key": key,
        **({"cursor": cursor} if cursor else {}),
        **({"consent": True} if kind == "consents" else {}),
        "columns": tidy(columns),
    }


def all_different(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    row = connection.execute(f"select count(distinct {quoted(header)}) = count(*) from {sample.relation}").fetchone()
    return bool(row and row[0])


def tidy(columns: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Columns without what goes without saying."""
    return {
        name: {key: value for key, value in column.items() if not (key == "from" and value == name)} for name, column in columns.items()
    }


def with_system(project: str, name: str, entities: list[str]) -> str:
    """dbt_project.yml with the system's name in the lines of its entities."""
    for entity in entities:

        def listed(found: re.Match[str]) -> str:
            names = sorted({*(one.strip() for one in found.group(2).split(",") if one.strip()), name})
            return f"{found.group(1)}[{', '.join(names)}]"

        project = re.sub(rf"^(  {entity}: )\[([^\]]*)\]", listed, project, flags=re.MULTILINE)
    return project
