"""Schema drift: how an extract differs from its contract, and what the contract says becomes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dagster_project.sources.contract import NOT_NAMED, Table

# From this likeness of two names on, a missing column and a new one are taken for a renaming.
ALIKE = 0.6
# JSON leaves out what is null: a name that no row has is missed where chance would not have left it out of all of them.
CHANCE = 0.001


class UnreadableExtract(ValueError):
    """A whole file is refused: the message says which, what is wrong, and what to do."""


@dataclass(frozen=True)
class Difference:
    """One difference that the contract lets pass: its case (a name of `contract.Drift`), the column and what is different."""

    case: str
    column: str | None
    message: str


class Drifting:
    """The differences of one extract. `filled` are the optional columns in which earlier extracts had values, `share` says in what share of
    their rows; `known` are the names that they had and the contract has not.
    """

    def __init__(
        self,
        path: Path,
        table: Table,
        filled: frozenset[str] = frozenset(),
        share: Callable[[str], float] = lambda _: 1.0,
        known: frozenset[str | None] = frozenset(),
    ) -> None:
        self.path = path
        self.table = table
        self.filled = filled
        self.share = share
        self.known = known
        self.met: list[Difference] = []
        self.unended = False

    def meet(self, case: str, column: str | None, message: str, stop: bool = False) -> None:
        """Note a difference.

        Raises:
            UnreadableExtract: the contract stops on this case.
        """
        policy = getattr(self.table.drift, case)
        if stop or policy == "stop":
            raise UnreadableExtract(f"{self.path}: {message}. Pull it again, or declare the change in source.yaml (drift: {case}).")
        if all(one.case != case or one.column != column for one in self.met):
            self.met.append(Difference(case, column, message))


def place_columns(drifting: Drifting, header: Sequence[str], ordered: bool = True, rows: int | None = None) -> dict[str, int]:
    """Where each declared column is in the header; those that are missing are left out, if the contract lets them. `rows` is given where the
    names are those that so many rows happened to have.

    Raises:
        UnreadableExtract: the contract stops on what is different.
    """
    table = drifting.table
    # What a spreadsheet leaves beside a table has no name.
    named = [name for name in header if name]
    repeated = sorted({name for name in named if named.count(name) > 1})
    if repeated:
        drifting.meet("repeated_header", None, f"the header has {', '.join(map(repr, repeated))} more than once")
    places = {name: header.index(one) for name, names in table.names.items() for one in names if one in header}
    # What says how new a row is to its puller is no column of the row.
    declared = {one for names in table.names.values() for one in names} | (
        {table.pull.cursor} if table.pull and table.pull.cursor else set()
    )
    new = [name for name in named if name not in declared and name not in table.not_used]
    # What was there beside the missing column is not the same under another name.
    unmet = [name for name in new if name not in drifting.known]
    for name, column in table.columns.items():
        if name in places or column.number_within or column.or_extracted:
            continue
        if not column.required and (name not in drifting.filled or column.sparse):
            continue
        like = [one for one in unmet if likeness(one, table.names[name]) >= ALIKE]
        wanted = table.names[name][0]
        if wanted == NOT_NAMED.format(name):
            drifting.meet(
                "missing_optional",
                name,
                f"shop.yaml (columns) no longer says which header is {name!r}, which earlier extracts had: name it there",
            )
        elif not column.required and rows is not None and (1.0 - drifting.share(name)) ** rows >= CHANCE:
            continue
        elif like:
            found = max(like, key=lambda one: likeness(one, table.names[name]))
            drifting.meet(
                "renamed", name, f"the column {wanted!r} is missing and {found!r} is new: if it is the same, `from: [{wanted}, {found}]`"
            )
        elif column.required:
            drifting.meet("missing_required", name, f"the required column {wanted!r} is missing (it has {said(header)})")
        else:
            drifting.meet(
                "missing_optional",
                name,
                f"the column {wanted!r}, which earlier extracts had, is missing (new are {said(unmet) or 'none'}): "
                f"where it is called otherwise now, `from: [{wanted}, …]`",
            )
    for one in new:
        drifting.meet("new_column", one, f"the column {one!r} is new and not declared: it stays in the landed file")
    in_order = [places[name] for name in table.columns if name in places]
    if ordered and table.in_order and in_order != sorted(in_order):
        drifting.meet("reordered", None, "the columns come in another order than declared")
    return places


def likeness(name: str, others: Sequence[str]) -> float:
    """How alike two names are from 0 to 1, whatever their case and signs."""

    def plain(text: str) -> str:
        return "".join(letter for letter in text.lower() if letter.isalnum())

    def pair(one: str, other: str) -> float:
        # id and id_new: short names share little by letters, and yet one is the other's beginning.
        return 1.0 if one and other and (one.startswith(other) or other.startswith(one)) else SequenceMatcher(None, one, other).ratio()

    return max(pair(plain(name), plain(other)) for other in others)


def said(header: Sequence[str]) -> str:
    return ", ".join(header[:12]) + (" …" if len(header) > 12 else "")
