"""The staging models of a drafted system, from entities.yaml and consent_entities.yaml: what each kind of table gives, column by column."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

ENTITIES = [Path(__file__).with_name(name) for name in ("entities.yaml", "consent_entities.yaml")]
PART = re.compile(r"<(\w+)>")
HEAD = {"known_at": "{{ known_at('occurred_at') }}", "version_at": "version_at", "version_number": "_row_number"}
FRAME = """with

rows as (
    select * from {{{{ source('sources', '{system}__{table}') }}}}
),

shop as (
    select * from {{{{ source('sources', 'shop') }}}}
),

timed as (
    select
        rows.*{once},
        shop.zone,
        {at} as occurred_at,
        {version} as version_at
    from rows
    cross join shop
)
"""
MODEL = """with

items as (
    select * from {{{{ ref('stg_{system}__{model}') }}}}
)
"""
# An order's version has all of its lines: where one comes again, the others do as they stood.
WHOLE_ORDERS = """,

lines as (
{lines}
),

changes as (
    select
        order_id,
        version_at,
        min(known_at) as known_at
    from lines
    group by order_id, version_at
),

standing as (
    select
        lines.* replace (changes.known_at as known_at, changes.version_at as version_at, 0 as version_number),
        row_number() over (
            partition by changes.order_id, changes.version_at, lines.order_item_id
            order by lines.version_at desc, lines.version_number desc
        ) as recency
    from changes
    inner join lines on changes.order_id = lines.order_id and lines.version_at <= changes.version_at
)

select * exclude (recency)
from standing
where recency = 1
"""


@dataclass(frozen=True)
class Drafted:
    """A table of a drafted system: its name, what kind it is read as, part → its column, key, and the column that orders versions."""

    name: str
    kind: str | None
    parts: Mapping[str, str]
    key: Sequence[str]
    cursor: str | None = None
    # What one line of an order says for all of it.
    once: Sequence[str] = ()


@cache
def entities() -> dict[str, Any]:
    return {name: entity for path in ENTITIES for name, entity in yaml.safe_load(path.read_text()).items()}


def models_of(system: str, table: Drafted) -> dict[str, str]:
    """Entity → its model, by the first way in which the table says what the entity must say."""
    models: dict[str, str] = {}
    said = {**table.parts, "system": system, "key": ", ".join(table.key)}
    for name, entity in entities().items():
        of = entity.get("entity", name)
        if of not in models and table.kind in entity["of"] and gives(entity, said):
            models[of] = model_of(system, entity, table, said)
    return models


def lacks(table: Drafted) -> str:
    """A sentence on what the table would have to say, where no model comes from it."""
    needs = [" and ".join([*entity.get("must", []), "whose it is"]) for entity in entities().values() if table.kind in entity["of"]]
    return f"No staging model comes from it: that takes {needs[-1]}." if needs else "No staging model comes from it."


def gives(entity: Mapping[str, Any], said: Mapping[str, str]) -> bool:
    """Whether a table says what an entity must say; whose a row is, always."""
    whose = entity["columns"].get("source_customer_id", "'nobody'")
    return set(entity.get("must", [])) <= set(said) and expression_of(whose, said) is not None


def expression_of(written: str | list[str], said: Mapping[str, str]) -> str | None:
    """The first of a column's expressions whose parts are all there, with the table's columns in their places."""
    for expression in [written] if isinstance(written, str) else written:
        if set(PART.findall(expression)) <= set(said):
            return PART.sub(lambda found: said[found.group(1)], expression)
    return None


def said_once(column: str, order: str) -> str:
    return f"max(rows.{column}) over (partition by rows.{order}, rows._known_at) as {column}"


def model_of(system: str, entity: Mapping[str, Any], table: Drafted, said: Mapping[str, str]) -> str:
    """The SQL of an entity's model."""
    model = entity.get("from")
    head = dict.fromkeys(HEAD) if model else HEAD
    columns = {"source": f"'{system}'", **{name: head[name] or name for name in HEAD}, **entity["columns"]}
    stated = {name: expression_of(written, said) for name, written in columns.items()}
    lines = [sql if sql == name else f"{sql} as {name}" for name, sql in stated.items() if sql]
    wanted = [sql for written in entity.get("where", []) if (sql := expression_of(written, said))]
    at = said.get(entity.get("at", ""))
    frame = (
        MODEL.format(system=system, model=model)
        if model
        else FRAME.format(
            system=system,
            table=table.name,
            # What is dated for some rows only counts from the extract for the others.
            at=f"coalesce({{{{ stated_moment('rows.{at}', 'shop.zone') }}}}, rows._known_at)" if at else "rows._known_at",
            once=f" replace ({', '.join(said_once(column, said['order_id']) for column in table.once)})" if table.once else "",
            version=f"{{{{ stated_moment('rows.{table.cursor}', 'shop.zone') }}}}" if table.cursor else "rows._known_at",
        )
    )
    sql = "select\n    " + ",\n    ".join(lines) + f"\nfrom {'items' if model else 'timed'}\n"
    sql += "where\n    " + "\n    and ".join(wanted) + "\n" if wanted else ""
    sql += f"group by {', '.join(entity['group'])}\n" if entity.get("group") else ""
    whole = WHOLE_ORDERS.format(lines=indent(sql.rstrip(), "    ")) if entity.get("whole_orders") else f"\n{sql}"
    return f"-- {entity['grain']}\n{frame.rstrip() if entity.get('whole_orders') else frame}{whole}"
