"""What no table says, for the message that there is nothing to sell."""

import re
from collections.abc import Sequence

import duckdb

from dagster_project.onboarding.roles import cast_parts
from dagster_project.onboarding.samples import Sample, words_of
from dagster_project.sources.contract import System

SAID = {
    "customer": ("customer_id", "email"),
    "date": ("ordered_at",),
    "order number": ("order_id",),
    "product": ("product_id", "product_name"),
}
# Of a table that has none of them, or one.
NOTHING = "nothing of a sale"
SAID |= {"amount": ("line_amount", "unit_price", "total_amount")}


def since_before(samples: Sequence[Sample]) -> str:
    """A sentence on days that are counted from the order before, which date nothing."""
    found = [header for sample in samples for header in sample.headers if re.search(r"days? since", words_of(header))]
    return f"{found[0]} counts from the order before and dates none: add a column with the day of each order. " if found else ""


def why_none(sample: Sample) -> str | None:
    """What to do about a table of which each row says one thing of one product or person."""
    words = {words_of(header): header for header in sample.headers}
    named = next((words[one] for one in words if re.fullmatch("(meta )?(property|attribute|key|field)( (code|name|key))?", one)), None)
    value = next((words[one] for one in words if re.fullmatch("(meta |property |attribute )?value", one)), None)
    return f"each row says one {named} and its {value}: bring a row per thing, with a column per {named}" if named and value else None


def what_lacks(connection: duckdb.DuckDBPyConnection, sample: Sample, own: System) -> str:
    """What a table says of a sale and what it does not, with its headers."""
    columns = sorted({column for kind in ("lines", "orders") for column in own.tables[kind].columns})
    parts = cast_parts(connection, sample, "lines", columns).parts
    found = [f"{what} ({parts[column].header})" for what, names in SAID.items() for column in names[:] if column in parts]
    lacks = [what for what, names in SAID.items() if not any(column in parts for column in names)]
    if len(lacks) > 3:
        return f"{NOTHING} ({', '.join(sample.headers[:6])})"
    return f"{', '.join(found)}, but no {' and no '.join(lacks)}" if lacks else ", ".join(found)
