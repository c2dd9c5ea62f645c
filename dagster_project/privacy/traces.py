"""Where a person is in the store: every table is looked at, so one that is new tomorrow is found without a list.

A raw table by what its contract says identifies a person; quarantine by the same, row by row; any other table by its columns that have an
identifier's name, and by every text in it.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.privacy.person import NUMBERS, Person
from dagster_project.shop import Shop
from dagster_project.sources.blanking import without
from dagster_project.sources.contract import System
from dagster_project.sources.erased import Erased
from dagster_project.sources.identifiers import Identifier, identified_rows, identifier, places_of, stated_rows
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.reading.chunks import Chunk, Unreadable

TABLES = """
select table_schema, table_name, list(column_name order by ordinal_position), list(data_type order by ordinal_position)
from information_schema.tables inner join information_schema.columns using (table_catalog, table_schema, table_name)
where table_type = 'BASE TABLE' and table_catalog = current_database() and table_schema not like 'pg_%' group by all order by all
"""
QUARANTINE = "sources.quarantine"
# So many texts are looked for in one expression.
AT_ONCE = 400
# What may be before a text that names somebody: no part of an address (letters of any alphabet that is written with spaces), but quotes, and an
# escape of JSON (\n) or of an URL (%3D). RE2 and Python spell such characters differently, so they are in it themselves.
BEGIN = (
    rf"(?:^|[^a-z0-9._%+'{chr(0xC0)}-{chr(0xD6)}{chr(0xD8)}-{chr(0xF6)}{chr(0xF8)}-{chr(0x1FFF)}-]"
    r"|\\[bfnrt]|\\u[0-9a-f]{4}|%(?:20|22|26|27|2c|2f|3[a-f]))'*"
)
# Columns that number things, as opposed to people.
OF_THINGS = re.compile(
    r"(?:^|_)(?:order|item|line|product|variant|cart|checkout|session|return|article|invoice|receipt|store|batch)_(?:id|no|number)$"
)
QUARANTINED = "select rowid, source, table_name, column_name, row_json from sources.quarantine"


@dataclass(frozen=True)
class Trace:
    """A table's rows that are the person's: a condition on its rows, how many, and the raw table's contract. Rows with `stays` are a sale of
    theirs, which stays without them; so does another's row that only names them (not `is_theirs`). `names`: SQL, true for a row of a raw table
    with a text that names them."""

    table: str
    where: str
    rows: int
    source: tuple[System, str] | None = None
    stays: bool = False
    is_theirs: bool = True
    names: str = ""


def traces(connection: duckdb.DuckDBPyConnection, shop: Shop, person: Person, erased: Erased) -> list[Trace]:
    """Every table's rows of a person. Writes temp tables `marked` (table_name, row, stays), `without` (row, row_json: a quarantined
    sale without its person) and `identifiers` (kind, value), which they read."""
    connection.execute("create or replace temp table marked (table_name varchar, row bigint, stays boolean)")
    known = sorted((one.kind, one.value) for one in person.identifiers)
    connection.register("incoming", pa.table({"kind": [kind for kind, _ in known], "value": [value for _, value in known]}))
    connection.execute("create or replace temp table identifiers as select * from incoming")
    connection.unregister("incoming")
    contracts = contracts_of(shop)
    raw = {f"sources.{system.system}__{name}": (system, name) for system in contracts.values() for name in system.tables}
    found: list[Trace] = []
    for schema, name, columns, types in connection.execute(TABLES).fetchall():
        kinds, names = dict(zip(columns, types, strict=True)), ""
        table = f"{schema}.{name}"
        if table in raw:
            mark_raw(connection, table, *raw[table], erased)
            names = " or ".join(texts_condition(kinds, person.needles | person.contents))
            of_table = f"select row from marked where table_name = '{table}'"
            conditions = [(f"rowid in ({of_table} and stays = {stays})", stays, True) for stays in (False, True)]
            conditions.append((f"({names}) and rowid not in ({of_table})", True, False))
        else:
            if table == QUARANTINE:
                mark_quarantine(connection, contracts, erased)
            conditions = [(condition_of(schema, name, kinds, person), False, True)]
            if table == QUARANTINE:
                kept = "rowid in (select row from without)"
                conditions = [(f"({conditions[0][0]}) and not {kept}", False, True), (kept, True, True)]
        for where, stays, is_theirs in conditions:
            ((rows,),) = connection.execute(f'select count(*) from {schema}."{name}" where {where}').fetchall()
            if rows:
                found.append(Trace(f'{schema}."{name}"', where, rows, raw.get(table), stays, is_theirs, names))
    return found


def mark_raw(connection: duckdb.DuckDBPyConnection, table: str, system: System, name: str, erased: Erased) -> None:
    """Mark a raw table's rows of those persons. Each value that could be an identifier is asked about once; the rows that have one of theirs are
    judged as those of a file are."""
    contract = system.tables[name]
    held = {column for column, *_ in connection.execute(f"describe {table}").fetchall()}
    conditions: list[str] = []
    parameters: list[list[str]] = []
    for place in places_of(contract):
        if place.column not in held:
            continue
        values = f"select distinct unnest({place.values}) as value from {table}"
        stated = [value for (value,) in connection.execute(f"select value from ({values}) where value <> ''").fetchall()]
        met = [v for v in stated if (one := identifier(place.kind, v, system.system, erased.country)) and erased.holds(one)]
        if met:
            conditions.append(f"list_has_any({place.values}, ?::varchar[])")
            parameters.append(met)
    if conditions:
        columns = ", ".join(f'"{column}"' if column in held else f'null::varchar as "{column}"' for column in contract.columns)
        sql = f"select {columns}, rowid as _row_number from {table} where {' or '.join(conditions)}"
        judged = erased.rows_of(system, name, Chunk(connection.execute(sql, parameters).to_arrow_table(), []))
        theirs = {row: stays for row, stays in judged.items() if stays is not None}
        connection.register(
            "theirs", pa.table({"row": pa.array(theirs.keys(), pa.int64()), "stays": pa.array(theirs.values(), pa.bool_())})
        )
        connection.execute("insert into marked select ?, row, stays from theirs", [table])
        connection.unregister("theirs")


def mark_quarantine(connection: duckdb.DuckDBPyConnection, contracts: dict[str, System], erased: Erased) -> None:
    """Mark quarantined rows of those persons, readable or not."""
    connection.execute("create or replace temp table without (row bigint, row_json varchar)")
    waiting: dict[tuple[str, str], list[tuple[int, str | None, Any]]] = {}
    for row, source, name, column, text in connection.execute(QUARANTINED).fetchall():
        if source in contracts and name in contracts[source].tables:
            waiting.setdefault((source, name), []).append((row, column, json.loads(text)))
    for (source, name), rows in waiting.items():
        system, stays = contracts[source], set(contracts[source].tables[name].stays)
        readable = [one for one in rows if isinstance(one[2], dict)]
        unreadable = [one for one in rows if not isinstance(one[2], dict)]
        stated = stated_rows(system.tables[name].columns, [said for _, _, said in readable])
        lines = [Unreadable(place, None, "", str(said)) for place, (_, _, said) in enumerate(unreadable, start=len(readable))]
        theirs = erased.rows_of(system, name, Chunk(stated, lines))
        waits = [*readable, *unreadable]
        met = {waits[place][0] for place, may_stay in theirs.items() if may_stay is not None}
        # A sale waits on without its person, where neither what it broke nor what stays of it says who that is;
        # another's row without what mentions them.
        for place, may_stay in theirs.items():
            row, broken, said = waits[place]
            if may_stay is None:
                blank = {column: without(value, erased.names) for column, value in said.items()}
            elif may_stay and broken in stays:
                blank = {column: value if column in stays else None for column, value in said.items()}
            else:
                continue
            connection.execute("insert into without values (?, ?)", [row, json.dumps(blank, ensure_ascii=False, separators=(",", ":"))])
        for row in sorted(met):
            connection.execute("insert into marked values (?, ?, false)", [QUARANTINE, row])


def quarantined_identifiers(connection: duckdb.DuckDBPyConnection, shop: Shop, person: Person) -> set[Identifier]:
    """The records that marked rows of quarantine are of (temp table `marked`): a row that only mentions the person in a text is another's."""
    sql = "select source, table_name, row_json from sources.quarantine where rowid in (select row from marked where table_name = ?)"
    contracts, found = contracts_of(shop), set()
    for source, name, text in connection.execute(sql, [QUARANTINE]).fetchall():
        said = json.loads(text)
        if isinstance(said, dict):
            rows = stated_rows(contracts[source].tables[name].columns, [said])
            stated = identified_rows(contracts[source], name, rows, shop.country)
            says_who = {one.identifier for one in stated if not one.is_mention}
            if says_who & person.identifiers:
                found |= {one for one in says_who if one.kind == "record_id"}
    return found


def condition_of(schema: str, table: str, columns: dict[str, str], person: Person) -> str:
    """SQL that is true for the rows of a table that name a person."""
    needles = person.needles | person.contents
    numbers = frozenset(needle for needle in needles if needle.isdigit())
    conditions = texts_condition(columns, needles - numbers)
    # Another thing's id may be the same number.
    conditions += texts_condition({name: kind for name, kind in columns.items() if not OF_THINGS.search(name)}, numbers)
    for kind in NUMBERS:
        if kind in columns:
            conditions.append(f"\"{kind}\" in (select value from identifiers where kind = '{kind}')")
    if "source_customer_id" in columns:
        # A staging model that does not say its source is of the system that it is named after.
        system = '"source"' if "source" in columns else literal(re.sub(r"^stg_(.+?)__.*", r"\1", table))
        conditions.append(f"concat({system}, ':', source_customer_id) in (select value from identifiers where kind = 'record_id')")
    if f"{schema}.{table}" == QUARANTINE:
        conditions.append(f"rowid in (select row from marked where table_name = '{QUARANTINE}')")
    return " or ".join(conditions)


def texts_condition(columns: dict[str, str], needles: Collection[str]) -> list[str]:
    """SQL conditions, any of which is true for a row with a text that has one of these in it."""
    conditions = ["false"]
    texts = [name for name, kind in columns.items() if "VARCHAR" in kind or "JSON" in kind]
    if texts:
        said = ", ".join(f'"{name}"::varchar' for name in texts)
        row = f"lower(concat_ws(chr(31), {said}))"
        conditions += [f"regexp_matches({row}, {literal(pattern)})" for pattern in patterns(sorted(needles))]
    return conditions


def patterns(needles: Sequence[str]) -> Iterator[str]:
    """Regular expressions (RE2 and Python's) that find any of these texts as a whole: joann@x.de, o'ann@x.de and ann@x.de.br are not ann@x.de."""
    for start in range(0, len(needles), AT_ONCE):
        by_joint: dict[str, list[str]] = {}
        for needle in needles[start : start + AT_ONCE]:
            joint = "." if "@" in needle or "%40" in needle else "./" if ":" in needle else ""
            by_joint.setdefault(joint, []).append(re.escape(needle))
        listed = "|".join(f"(?:{'|'.join(those)}){end_with(joint)}" for joint, those in by_joint.items())
        yield rf"{BEGIN}(?:{listed})"


def end_with(joint: str) -> str:
    """What a text may be followed by; after one of the characters in `joint` it may go on, and is another one then."""
    goes_on = rf"|[{joint}](?:$|[^a-z0-9])" if joint else ""
    return rf"(?:$|[^a-z0-9_{joint}-]{goes_on})"


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
