"""docs/walkthrough.md: below each query stands what the demo shop's store answered.

`python -m dagster_project.walkthrough` asks each query of the store again and writes the tables anew; the text between them is by hand. The
first query names the customer who is `$customer` in the others.
"""

import re
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.settings import REPOSITORY, load

PAGE = REPOSITORY / "docs" / "walkthrough.md"
# A query, and the table below it.
ASKED = re.compile(r"```sql\n(?P<sql>.*?)\n```\n\n(?P<table>(?:\|[^\n]*\n)+)", re.DOTALL)


def retold(page: str, store: Path) -> str:
    """The page with the tables that this store (a warehouse file, opened to read) answers.

    Raises:
        ValueError: the first query finds no customer.
    """
    with duckdb.connect(store, read_only=True) as connection:
        first = ASKED.search(page)
        found = connection.execute(first["sql"]).fetchone() if first else None
        if not found:
            raise ValueError(f"{store} has nobody who was sent a mail: build a day first (`make demo`).")

        def answered(match: re.Match[str]) -> str:
            sql = match["sql"]
            answer = connection.execute(sql, {"customer": found[0]} if "$customer" in sql else {})
            table = as_table([column[0] for column in answer.description or []], answer.fetchall())
            return f"```sql\n{sql}\n```\n\n{table}"

        return ASKED.sub(answered, page)


def as_table(columns: list[str], rows: list[tuple[Any, ...]]) -> str:
    """A Markdown table; no value is an empty cell."""
    cells = [columns, ["---"] * len(columns), *(["" if value is None else str(value).replace("|", "\\|") for value in row] for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


if __name__ == "__main__":
    PAGE.write_text(retold(PAGE.read_text(), load().warehouse))
