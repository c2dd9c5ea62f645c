"""From our rows to a tool's: who can be taken, what the columns are called, and texts that neither run nor overflow there."""

from collections.abc import Iterable, Mapping

import pyarrow as pa

from dagster_project.campaigns.escaping import guard, spreadsheet_cell
from dagster_project.delivery.formats import text_of

# Merge tags that Mailchimp keeps for itself.
RESERVED_TAGS = frozenset(
    {"ARCHIVE", "DATE", "EMAIL", "EMAIL_TYPE", "FORWARD", "INTERESTS", "LIST", "REWARDS", "SUBJECT", "TAGS", "TO", "UNSUB", "USER_URL"}
)
TAG_LENGTH = 10


def admitted(rows: pa.Table, identified_by: str, ascii_only: bool) -> tuple[pa.Table, tuple[tuple[str, str], ...]]:
    """The rows that a tool which knows people by `identified_by` can take, each person once; and who is refused, as external id and reason.

    `ascii_only`: the tool takes no other letters before the @.
    """
    if identified_by not in rows.column_names:
        return rows.slice(0, 0), tuple((one, "the shop does not hold the address") for one in rows["external_id"].to_pylist())
    kept, refused, seen = [], [], set()
    for place, (customer, address) in enumerate(zip(rows["external_id"].to_pylist(), rows[identified_by].to_pylist(), strict=True)):
        reason = None
        if not address:
            reason = "no address"
        elif ascii_only and not address.rpartition("@")[0].isascii():
            reason = "the tool takes only ASCII before the @"
        elif address.lower() in seen:
            reason = "the address is in the file already"
        if reason:
            refused.append((customer, reason))
        else:
            kept.append(place)
            seen.add(address.lower())
    return rows.take(pa.array(kept, pa.int64())), tuple(refused)


def once(values: Iterable[str | None]) -> list[str | None]:
    """The values, each where it comes first: what two people share identifies neither, and tools refuse it twice."""
    seen: set[str] = set()
    first = []
    for value in values:
        first.append(None if value in seen else value)
        if value is not None:
            seen.add(value)
    return first


def harmless(value: str) -> str:
    """A text that a tool's template language cannot read as its own."""
    return guard(value)


def harmless_within(value: str, limit: int) -> str:
    """`harmless`, and at most `limit` bytes of UTF-8. A list joined by `;` ends with a whole entry."""
    safe = guard(value)
    if len(safe.encode()) <= limit:
        return safe
    cut = cut_to(safe, limit)
    if ";" in cut:
        return cut.rpartition(";")[0]
    # What now stands at the end may open a tag with what the tool puts behind it.
    return cut if guard(cut) == cut else guard(cut_to(safe, limit - 3))


def harmless_in_spreadsheets(value: str) -> str:
    """A text that a spreadsheet program does not compute."""
    return spreadsheet_cell(value)


def cut_to(value: str, limit: int) -> str:
    """The longest beginning of a text that is at most `limit` bytes of UTF-8."""
    return value.encode()[:limit].decode(errors="ignore")


def texts(column: pa.ChunkedArray) -> list[str | None] | None:
    """The column's texts, lists joined by `;`; None where it holds no text."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return list(column.to_pylist())
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        return [None if value is None else text_of(value) for value in column.to_pylist()]
    return None


def in_order(rows: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """The rows with the columns that `columns` names first and under the tool's names; the others follow as they are called here."""
    first = [name for name in columns if name in rows.column_names]
    rest = [name for name in rows.column_names if name not in columns]
    return rows.select(first + rest).rename_columns([columns.get(name, name) for name in first + rest])


def merge_tags(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """A Mailchimp merge tag for each column: the known one, else the name's first ten letters, digits and underscores in capitals.

    Two names with the same beginning, or one that Mailchimp keeps for itself, are told apart by a number at the end.
    """
    tags = dict(known)
    taken = RESERVED_TAGS | set(known.values())
    for name in names:
        if name in tags:
            continue
        plain = "".join(one if one.isalnum() and one.isascii() else "_" for one in name).upper()
        tag, number = plain[:TAG_LENGTH], 1
        while tag in taken:
            number += 1
            tag = f"{plain[: TAG_LENGTH - 1 - len(str(number))]}_{number}"
        tags[name] = tag
        taken = taken | {tag}
    return tags
