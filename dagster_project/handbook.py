"""Parts of the pages in docs/ that are made of what they describe: tables between two marks, everything around them is written by hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dagster_project.delivery.destinations import DESTINATIONS
from dagster_project.settings import DBT_PROJECT, REPOSITORY

SEGMENTS = DBT_PROJECT / "models" / "segments"
KEYS = ("as_of", "customer_id")
# What stands in a page between these two is made.
MADE = re.compile(r"(<!-- made of the code: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def destinations() -> str:
    """The destinations there are."""
    lines = ["| destination | what it gets | knows people by | its columns first |", "|---|---|---|---|"]
    for one in DESTINATIONS.values():
        columns = ", ".join(f"`{name}`" for name in list(one.columns.values())[:6])
        lines.append(f"| `{one.name}` | {one.description} | {one.identified_by or 'the key of the row'} | {columns or 'as we have them'} |")
    return "\n".join(lines) + "\n"


def segments() -> str:
    """The segments there are."""
    return table("segment", "who is in it", described(SEGMENTS / "_segments__models.yml", "segment_flags"))


def segment_columns() -> str:
    """What a segment may ask."""
    return table("column", "what it says", described(DBT_PROJECT / "models" / "features" / "_features__models.yml", "customer_features"))


PARTS = {part.__name__: part for part in (destinations, segments, segment_columns)}


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


def segment_rules() -> dict[str, str]:
    """Segments by the columns of segment_flags, each with its rule as it is written there, on one line."""
    model = re.sub(r" *--.*", "", (SEGMENTS / "segment_flags.sql").read_text())
    (flags,) = re.findall(r"\nflags as \(.*?customer_id,?\n(.*?)\n\)", model, re.DOTALL)
    return {name: " ".join(rule.split()) for rule, name in re.findall(r"(.+?) as (\w+),?$", flags, re.DOTALL | re.MULTILINE)}


def table(left: str, right: str, rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join([f"| {left} | {right} |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in rows)]) + "\n"


def pages() -> dict[Path, str]:
    """The pages of docs/ that hold made parts, as they should be.

    Raises:
        ValueError: a page asks for a part that nothing makes.
    """

    def made(part: re.Match[str]) -> str:
        if part[2] not in PARTS:
            raise ValueError(f"{path}: nothing makes the part {part[2]}; there are {', '.join(PARTS)}.")
        return part[1] + PARTS[part[2]]() + part[3]

    written = {}
    for path in sorted((REPOSITORY / "docs").glob("*.md")):
        if MADE.search(text := path.read_text(encoding="utf-8")):
            written[path] = MADE.sub(made, text)
    return written
