"""Destinations: what each tool's own import format asks of the same rows. A new one is an entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS
from dagster_project.campaigns.content import for_destination

if TYPE_CHECKING:
    from dagster_project.delivery.exports import Feed


@dataclass(frozen=True)
class Destination:
    """A tool that syncs our files.

    `columns` renames ours to the tool's; `only` says which columns the tool takes (all when None), in order; `limits` cuts texts at the tool's
    length in bytes.
    """

    name: str
    format: str
    description: str
    how_to_import: str
    columns: Mapping[str, str] = field(default_factory=dict)
    limits: int | None = None

    def rows(self, feed: Feed) -> pa.Table:
        """The feed's rows as this tool wants them."""
        table = feed.rows.rename_columns([self.columns.get(name, name) for name in feed.rows.column_names])
        if self.limits is None:
            return table
        for place, column in enumerate(table.schema):
            if pa.types.is_string(column.type):
                cut = [None if value is None else cut_to(value, self.limits) for value in table.column(place).to_pylist()]
                table = table.set_column(place, column, pa.array(cut, pa.string()))
        return table

    def content(self, mails: pa.Table) -> pa.Table:
        """Rendered mails with this tool's unsubscribe tag."""
        tag = UNSUBSCRIBE_TAGS.get(self.name, UNSUBSCRIBE_TAGS["generic"])
        for name in ("html", "text"):
            place = mails.column_names.index(name)
            swapped = [for_destination(value, tag) for value in mails.column(place).to_pylist()]
            mails = mails.set_column(place, name, pa.array(swapped, mails.schema.field(name).type))
        return mails


def cut_to(value: str, limit: int) -> str:
    """The longest beginning of a text that is at most `limit` bytes of UTF-8."""
    return value.encode()[:limit].decode(errors="ignore")


DESTINATIONS = {
    destination.name: destination
    for destination in (
        Destination("generic", "csv", "Plain CSV for any tool.", "Import the CSV; the column <code>email</code> identifies the person."),
        Destination("generic_jsonl", "jsonl", "JSON lines for any tool.", "Read one JSON object a line; <code>external_id</code> identifies the person."),
    )
}
