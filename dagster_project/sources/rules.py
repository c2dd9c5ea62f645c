"""The row rules of a contract, as data: in which order they are tried, what a broken one says, and whether it costs the row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dagster_project.sources.contract import Column, Table

Kind = Literal["present", "type", "one_of", "pattern", "email", "phone", "schema", "between", "unique", "truth"]
# In which order rules are tried: a range and a truth may trust that values are of their types, on rows that kept what is before them.
STEPS: tuple[tuple[Kind, ...], ...] = (
    ("present", "type", "one_of", "pattern", "email", "phone", "schema"),
    ("unique",),
    ("between",),
    ("truth",),
)


@dataclass(frozen=True)
class Rule:
    """What a row must keep. `argument` is the kind's own: the type, the values, the pattern, the ends of a range, the condition in SQL."""

    kind: Kind
    column: str
    reason: str
    argument: Any = None
    warns: bool = False


def rules_of(table: Table, currencies: Sequence[str], country: str) -> list[Rule]:
    """The row rules of a table; a row is refused for the first one it breaks.

    `currencies` are those with a rate in the shop, `country` is the shop's own.
    """
    rules = [rule for name, column in table.columns.items() for rule in column_rules(name, column, table, currencies, country)]
    if table.unique:
        named = " and ".join(table.unique)
        rules.append(Rule("unique", table.unique[0], f"is not the only row with its {named}", tuple(table.unique)))
    rules += [Rule("truth", truth.column, truth.reason, truth.good) for truth in table.rules]
    return [rule for step in STEPS for rule in rules if rule.kind in step]


def column_rules(name: str, column: Column, table: Table, currencies: Sequence[str], country: str) -> list[Rule]:
    warns = column.broken == "warn"
    rules = []
    if column.required:
        rules.append(Rule("present", name, "is missing"))
    if column.type != "text":
        rules.append(Rule("type", name, "is not nested JSON" if column.type == "json" else f"is not a {column.type}", column.type))
    if column.currency:
        rules.append(Rule("one_of", name, f"is none of {', '.join(currencies)}", tuple(currencies)))
    if column.values is not None:
        rules.append(
            Rule("one_of", name, f"is none of {', '.join(column.values)}", tuple(column.values), table.drift.new_value == "evolve" or warns)
        )
    if column.pattern is not None:
        rules.append(Rule("pattern", name, f"does not match {column.pattern}", column.pattern, warns))
    if column.holds == "email":
        rules.append(Rule("email", name, "is not an e-mail address", None, warns))
    if column.holds == "phone":
        rules.append(Rule("phone", name, "is not a phone number", country, warns))
    if column.json_schema is not None:
        rules.append(Rule("schema", name, "does not keep its JSON Schema", column.json_schema, warns))
    if column.at_least is not None:
        rules.append(Rule("between", name, f"is below {column.at_least:g}", (column.at_least, None), warns))
    if column.at_most is not None:
        rules.append(Rule("between", name, f"is above {column.at_most:g}", (None, column.at_most), warns))
    return rules
