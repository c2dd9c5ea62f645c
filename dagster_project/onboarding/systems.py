"""`dearly source new`: a sample file becomes the contract and the staging models of a new source system, and its name in dbt_project.yml."""

import re
from pathlib import Path
from typing import Any

import duckdb
import yaml

from dagster_project.onboarding import values
from dagster_project.onboarding.layout import ITS_OWN, read_as
from dagster_project.onboarding.roles import Reading
from dagster_project.onboarding.samples import Sample, read_file, words_of
from dagster_project.settings import DBT_PROJECT
from dagster_project.sources.contract import SYSTEMS, System, all_systems, dbt_source

DIRECT = re.compile(r"\b(e ?mail|phone|mobile|name|street|address|iban)\b")
INDIRECT = re.compile(
    r"\b(customer|user|client|member|contact|city|town|zip|postal|postcode|country|state|region|gender|sex|birth\w*|dob|age|ip|lat\w*|lon\w*)\b"
)
THINGS = re.compile(r"\b(product|item|article|brand|category|campaign|file|event|sku)\b")
CURSOR = re.compile(r"(updated|modified|changed|last ?(modified|updated|changed)|synced).*")
# What a table of a kind gives: entity of dbt_project.yml → its model (below).
PERSON = ("first_name", "last_name", "street", "city", "region", "postal_code")


class SystemExists(ValueError):
    """A system of this name is there already."""


def draft_system(name: str, source: Path, systems: Path = SYSTEMS, project: Path = DBT_PROJECT) -> list[Path]:
    """Write a system's source.yaml, staging models and entity lines from a sample; return the files.

    Raises:
        SystemExists: there is one of this name.
        CannotRead: the sample is no table.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SystemExists(f"{name!r} cannot name a system: small letters, digits and underscores, beginning with a letter.")
    folder = systems / name
    if folder.exists():
        raise SystemExists(f"{folder} is there already; name another system, or delete it.")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        sample = read_file(connection, source, 0)
        reading = read_as(connection, sample, all_systems(systems)[ITS_OWN])
        ids = {part.header for column, part in reading.parts.items() if column.endswith("_id")} if reading else set()
        columns = columns_of(connection, sample, ids)
        contract = contract_of(connection, name, source, sample, columns, reading)
    table = next(iter(contract["tables"]))
    models = models_of(name, table, contract["tables"][table], reading, {column.get("from", key): key for key, column in columns.items()})
    files = {folder / "source.yaml": heading(name, reading) + yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=140)}
    staging = project / "models" / "staging" / name
    files |= {staging / f"stg_{name}__{entity}.sql": sql for entity, sql in models.items()}
    files[staging / f"_{name}__sources.yml"] = dbt_source(System(**contract))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    listed = project / "dbt_project.yml"
    listed.write_text(with_system(listed.read_text(), name, list(models)))
    return [*files, listed]


def heading(name: str, reading: Reading | None) -> str:
    read = (
        f"The sample was read as {reading.kind}."
        if reading
        else "The sample is none of orders, lines, customers, products, events: no staging model yet."
    )
    lines = [f"Drafted by `dearly source new {name}`: look at types, key, cursor and the class of personal data. {read}"]
    return "".join(f"# {line}\n" for line in [*lines, *(reading.doubts if reading else [])])


def columns_of(connection: duckdb.DuckDBPyConnection, sample: Sample, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Each header as a column: its type by its values, how it is written, few words as the only ones allowed, and the class of personal data."""
    columns: dict[str, dict[str, Any]] = {}
    for header in sample.headers:
        column: dict[str, Any] = {"from": header}
        words = words_of(header)
        stated = values.said_share(connection, sample, header)
        moment = (
            values.moment(connection, sample, header)
            if re.search(r"\b(at|on|date\w*|time\w*|dt|created|updated|modified|changed|synced|day|since|when|birth\w*|dob)\b", words)
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
            whole = (
                not number.format
                and values.share(connection, sample, header, "try_cast(value as bigint) is not null and value not like '%.%'") == 1
            )
            column |= {"type": "integer"} if whole else {"type": "decimal"} | ({"format": number.format} if number.format else {})
        if stated == 1:
            column["required"] = True
        elif stated == 0:
            column["description"] = "empty in the sample"
        is_person = DIRECT.search(words) and not THINGS.search(words)
        pii = "direct" if is_person or values.is_email(connection, sample, header) else "indirect" if INDIRECT.search(words) else None
        columns[unique_name(values.name_of(header), columns)] = column | ({"pii": pii} if pii else {})
    return columns


def unique_name(name: str, taken: dict[str, Any]) -> str:
    return name if name not in taken else next(f"{name}_{n}" for n in range(2, 1000) if f"{name}_{n}" not in taken)


def contract_of(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    source: Path,
    sample: Sample,
    columns: dict[str, dict[str, Any]],
    reading: Reading | None,
) -> dict[str, Any]:
    """The contract: the key is the first column (or the reading's own) that is different on every row, else rows are numbered."""
    named = {column.get("from", key): key for key, column in columns.items()}
    own = (
        [reading.parts[part].header for part in ("line_number", "order_id", "customer_id", "product_id") if part in reading.parts]
        if reading
        else []
    )
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
    table = {
        "format": format,
        "description": f"One row per {kind.rstrip('s')} and change.",
        "key": key,
        **({"cursor": cursor} if cursor else {}),
    }
    return {"system": name, "description": f"Drafted from {source.name}", "tables": {kind: {**table, "columns": tidy(columns)}}}


def all_different(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    row = connection.execute(f"select count(distinct {values.quoted(header)}) = count(*) from {sample.relation}").fetchone()
    return bool(row and row[0])


def tidy(columns: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Columns without what goes without saying."""
    return {
        name: {key: value for key, value in column.items() if not (key == "from" and value == name)} for name, column in columns.items()
    }


def models_of(name: str, table: str, declared: dict[str, Any], reading: Reading | None, named: dict[str, str]) -> dict[str, str]:
    """The staging models that a reading gives, by entity."""
    if reading is None:
        return {}
    parts = {part: named[one.header] for part, one in reading.parts.items() if one.header in named}
    cursor = declared.get("cursor")
    version = f"{{{{ stated_moment('rows.{cursor}', 'shop.zone') }}}}" if cursor else "rows._known_at"
    head = {"name": name, "table": f"{name}__{table}", "version": version}
    if reading.kind == "customers" and "customer_id" in parts:
        return {"records": records(parts, head)}
    if reading.kind == "products" and "product_id" in parts:
        return {"products": products(parts, head)}
    if reading.kind == "lines" and {"order_id", "ordered_at"} <= set(parts):
        return {"order_items": order_items(parts, head, declared["key"]), "orders": orders(name)}
    return {}


FRAME = """with

rows as (
    select * from {{{{ source('sources', '{table}') }}}}
),

shop as (
    select * from {{{{ source('sources', 'shop') }}}}
),

timed as (
    select
        rows.*,
        {at} as occurred_at,
        {version} as version_at
    from rows
    cross join shop
)
"""


def frame(head: dict[str, str], at: str | None) -> str:
    moment = f"{{{{ stated_moment('rows.{at}', 'shop.zone') }}}}" if at else "rows._known_at"
    return FRAME.format(table=head["table"], at=moment, version=head["version"])


def text(parts: dict[str, str], part: str) -> str:
    return f"{{{{ said('{parts[part]}') }}}} as {part}" if part in parts else f"cast(null as varchar) as {part}"


def records(parts: dict[str, str], head: dict[str, str]) -> str:
    name = f"{{{{ said('{parts['full_name']}') }}}}" if "full_name" in parts else ""
    split = {
        "first_name": f"split_part({name}, ' ', 1)",
        "last_name": f"nullif(trim(substr({name}, length(split_part({name}, ' ', 1)) + 1)), '')",
    }
    columns = [
        text(parts, part) if part in parts or not name or part not in split else f"{split[part]} as {part}"
        for part in ("email", "phone", *PERSON)
    ]
    country = f"{{{{ country_code('{parts['country']}') }}}}" if "country" in parts else "cast(null as varchar)"
    born = f"try_cast({parts['birth_date']} as date)" if "birth_date" in parts else "cast(null as date)"
    gender = f"lower({{{{ said('{parts['gender']}') }}}})" if "gender" in parts else "cast(null as varchar)"
    language = f"{{{{ language_code('{parts['language']}') }}}}" if "language" in parts else "cast(null as varchar)"
    columns += [
        f"{country} as country",
        f"{born} as birth_date",
        f"{gender} as gender",
        f"{language} as language",
        "cast(null as varchar) as timezone",
    ]
    columns += [
        text(parts, "membership_tier"),
        f"'{head['name']}' as signup_source",
        "cast(null as varchar) as interests",
        "cast(null as varchar) as preferences",
    ]
    columns += [text(parts, "login_id") if "login_id" in parts else "cast(null as varchar) as login_id"]
    first = ["'{}' as source".format(head["name"]), f"{parts['customer_id']} as source_customer_id", "occurred_at as created_at"]
    first += ["{{ known_at('occurred_at') }} as known_at", "version_at", "_row_number as version_number"]
    return f"-- One row per customer and change.\n{frame(head, parts.get('created_at'))}\n{select([*first, *columns], 'timed')}"


def products(parts: dict[str, str], head: dict[str, str]) -> str:
    price = f"cast({parts['price']} as decimal(18, 4))" if "price" in parts else "cast(null as decimal(18, 4))"
    stock = f"cast(round(cast({parts['stock']} as decimal(18, 4))) as integer)" if "stock" in parts else "cast(null as integer)"
    title = (
        f"coalesce({{{{ said('{parts['product_name']}') }}}}, {parts['product_id']})" if "product_name" in parts else parts["product_id"]
    )
    columns = [
        f"'{head['name']}' as source",
        f"{parts['product_id']} as product_id",
        "occurred_at",
        "{{ known_at('occurred_at') }} as known_at",
        "version_at",
    ]
    columns += [
        "_row_number as version_number",
        text(parts, "sku") if "sku" in parts else f"{parts['product_id']} as sku",
        f"{title} as title",
    ]
    columns += [text(parts, part) for part in ("brand", "category", "tags", "handle", "description")]
    columns += ["'active' as status", text(parts, "image_url"), f"{price} as price", f"{stock} as stock"]
    return f"-- One row per product and change.\n{frame(head, None)}\n{select(columns, 'timed')}"


def order_items(parts: dict[str, str], head: dict[str, str], key: list[str]) -> str:
    quantity = f"cast({parts['quantity']} as decimal(18, 4))" if "quantity" in parts else "1"
    price = f"cast({parts['unit_price']} as decimal(18, 4))" if "unit_price" in parts else None
    amount = f"cast({parts['line_amount']} as decimal(18, 4))" if "line_amount" in parts else f"{quantity} * {price}"
    customer = parts.get("customer_id") or (f"'guest:' || md5(lower({parts['email']}))" if "email" in parts else "cast(null as varchar)")
    columns = [f"'{head['name']}' as source", f"concat_ws(':', {', '.join(key)}) as order_item_id", f"{parts['order_id']} as order_id"]
    columns += [
        f"{customer} as source_customer_id",
        "occurred_at",
        "{{ known_at('occurred_at') }} as known_at",
        "version_at",
        "0 as version_number",
    ]
    columns += [f"{parts['product_id']} as product_id" if "product_id" in parts else "cast(null as varchar) as product_id"]
    columns += [
        f"{parts['product_id']} as sku" if "product_id" in parts else "cast(null as varchar) as sku",
        f"cast(round({quantity}) as integer) as quantity",
    ]
    columns += [
        f"cast({price or f'{amount} / nullif({quantity}, 0)'} as decimal(18, 4)) as unit_price",
        f"cast({amount} as decimal(18, 2)) as gross_amount",
    ]
    columns += [f"cast({amount} as decimal(18, 2)) as net_amount"]
    sold = f"where {quantity} > 0 and {amount} >= 0"
    grain = "-- One row per sold order line and change; lines that come back are left out until returns have a model."
    return f"{grain}\n{frame(head, parts['ordered_at'])}\n{select(columns, 'timed')}{sold}\n"


def orders(name: str) -> str:
    return f"""-- One row per order and change.
with

items as (
    select * from {{{{ ref('stg_{name}__order_items') }}}}
)

select
    '{name}' as source,
    order_id,
    min(source_customer_id) as source_customer_id,
    cast(null as varchar) as guest_email,
    min(occurred_at) as occurred_at,
    known_at,
    version_at,
    version_number,
    sum(net_amount) as net_amount,
    cast(sum(gross_amount) - sum(net_amount) as decimal(18, 2)) as discount_amount,
    sum(quantity) as items_count,
    count(*) as lines_count,
    'web' as channel,
    cast(null as varchar) as discount_code,
    cast(null as varchar) as landing_url
from items
group by order_id, known_at, version_at, version_number
"""


def select(columns: list[str], relation: str) -> str:
    return "select\n    " + ",\n    ".join(columns) + f"\nfrom {relation}\n"


def with_system(project: str, name: str, entities: list[str]) -> str:
    """dbt_project.yml with the system's name in the lines of its entities."""
    for entity in entities:

        def listed(found: re.Match[str]) -> str:
            names = sorted({*(one.strip() for one in found.group(2).split(",") if one.strip()), name})
            return f"{found.group(1)}[{', '.join(names)}]"

        project = re.sub(rf"^(  {entity}: )\[([^\]]*)\]", listed, project, flags=re.MULTILINE)
    return project
