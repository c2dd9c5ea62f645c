"""Who a row of an extract is of: what its contract says identifies a person (`identifies`, `holds`), in one spelling."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from dagster_project.sources.contact_points import email_point, phone_point
from dagster_project.sources.contract import System, Table
from dagster_project.sources.reading.chunks import Chunk
from dagster_project.sources.reading.engine import engine

# A shorter number says too little to be looked for in texts: it is looked for in the columns that are of its kind alone.
DISTINCT_FROM = 10
# The parts of a line that could not be read.
TOKEN = re.compile(r"""[^\s,;|"'{}\[\]\\]+""")
# An e-mail address within a text, for DuckDB and Python alike (within quotes of SQL).
ADDRESS = r"""[^\s"''<>(),;:|\\/\[\]{}=&?@]+@[^\s"''<>(),;:|\\/\[\]{}=&?@]*[^\s"''<>(),;:|\\/\[\]{}=&?@.]"""


@dataclass(frozen=True, order=True)
class Identifier:
    """One thing by which a person is known: `email ann@shop.example`, `record_id shopify:7035`, `customer_id c04f…`."""

    kind: str
    value: str


def identifier(kind: str, stated: Any, system: str, country: str) -> Identifier | None:
    """What a value of a system says, spelled as everybody spells it; None where it says nothing, or no address or number at all."""
    text = str(stated).strip()
    if not text:
        return None
    if kind == "email":
        # By its form alone: `Anna` or `unknown` would be everybody's name, and a checker refuses addresses of domains kept for use at home.
        address = email_point(text)[0]
        return Identifier("email", address) if address and all(address.rpartition("@")[::2]) else None
    if kind == "phone":
        number = phone_point(text, country)[0]
        return Identifier("phone", number) if number else None
    if kind == "record_id":
        return Identifier("record_id", f"{system}:{text}")
    if kind == "any_id":
        return Identifier("record_id" if ":" in text else "customer_id", text)
    return Identifier(kind, re.sub(r"[^0-9a-z]", "", text.lower()) if kind == "national_id" else text)


@dataclass(frozen=True)
class Place:
    """Where the rows of a table state an identifier of a kind: a column, and SQL that gives a list of what one value states. A mention is an
    address anywhere in a text, where no contract says that the row is of whom it names."""

    column: str
    kind: str
    values: str
    is_mention: bool = False


def places_of(table: Table) -> list[Place]:
    """Every such place: those that the contract names, and e-mail addresses wherever a text has one."""
    places = []
    for column, declared in table.columns.items():
        for path, kind in declared.says_who.items():
            within = f'case when json_valid("{column}") then json_extract_string("{column}", \'{path}\') end'
            places.append(Place(column, kind, f'["{column}"]' if path is None else f"[{within}]"))
        if declared.type in ("text", "json") and declared.says_who.get(None) != "email":
            within = f"""case when contains("{column}", '@') then regexp_extract_all("{column}", '{ADDRESS}') else [] end"""
            places.append(Place(column, "email", within, is_mention=True))
    return places


class Stated(NamedTuple):
    """An identifier that a row states, and the column where; "" for a row that could not be read."""

    row: int
    identifier: Identifier
    column: str
    is_mention: bool = False

    @property
    def is_own(self) -> bool:
        """Whether it says who the row is of, come what may: a browser and a telephone go from one to another."""
        return self.column != "" and not self.is_mention and self.identifier.kind not in ("phone", "browser_id")


def identified_rows(system: System, name: str, rows: pa.Table, country: str) -> Iterator[Stated]:
    """Each identifier that rows of a table state (declared columns as text, `_row_number`)."""
    connection = engine()
    connection.register("stating", rows)
    for place in places_of(system.tables[name]):
        sql = f"select value, list(_row_number) from (select unnest({place.values}) as value, _row_number from stating) where value <> '' group by value"
        for stated, numbers in connection.execute(sql).fetchall():
            if one := identifier(place.kind, stated, system.system, country):
                yield from (Stated(number, one, place.column, place.is_mention) for number in numbers)
    connection.unregister("stating")


def unreadable_rows(system: System, name: str, chunk: Chunk, country: str) -> Iterator[Stated]:
    """The same for rows that could not be read: each part of their text may be any of what the table states. No column states it."""
    for row in chunk.unreadable:
        yield from (Stated(row.number, one, "") for one in identifiers_within(system, name, row.text, country))


def identifiers_within(system: System, name: str, text: str, country: str) -> Iterator[Identifier]:
    """Whatever a text could state of who it is about, read as a row of the table: a short number is as soon an amount, and says nobody."""
    parts = {part for token in TOKEN.findall(text) for part in (token, token.partition(":")[2])}
    for kind in kinds_of(system.tables[name]):
        for part in (part for part in parts if len(part) >= DISTINCT_FROM or not part.isdecimal()):
            if one := identifier(kind, part, system.system, country):
                yield one


def kinds_of(table: Table) -> set[str]:
    return {"email", *(kind for column in table.columns.values() for kind in column.says_who.values())}


def stated_rows(columns: Iterable[str], rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as dictionaries → a table of texts; `_row_number` is the place in the list."""
    texts = {name: pa.array([None if row.get(name) is None else str(row[name]) for row in rows], pa.string()) for name in columns}
    return pa.table({**texts, "_row_number": pa.array(range(len(rows)), pa.int64())})
