"""sources/<system>/source.yaml: what a source system promises of its tables. The contract types the raw tables, and judges each row."""

import math
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from dagster_project.failures import Mistake
from dagster_project.located_yaml import Strict, load

SYSTEMS = Path(__file__).parent
# The header of a column that a shop's extracts do not have: no file's.
NOT_NAMED = "(no {})"


# What a value can say of who a row is of: the columns of identity.customer_records. `any_id` is a record with its source, or a customer id.
Kind = Literal["record_id", "login_id", "loyalty_id", "browser_id", "national_id", "email", "phone", "any_id"]


class Column(Strict):
    """One column of a raw table."""

    type: Literal["text", "json", "integer", "decimal", "boolean", "timestamp", "date"] = "text"
    header: str | list[str] | None = Field(
        None, alias="from", description="its name in the extract, where it differs; several where it has changed"
    )
    format: str | None = Field(
        None,
        description="how the extract writes it: %d.%m.%Y %H:%M, unix, unix_ms or utc for a moment; "
        "1.234,56, 1,234.56 or cents for an amount; nobody is 0 for a number that guests share; "
        "6 is Cancelado; 7 is Reembolsado for numbers that stand for words",
    )
    required: bool = False
    values: list[str] | None = None
    at_least: float | None = None
    at_most: float | None = None
    pattern: str | None = Field(None, description="a regular expression that the whole value matches")
    holds: Literal["email", "phone"] | None = Field(
        None, description="what each value is one of; phones of the shop's country where they do not say"
    )
    json_schema: dict[str, Any] | None = Field(None, alias="schema", description="the JSON Schema of a json column")
    broken: Literal["quarantine", "warn"] = Field("quarantine", description="what becomes of a row that breaks a rule on this column")
    sparse: bool = Field(False, description="left out of an extract in which it says nothing: that it is missing is no drift")
    currency: bool = Field(False, description="an ISO currency that the shop's rates know")
    number_within: list[str] | None = Field(
        None, description="counted from 1 in the extract's order among rows equal in these columns, where the extract does not state it"
    )
    or_extracted: bool = Field(False, description="the moment of the extract, where a row does not state it")
    pii: Literal["direct", "indirect", "sensitive", "none"] = "none"
    identifies: Kind | dict[str, Kind] | None = Field(
        None, description="what a value says of who the row is of; for a json column by path ($.email: email). `holds` says it too"
    )
    description: str = ""

    @property
    def says_who(self) -> dict[str | None, Kind]:
        """Path within the value (None: the whole value) → what it says of who the row is of."""
        if isinstance(self.identifies, dict):
            return {path: kind for path, kind in self.identifies.items()}
        kind = self.identifies or self.holds
        return {None: kind} if kind else {}


class Truth(Strict):
    """A condition on a whole row, in SQL, true for a good one."""

    column: str
    good: str
    reason: str


class Piece(Strict):
    """A table that a loader made of a part of the source's documents: which of its columns are read, and which row each of its own belongs to."""

    needs: list[str] = Field(["id"], description="columns without which nothing is read")
    may_have: list[str] = Field([], description="columns that a loader makes once a value has come")
    of: str | None = Field(None, description="table.column that it belongs to; none for the table that gives the rows")
    by: str | None = Field(None, description="its own column with that value")
    may_be_absent: bool = Field(False, description="a loader lands it only where it is asked to, or has rows")


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
    parameters: dict[str, str | int] = Field({})
    lookup: str | None = Field(None, description="asked once for each customer: the parameter that takes the e-mail address")
    keep_days: int = Field(365, description="an answer older than this is asked for again")
    looked_up_at: str | None = Field(None, description="the column that takes the day of the look-up, where the answer does not state one")
    pieces: dict[str, Piece] = Field({}, description="the tables that a row is put together from, the one that gives the rows first")
    columns: dict[str, str] = Field({}, description="name in the extract ← what it is, in SQL over the pieces (their values are texts)")


class Drift(Strict):
    """What becomes of an extract that is not as declared. `evolve` goes on and says so, `quarantine` refuses the rows that show it, `stop` refuses
    the whole extract: the day is built on what was there before, and its delivery holds."""

    new_column: Literal["evolve", "stop"] = Field("evolve", description="a column that is not declared: it stays in the landed file")
    missing_required: Literal["quarantine", "stop"] = "stop"
    missing_optional: Literal["evolve", "stop"] = Field("stop", description="only where earlier extracts had values in it")
    renamed: Literal["stop"] = Field("stop", description="a missing column and a new one of a like name; declare both names in `from`")
    type_changed: Literal["quarantine", "stop"] = Field("stop", description="none of five or more values is of the declared type")
    new_value: Literal["evolve", "quarantine"] = Field("quarantine", description="a value outside `values`")
    reordered: Literal["evolve", "stop"] = Field("evolve", description="columns are found by name")
    byte_order_mark: Literal["evolve", "stop"] = "evolve"
    delimiter: Literal["evolve", "stop"] = Field(
        "evolve", description="semicolons, tabs or bars where the declared one was: the header tells"
    )
    encoding: Literal["evolve", "stop"] = Field("evolve", description="UTF-16 or UTF-32, told by its byte order mark")
    not_decodable: Literal["quarantine", "stop"] = Field("quarantine", description="bytes that the declared encoding does not know")
    repeated_header: Literal["stop"] = "stop"


class Volume(Strict):
    """The rows of a day's extracts as shares of a usual day's; outside it delivery holds."""

    at_least: float | None = None
    at_most: float | None = Field(
        None, description=".inf, with `at_least: 0`: rows come in bursts, as answers to a mail do, and no night is usual"
    )

    @property
    def is_judged(self) -> bool:
        return not (self.at_least == 0 and self.at_most == math.inf)


class Freshness(Strict):
    """The newest value of a column may lie so many hours before the extraction, at most."""

    column: str
    hours: float


class Table(Strict):
    """One table of a source system, with its key and the column that orders versions of a row."""

    format: Literal["csv", "jsonl", "parquet"]
    delimiter: str = ","
    encoding: str = Field("utf-8", description="of text files without a byte order mark: latin-1, cp1252 and the like are never guessed")
    key: list[str]
    cursor: str | None = None
    description: str
    columns: dict[str, Column]
    in_order: bool = Field(
        True, description="extracts have the columns in the order of this list; not where shop.yaml says which header is which"
    )
    not_used: list[str] = Field([], description="columns of its extracts that are known and not read")
    rules: list[Truth] = Field([])
    unique: list[str] = Field([], description="columns that no two different rows of an extract may share; all that do are refused")
    drift: Drift = Drift()
    volume: Volume = Volume()
    fresh: Freshness | None = None
    reconcile: list[str] = Field([], description="decimal columns whose sum the source states beside the rows (<extract>.manifest.json)")
    manifest: bool = Field(False, description="no extract has come whole without the source's own count beside it")
    consent: bool = Field(False, description="holds consent or suppression: read once more right before delivery")
    sale: bool = Field(False, description="says what was sold: of an erased person's row all stays that is no personal data")
    daily: bool = Field(False, description="an extract is expected every day: a missing one holds delivery")
    pull: Pull | None = Field(None, description="how a shop that has no extracts of it asks for its new rows")

    @cached_property
    def headers(self) -> dict[str, str]:
        """Column name → its name in the extract, the first where it has had several."""
        return {name: names[0] for name, names in self.names.items()}

    @cached_property
    def stays(self) -> tuple[str, ...]:
        """The columns that stay of an erased person's row; none, and the row goes, where it is no sale or the person is part of what it needs."""
        personal = {name for name, column in self.columns.items() if column.pii != "none" or column.says_who}
        return tuple(name for name in self.columns if name not in personal) if self.sale and not self.needed & personal else ()

    @cached_property
    def needed(self) -> frozenset[str]:
        """The columns without which a row is none: its key, and those that are required."""
        return frozenset([*self.key, *(name for name, column in self.columns.items() if column.required)])

    @cached_property
    def versioned_by(self) -> tuple[str, ...]:
        """The columns that tell a row's versions apart: its key, and the source's own order of them."""
        return tuple(dict.fromkeys([*self.key, *([self.cursor] if self.cursor else [])]))

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Column name → every name it may have in an extract."""
        return {
            name: [column.header] if isinstance(column.header, str) else column.header or [name] for name, column in self.columns.items()
        }


class System(Strict):
    """A source system: its tables by name."""

    system: str
    description: str
    token_header: str = Field("Authorization", description="the header of its API that takes the token")
    tables: dict[str, Table]


def load_system(system: str, folder: Path = SYSTEMS) -> System:
    """Read a system's contract.

    Raises:
        Mistake: the file is missing or wrong; a sentence for each mistake, with its line where there is one.
    """
    path = folder / system / "source.yaml"
    if not path.is_file():
        raise Mistake(f"{path} is missing: a source system is declared by its source.yaml.")
    contract = load(System, path)
    for name, table in contract.tables.items():
        unknown = [column for column in table.versioned_by if column not in table.columns]
        if unknown:
            raise Mistake(f"{path}: table {name} names {', '.join(unknown)} as key or cursor but declares no such column.")
        judged = [*table.unique, *table.reconcile, *([table.fresh.column] if table.fresh else []), *(rule.column for rule in table.rules)]
        unknown = [column for column in judged if column not in table.columns]
        if unknown:
            raise Mistake(f"{path}: table {name} has a rule on {', '.join(unknown)} but declares no such column.")
        for column, declared in table.columns.items():
            if set(declared.number_within or []) - set(table.columns):
                raise Mistake(f"{path}: table {name} numbers {column} within columns that it does not declare.")
    return contract


class Loader(Strict):
    """sources/<system>/<loader>.yaml: how a loader (Fivetran) lands a system's documents, and how they are put together again."""

    description: str
    tables: dict[str, Pull]


def load_loader(system: str, loader: str, folder: Path = SYSTEMS) -> Loader:
    """Read how a loader lands a system.

    Raises:
        Mistake: the file is missing or wrong; a sentence for each mistake, with its line where there is one.
    """
    path = folder / system / f"{loader}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(f"{one.parent.name}: {one.stem}" for one in folder.glob("*/*.yaml") if one.stem != "source"))
        raise Mistake(f"{path} is missing: nobody has said how {loader} lands {system} (there is {known}).")
    return load(Loader, path)


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


def row_hash(values: Iterable[str]) -> str:
    """`_row_hash` of a row in SQL, from the texts of its columns in the contract's order."""
    return f"md5(json_array({', '.join(values)})::varchar)"


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
