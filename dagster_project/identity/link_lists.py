"""What people decided about records: shops/<shop>/identity/decisions.csv, a line a decision, reviewed like code.

`link` joins two records whatever the data say, `unlink` keeps them apart along every path. A decision is in force from the end of its day
on, in every run; the last line about two records counts.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime
from pathlib import Path

from dagster_project.files import write_whole
from dagster_project.identity.clustering import Constraints
from dagster_project.sources.erased import Erased
from dagster_project.sources.identifiers import Identifier

VERDICTS = ("link", "unlink")


@dataclass(frozen=True)
class Decision:
    """One line: from `day` on, records `record_a` and `record_b` (source:id) are one customer (link) or two (unlink)."""

    day: date
    verdict: str
    record_a: str
    record_b: str
    by: str
    why: str

    @property
    def pair(self) -> tuple[str, str]:
        one, other = sorted((self.record_a, self.record_b))
        return one, other


def path_of(shop_folder: Path) -> Path:
    return shop_folder / "identity" / "decisions.csv"


def read_decisions(shop_folder: Path) -> list[Decision]:
    """The shop's decisions in the order of their days, then of their lines; none when there is no file.

    Raises:
        ValueError: a line says no day, no verdict, or not two records; the message names file and line.
    """
    path = path_of(shop_folder)
    if not path.exists():
        return []
    names = [field.name for field in fields(Decision)]
    # Spreadsheets put a mark before the first name.
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != names:
            raise ValueError(f"{path}:1: the columns are {', '.join(names)}.")
        found = [_decision(row, f"{path}:{reader.line_num}") for row in reader]
    return sorted(found, key=lambda decision: decision.day)


def _decision(row: dict[str, str], place: str) -> Decision:
    try:
        day = date.fromisoformat(row["day"] or "")
    except ValueError:
        raise ValueError(f"{place}: {row['day']!r} is no day (2026-03-05).") from None
    if row["verdict"] not in VERDICTS:
        raise ValueError(f"{place}: {row['verdict']!r} is neither link nor unlink.")
    one, other = row["record_a"] or "", row["record_b"] or ""
    if ":" not in one or ":" not in other or one == other:
        raise ValueError(f"{place}: two different records are needed, each as source:id.")
    return Decision(day, row["verdict"], one, other, row["by"] or "", row["why"] or "")


def add_decision(shop_folder: Path, decision: Decision) -> Path:
    """Append a decision to the shop's file and return its path.

    Raises:
        ValueError: with it, links would join two records that are unlinked.
    """
    decisions = [*read_decisions(shop_folder), decision]
    check_whole(decisions)
    path = path_of(shop_folder)
    old = path.read_text(encoding="utf-8") if path.exists() else ",".join(field.name for field in fields(Decision)) + "\n"
    if not old.endswith("\n"):
        old += "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = io.StringIO(old)
    lines.seek(0, io.SEEK_END)
    csv.writer(lines, lineterminator="\n").writerow(astuple(decision))
    write_whole(path, lines.getvalue().encode())
    return path


def without_erased(decisions: Iterable[Decision], erased: Erased) -> list[Decision]:
    """The decisions about records that are here; a line that names somebody who was erased is ignored."""
    return [one for one in decisions if not any(erased.holds(Identifier("record_id", record)) for record in one.pair)]


@dataclass(frozen=True)
class Decisions:
    """What people decided, and `closing`: the moment from which a day's decisions are in force, when its extracts are in."""

    made: Sequence[Decision]
    closing: Callable[[date], datetime]

    def in_force(self, moment: datetime) -> dict[tuple[str, str], Decision]:
        """The decision that counts for each pair at a moment."""
        return {decision.pair: decision for decision in sorted(self.made, key=lambda one: one.day) if self.closing(decision.day) <= moment}

    def records_after(self, moment: datetime) -> list[str]:
        """The records that decisions since a moment are about."""
        return [record for decision in self.made if self.closing(decision.day) > moment for record in decision.pair]

    def digest(self, moment: datetime) -> str:
        """The SHA-256 of the decisions that are in force by a moment."""
        lines = [repr(decision) for decision in self.made if self.closing(decision.day) <= moment]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def constraints_of(decided: dict[tuple[str, str], Decision]) -> Constraints:
    return Constraints(
        must=tuple(pair for pair in sorted(decided) if decided[pair].verdict == "link"),
        cannot=tuple(pair for pair in sorted(decided) if decided[pair].verdict == "unlink"),
    )


def check_whole(decisions: Iterable[Decision]) -> None:
    """Raise ValueError when, on some day, links join two records that are unlinked; the message names the two."""
    decisions = list(decisions)
    for day in sorted({decision.day for decision in decisions}):
        decided = {decision.pair: decision for decision in decisions if decision.day <= day}
        parent: dict[str, str] = {}

        def root(record: str, parent: dict[str, str] = parent) -> str:
            while parent.get(record, record) != record:
                record = parent[record]
            return record

        links = constraints_of(decided)
        for one, other in links.must:
            parent[root(one)] = root(other)
        for one, other in links.cannot:
            if root(one) == root(other):
                raise ValueError(f"{one} and {other} are unlinked, and other links join them: take one of those back first ({day}).")
