"""Extract files: which are there, when each was pulled, and what the source says of each."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagster_project.moments import parse_stamp
from dagster_project.sources.contract import System
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.reading import ENDINGS

STAMP = re.compile(r"\d{8}T\d{6}Z")
DATA = re.compile(rf"\.({'|'.join(ENDINGS)})(\.gz)?$")
MANIFEST = ".manifest.json"


@dataclass(frozen=True, order=True)
class Extract:
    """One extract file. `extracted_at` (UTC) is part of its name, never its modification time."""

    extracted_at: datetime
    system: str
    table: str
    path: Path


def find_extracts(folder: Path, system: System) -> list[Extract]:
    """The extracts of a system, oldest first.

    Raises:
        UnreadableExtract: a file's name does not say when it was pulled, or the file lies in no table's folder.
    """
    found = []
    for path in sorted(folder.glob("*")):
        if path.is_file() and DATA.search(path.name):
            places = " or ".join(str(folder / table) for table in system.tables)
            raise UnreadableExtract(f"{path}: it lies in no table's folder, so nobody would read it; move it to {places}.")
    for table in system.tables:
        for path in sorted((folder / table).glob("*")):
            if path.name.startswith(".") or path.name.endswith(MANIFEST) or not path.is_file():
                continue
            match = STAMP.search(path.name)
            if not match:
                raise UnreadableExtract(
                    f"{path}: the name has no time of extraction; rename it to {table}_<YYYYMMDDTHHMMSSZ>{path.suffix}."
                )
            found.append(Extract(parse_stamp(match.group()), system.system, table, path))
    return sorted(found)


def stated_counts(path: Path) -> dict[str, Any] | None:
    """What the source itself says of an extract, in a file beside it: {"rows": 1234, "sums": {"total": "99.50"}}; None where it says nothing.

    Raises:
        UnreadableExtract: the file is no such statement.
    """
    beside = path.with_name(path.name + MANIFEST)
    if not beside.is_file():
        return None
    try:
        counts = json.loads(beside.read_text())
        return {"rows": int(counts["rows"]), "sums": {name: f"{Decimal(str(value)):f}" for name, value in counts.get("sums", {}).items()}}
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        raise UnreadableExtract(
            f'{beside}: not a count of rows ({{"rows": 1234, "sums": {{"total": "99.50"}}}}); pull the extract again.'
        ) from None
