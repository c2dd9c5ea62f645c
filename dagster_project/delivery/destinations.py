"""Destinations: what each tool's own import format asks of the same rows. A new one is an entry here.

Klaviyo: CSV, at most 50 MB, the identifying column first, no address and no number twice, every other column becomes a profile property of
its name (help.klaviyo.com 115005078807 and 115005078967; properties by the names of its API's profile); no value clears none
(developers.klaviyo.com use_klaviyos_bulk_profile_import_api). Mailchimp: CSV, "Email Address", merge tags of at most ten capitals, texts of at most
255 bytes, only ASCII before the @ (mailchimp.com/help/format-guidelines-for-your-import-file); what an empty cell does it does not say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS
from dagster_project.campaigns.content import for_destination
from dagster_project.delivery.dialects import (
    admitted,
    harmless,
    harmless_in_spreadsheets,
    harmless_within,
    in_order,
    merge_tags,
    once,
    texts,
)
from dagster_project.delivery.feeds import Feed

# Identifiers must come back as they went.
EXACT = frozenset({"email", "external_id", "phone_e164", "content_id", "source_ids"})


@dataclass(frozen=True)
class Shaped:
    """A feed's rows as a tool wants them, by `key`, with external ids in `id_column`; and whom it cannot take: external id and reason."""

    rows: pa.Table
    key: str
    id_column: str
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Destination:
    """A tool that syncs our files.

    `columns` are our columns under the tool's names, in its order; `tags_column` is where it takes labels. `identified_by` is the column by
    which it knows people, each once. `text` is done to every text but the `exact` columns. `takes_removals`: a file can take people out
    again; `takes_blanks`: an empty cell takes back what an earlier file said there. A file has at most `max_bytes` (before compression) and `max_rows`.
    """

    name: str
    format: str
    description: str
    how_to_import: str
    columns: Mapping[str, str] = field(default_factory=dict)
    merge_tags: bool = False
    tags_column: str | None = None
    identified_by: str | None = None
    ascii_addresses: bool = False
    numbers_once: bool = False
    text: Callable[[str], str] | None = None
    exact: frozenset[str] = EXACT
    takes_removals: bool = True
    takes_blanks: bool = False
    max_bytes: int | None = None
    max_rows: int | None = None
    compressed: bool = False

    def shape(self, feed: Feed) -> Shaped:
        """The feed's rows as this tool wants them."""
        rows, refused = admitted(feed.rows, self.identified_by, self.ascii_addresses) if self.identified_by else (feed.rows, ())
        labels = labels_of(feed, rows)
        if self.text:
            rows = self.with_safe_texts(rows, self.text)
        if self.numbers_once and "phone_e164" in rows.column_names:
            numbers = once(rows["phone_e164"].to_pylist())
            rows = rows.set_column(rows.column_names.index("phone_e164"), "phone_e164", pa.array(numbers, pa.string()))
        names = self.names(rows)
        if self.tags_column:
            rows = rows.append_column(self.tags_column, pa.array(labels, pa.string()))
            names = {**names, self.tags_column: self.tags_column}
        key = self.identified_by or feed.key
        return Shaped(in_order(rows, names), names.get(key, key), names.get("external_id", "external_id"), refused)

    def with_safe_texts(self, rows: pa.Table, text: Callable[[str], str]) -> pa.Table:
        for place, name in enumerate(rows.column_names):
            values = None if name in self.exact else texts(rows.column(place))
            if values is not None:
                safe = [None if value is None else text(value) for value in values]
                rows = rows.set_column(place, name, pa.array(safe, pa.string()))
        return rows

    def names(self, rows: pa.Table) -> Mapping[str, str]:
        return merge_tags(rows.column_names, self.columns) if self.merge_tags else self.columns

    def removed(self, feed: Feed, keys: list[str], key: str) -> pa.Table:
        """Who is no longer in, by key alone: a removal must not carry a person's data once more. With the label to take off, where the tool
        has labels."""
        table = pa.table({key: pa.array(keys, pa.string())})
        return table.append_column(self.tags_column, pa.array([feed.label] * len(keys), pa.string())) if self.tags_column else table

    def content(self, mails: pa.Table, shaped: Shaped, unsubscribe_tags: Mapping[str, str]) -> pa.Table:
        """The rendered mails of those whom the tool takes, with the unsubscribe tag that the campaign states for it, else its usual one."""
        mails = mails.filter(pc.is_in(mails["content_id"], shaped.rows[self.columns.get("content_id", "content_id")].combine_chunks()))
        tag = {**UNSUBSCRIBE_TAGS, **unsubscribe_tags}.get(self.name, UNSUBSCRIBE_TAGS["generic"])
        for name in ("html", "text"):
            place = mails.column_names.index(name)
            swapped = [for_destination(value, tag) for value in mails.column(place).to_pylist()]
            mails = mails.set_column(place, name, pa.array(swapped, mails.schema.field(name).type))
        return mails


def labels_of(feed: Feed, rows: pa.Table) -> list[str | None]:
    """The labels of each row, by commas: the feed's own, or for the profile feed the segments a person is in."""
    if feed.label is not None or "segments" not in rows.column_names:
        return [feed.label] * rows.num_rows
    return [value.replace(";", ",") if value else None for value in rows["segments"].to_pylist()]


def clipped(value: str) -> str:
    return harmless_within(value, 255)


KLAVIYO_COLUMNS = {
    "email": "Email",
    "phone_e164": "Phone Number",
    "external_id": "External ID",
    "first_name": "First Name",
    "last_name": "Last Name",
    "city": "City",
    "region": "Region",
    "country": "Country",
    "postal_code": "Zip",
    "language": "Locale",
    "timezone": "Timezone",
}
MAILCHIMP_COLUMNS = {
    "email": "Email Address",
    "first_name": "FNAME",
    "last_name": "LNAME",
    "external_id": "EXTID",
    "phone_e164": "PHONE",
    "city": "CITY",
    "region": "REGION",
    "country": "COUNTRY",
    "postal_code": "POSTCODE",
    "language": "LANGUAGE",
    "membership_tier": "TIER",
    "subject": "MAILSUBJ",
    "preheader": "MAILPRE",
    "content_id": "CONTENTID",
    "send_at": "SENDAT",
    "is_held_out": "HELD_OUT",
}

DESTINATIONS = {
    destination.name: destination
    for destination in (
        Destination(
            name="generic",
            format="csv",
            description="Plain CSV for any tool.",
            how_to_import="Import the CSV; the column <code>email</code> identifies the person, where there is none <code>source_ids</code>: the ids "
            "by which the shop's own systems know them.",
            takes_blanks=True,
        ),
        Destination(
            name="generic_jsonl",
            format="jsonl",
            description="JSON lines for any tool.",
            how_to_import="Read one JSON object a line; <code>external_id</code> identifies the person.",
            takes_blanks=True,
        ),
        Destination(
            name="spreadsheet",
            format="spreadsheet",
            description="CSV to look at in a spreadsheet program; not for import.",
            how_to_import="Open it in a spreadsheet program. Cells that would be computed (a leading <code>= + - @</code>) begin with an "
            "apostrophe; for an import take the files of another destination.",
            text=harmless_in_spreadsheets,
            exact=frozenset(),
            takes_blanks=True,
        ),
        Destination(
            name="klaviyo",
            format="csv",
            description="CSV as Klaviyo imports profiles.",
            how_to_import="In Klaviyo: Lists &amp; Segments, the list, Upload contacts, the CSV (all parts), and keep the columns as they "
            "are found. Being on a list is no consent there: upload only to a list that these people may be written from. "
            "<strong>A file takes nobody off a list</strong>: those who left are in <code>manifest.json</code> under "
            "<code>left</code>, by external id; remove them from the list by the API, or begin a new list with "
            "<code>full</code>. Never use Klaviyo's bulk unsubscribe for that. <strong>Nor does an empty cell clear a property</strong>: "
            "what was taken back is in <code>cleared</code>, by external id; set it to null by the API (Create or Update Profile). "
            "Who left the profile feed keeps every property until you do.",
            columns=KLAVIYO_COLUMNS,
            identified_by="email",
            numbers_once=True,
            text=harmless,
            takes_removals=False,
            max_bytes=50_000_000,
        ),
        Destination(
            name="mailchimp",
            format="csv",
            description="CSV as Mailchimp imports contacts.",
            how_to_import="In Mailchimp: Audience, Import contacts, Upload a file; match each column to the merge tag of its name and "
            "<code>TAGS</code> to tags; choose to update existing contacts. An import only adds tags: <code>removed</code> "
            "holds the address and the tag to take off. It is no list of people to unsubscribe or delete. Do not count on an empty cell "
            "to clear a field: what was taken back is in <code>manifest.json</code> under <code>cleared</code>, by external id; "
            "clear it by the API.",
            columns=MAILCHIMP_COLUMNS,
            merge_tags=True,
            tags_column="TAGS",
            identified_by="email",
            ascii_addresses=True,
            text=clipped,
        ),
        Destination(
            name="shop",
            format="csv",
            description="Discount codes for the shop's own system.",
            how_to_import="Import the codes of <strong>every</strong> run before its mails go out: each run holds that day's codes alone, "
            "and earlier ones stay valid until they end. Percent off, times in UTC, each code once.",
            takes_blanks=True,
        ),
    )
}


def destination_named(name: str) -> Destination:
    """The destination that a shop.yaml names.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in DESTINATIONS:
        raise ValueError(f"There is no destination {name!r}; shop.yaml may name {', '.join(DESTINATIONS)}.")
    return DESTINATIONS[name]
