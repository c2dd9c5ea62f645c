"""Values written in a format that a contract declares (`format`), as everybody writes them."""

import re

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.contract import Table
from dagster_project.sources.reading.engine import engine

# Where a number or a moment belongs, they say that there is none; `\N` (here in lower case) is how a database's export does.
WORDS_FOR_NOTHING = ("null", "nan", "none", "n/a", "na", "-", "nat", "\\n")
NOTHING = pa.array(WORDS_FOR_NOTHING)
# How a text in a declared format reads as every other; a text that is not in it stays as it came, for the contract to refuse.
MOMENT = "coalesce(strftime(try_strptime(trim({0}), '{1}'), '%Y-%m-%d %H:%M:%S'), {0})"
OFFSET = MOMENT.replace("%S'", "%S+00'")
FORMATS = {
    "unix": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000000), '%Y-%m-%d %H:%M:%S+00'), {0})",
    "unix_ms": "coalesce(strftime(make_timestamp(try_cast({0} as bigint) * 1000), '%Y-%m-%d %H:%M:%S.%g+00'), {0})",
    # Of a database that keeps UTC and does not say so: with the offset that it leaves out.
    "utc": "regexp_replace({0}, '^([0-9-]+[ T][0-9]+:[0-9]+(:[0-9.]+)?)$', '\\1+00')",
    "'0123": "regexp_replace({0}, '^\\s*''', '')",
    "cents": "coalesce(cast(cast(try_cast({0} as decimal(18, 2)) / 100 as decimal(18, 4)) as varchar), {0})",
    "1,234.56": "coalesce(nullif(regexp_replace({0}, '[^0-9.-]', '', 'g'), ''), {0})",
    "1.234,56": "coalesce(nullif(replace(regexp_replace({0}, '[^0-9,-]', '', 'g'), ',', '.'), ''), {0})",
}
# A value that stands for nobody: 0 for whoever buys as a guest.
NOBODY = re.compile(r"nobody is (\S+)")
# What numbers stand for, as a table of the shop's says: `6 is Cancelado; 7 is Reembolsado`.
NAMED = re.compile(r"[^ ;]+ is [^;]+(; [^ ;]+ is [^;]+)*")
DAY_NUMBER = re.compile(r"days since (\d{4}-\d{2}-\d{2})")


def read_in(format: str) -> str:
    """SQL that reads the text `{0}` in a declared format; `days since 2019-12-31` counts days, 1 being the day after; `nobody is 0` reads a 0 as nothing,
    `6 is Cancelado; 7 is Reembolsado` a 6 as that word."""
    if since := DAY_NUMBER.fullmatch(format):
        return f"coalesce(cast(date '{since.group(1)}' + try_cast({{0}} as integer) as varchar), {{0}})"
    if nobody := NOBODY.fullmatch(format):
        return "nullif(trim({0}), '" + nobody.group(1).replace("'", "''") + "')"
    if NAMED.fullmatch(format):
        named = (one.replace("'", "''").replace("{", "{{").replace("}", "}}").split(" is ", 1) for one in format.split("; "))
        return "case trim({0}) " + " ".join(f"when '{number}' then '{name}'" for number, name in named) + " else {0} end"
    return FORMATS.get(format, OFFSET if "%z" in format else MOMENT)


def as_written(rows: pa.Table, table: Table) -> pa.Table:
    """The rows with what is written in a format of its own (`format`) as everybody writes it, and nothing where a word stands for no number or moment."""
    for name, column in table.columns.items():
        if column.type not in ("text", "json"):
            words = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(rows[name])), NOTHING)
            if pc.any(words).as_py():
                rows = rows.set_column(rows.schema.get_field_index(name), name, pc.if_else(words, None, rows[name]))
    formats = {name: column.format for name, column in table.columns.items() if column.format}
    if not formats:
        return rows
    read = ", ".join(
        f"""{read_in(format).format(f'"{name}"', format.replace("'", "''"))} as "{name}" """ for name, format in formats.items()
    )
    with engine().cursor() as connection:
        connection.register("incoming", rows)
        return connection.execute(f"select * replace ({read}) from incoming order by _row_number").to_arrow_table()
