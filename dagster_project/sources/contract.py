"""sources/<system>/source.yaml: what a source system promises of its tables. The contract types the raw tables, and judges each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SYSTEMS = Path(__file__).parent

# How a value of the declared type reads; raw tables keep the text, staging casts it.
TYPE_TESTS = {
    "text": None,
    "json": "json_valid({0})",
    "integer": "try_cast({0} as bigint) is not null",
    "decimal": "try_cast({0} as decimal(18, 4)) is not null",
    "boolean": "lower({0}) in ('true', 'false', 'yes', 'no', '1', '0')",
    "timestamp": "try_cast({0} as timestamptz) is not null",
    "date": "try_cast({0} as date) is not null",
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Column(Strict):
    """One column of a raw table."""

    type: Literal["text", "json", "integer", "decimal", "boolean", "timestamp", "date"] = "text"
    header: str | None = Field(None, alias="from", description="its name in the extract, where it differs")
    format: str | None = Field(
        None, description="how the extract writes it: %d.%m.%Y %H:%M, unix or unix_ms for a moment; 1.234,56 or 1,234.56 for an amount"
    )
    required: bool = False
    values: list[str] | None = None
    at_least: float | None = None
    currency: bool = Field(False, description="an ISO currency that the shop's rates know")
    number_within: list[str] | None = Field(
        None, description="counted from 1 in the extract's order among rows equal in these columns, where the extract does not state it"
    )
    pii: Literal["direct", "indirect", "sensitive", "none"] = "none"
    description: str = ""


class Truth(Strict):
    """A condition on a whole row, in SQL, true for a good one."""

    column: str
    good: str
    reason: str


class Pull(Strict):
    """How new rows of a table are asked for, where they do not come as files: from a database (`table`), from an API (`path`)."""

    cursor: str | None = Field(
        None, description="the source's own column that grows with each change; without it the whole table comes each time"
    )
    overlap: int = Field(
        0, ge=0, description="how far before the newest value seen a pull begins again (seconds, or numbers): what was committed late"
    )
    table: str | None = Field(None, description="its name in the database, where it differs")
    path: str | None = Field(None, description="below the API's address")
    rows: str | None = Field(None, description="the key of the answer that holds the rows; without it the answer is the list")
    since: str | None = Field(None, description="the parameter that takes the cursor")
    parameters: dict[str, str | int] = {}
    lookup: str | None = Field(None, description="asked once for each customer: the parameter that takes the e-mail address")
    keep_days: int = Field(365, description="an answer older than this is asked for again")
    looked_up_at: str | None = Field(None, description="the column that takes the day of the look-up, where the answer does not state one")


class Table(Strict):
    """One table of a source system, with its key and the column that orders versions of a row."""

    format: Literal["csv", "jsonl", "parquet"]
    key: list[str]
    cursor: str | None = None
    description: str
    columns: dict[str, Column]
    rules: list[Truth] = []
    consent: bool = Field(False, description="holds consent or suppression: read once more right before delivery")
    daily: bool = Field(False, description="an extract is expected every day: a missing one holds delivery")
    pull: Pull | None = Field(None, description="how a shop that has no extracts of it asks for its new rows")

    @cached_property
    def headers(self) -> dict[str, str]:
        """Column name → its name in the extract."""
        return {name: column.header or name for name, column in self.columns.items()}


@dataclass(frozen=True)
class Rule:
    """What a row must satisfy: an SQL condition that is true for a good row, and the reason given when it is not."""

    column: str
    good: str
    reason: str


class System(Strict):
    """A source system: its tables by name."""

    system: str
    description: str
    token_header: str = Field("Authorization", description="the header of its API that takes the token")
    tables: dict[str, Table]


def rules_of(table: Table, currencies: Sequence[str]) -> list[Rule]:
    """The row rules of a table in the order in which they are tried; a row is refused for the first one it breaks.

    `currencies` are those with a rate in the shop.
    """
    rules = []
    for name, column in table.columns.items():
        value = f'"{name}"'
        if column.required:
            rules.append(Rule(name, f"{value} is not null", "is missing"))
        test = TYPE_TESTS[column.type]
        if test:
            rules.append(Rule(name, f"{value} is null or {test.format(value)}", f"is not a {column.type}"))
        allowed = list(currencies) if column.currency else column.values
        if allowed is not None:
            literals = ", ".join("'" + one.replace("'", "''") + "'" for one in allowed)
            rules.append(Rule(name, f"{value} is null or {value} in ({literals})", f"is none of {', '.join(allowed)}"))
        if column.at_least is not None:
            rules.append(
                Rule(name, f"{value} is null or try_cast({value} as double) >= {column.at_least}", f"is below {column.at_least:g}")
            )
    return rules + [Rule(truth.column, truth.good, truth.reason) for truth in table.rules]


def load_system(system: str, folder: Path = SYSTEMS) -> System:
    """Read a system's contract.

    Raises:
        ValueError: the file is missing or wrong; the message names it and each mistake.
    """
    path = folder / system / "source.yaml"
    if not path.is_file():
        raise ValueError(f"{path} is missing: a source system is declared by its source.yaml.")
    try:
        contract = System(**yaml.safe_load(path.read_text()))
    except ValidationError as error:
        mistakes = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{path}: {mistakes}") from None
    for name, table in contract.tables.items():
        unknown = [column for column in [*table.key, *([table.cursor] if table.cursor else [])] if column not in table.columns]
        if unknown:
            raise ValueError(f"{path}: table {name} names {', '.join(unknown)} as key or cursor but declares no such column.")
        for column, declared in table.columns.items():
            if set(declared.number_within or []) - set(table.columns):
                raise ValueError(f"{path}: table {name} numbers {column} within columns that it does not declare.")
    return contract


def all_systems(folder: Path = SYSTEMS) -> dict[str, System]:
    """Every declared source system by name."""
    return {path.parent.name: load_system(path.parent.name, folder) for path in sorted(folder.glob("*/source.yaml"))}


# What loading adds to each row.
STAMPS = {
    "_batch_id": "varchar",
    "_row_number": "bigint",
    "_row_hash": "varchar",
    "_known_at": "timestamp",
    "_is_history": "boolean",
}


def dbt_source(system: System) -> str:
    """The dbt source YAML of a system (dbt/models/staging/<system>/_<system>__sources.yml), so that both sides declare the same columns."""
    tables = []
    for name, table in system.tables.items():
        columns: list[dict[str, Any]] = [
            {"name": column, "data_type": "varchar", "config": {"meta": {"pii": declared.pii}}}
            for column, declared in table.columns.items()
        ]
        columns += [{"name": column, "data_type": kind} for column, kind in STAMPS.items()]
        tables.append({"name": f"{system.system}__{name}", "description": table.description, "columns": columns})
    head = f"# Made from dagster_project/sources/{system.system}/source.yaml by `dearly check --write`.\n"
    return head + yaml.safe_dump({"sources": [{"name": "sources", "schema": "sources", "tables": tables}]}, sort_keys=False, width=140)
