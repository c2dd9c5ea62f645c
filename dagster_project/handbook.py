"""Pages of docs/ that are made from what they describe."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dagster_project.settings import DBT_PROJECT, REPOSITORY

SEGMENTS = DBT_PROJECT / "models" / "segments"
KEYS = ("as_of", "customer_id")
HEAD = """# Segments

A segment is a boolean column of `segments.segment_flags`. To add one:

1. In `dbt/models/segments/segment_flags.sql` add a line to the CTE `flags`, in the words of the table below:
   `orders_count >= 2 and discount_share >= 0.2 as bargain_hunters,`
2. In `dbt/models/segments/_segments__models.yml` describe it. The description is what a marketer reads:
   `- {name: bargain_hunters, description: "Ordered twice or more, a fifth of the price off on average."}`
3. `dearly check --write` brings this page up to date, `dearly plan` shows who would be in it and what leaves, and `dearly run` writes it to every
   destination as `segment_bargain_hunters`.

A campaign takes it as its `audience`. Deleting both deletes the segment; the next run tells the tools to empty it. Where a flag is null (a score that
abstains, a customer without orders) the customer is not in the segment. Only customers who permit profiling have a row.
"""


def segments_page() -> str:
    """docs/segments.md: how to add a segment, which there are, and what one may ask."""
    lines = [HEAD, "## The segments\n", *table("segment", "who is in it", described(SEGMENTS / "_segments__models.yml", "segment_flags"))]
    lines += ["\n## What a segment may ask\n"]
    lines += [
        *table("column", "what it says", described(DBT_PROJECT / "models" / "features" / "_features__models.yml", "customer_features"))
    ]
    lines += [
        "",
        "And `membership_tier`; `value_rank` (share of the day's customers with a lower expected value); and the columns of `scores.customer_scores`",
        "that the CTE `joined` lists ([scores.md](scores.md)): one that it does not list yet is a line there.",
    ]
    return "\n".join(lines) + "\n"


def described(path: Path, model: str) -> Iterator[tuple[str, str]]:
    """Columns of a model and their descriptions, without its keys.

    Raises:
        ValueError: the file is not YAML.
    """
    try:
        models: list[dict[str, Any]] = yaml.safe_load(path.read_text())["models"]
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{path}{line}: not YAML ({error.problem}); mend it there.") from None
    for column in next(one["columns"] for one in models if one["name"] == model):
        if column["name"] not in KEYS:
            yield column["name"], " ".join(column["description"].split())


def table(left: str, right: str, rows: Iterator[tuple[str, str]]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in rows)]


def pages() -> dict[Path, str]:
    return {REPOSITORY / "docs" / "segments.md": segments_page()}
