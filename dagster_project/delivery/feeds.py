"""The feeds of a day: campaigns, segment lists, the profile feed and discount codes, with the gate once more before anything leaves.

The gate here only removes. It reads the newest word on consent at hand, not the decision's; who has no permission by then is in no file, and who
has taken back the consent to profiling in none that was made by it.
Where the shop's tool holds the addresses (`address_held_by: tool`), rows carry ids and no e-mail.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.campaigns.brand import Sender
from dagster_project.campaigns.campaign import Campaign
from dagster_project.campaigns.offers import offer_for
from dagster_project.moments import Moment, day_of, end_of_day, stamp
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse

PERMITTED = "select customer_id from profile.current_permissions where channel = 'email' and purpose = 'marketing' and is_permitted"
# Who was profiled on the day and has taken the consent to it back since.
WITHDRAWN = """
select customer_id from features.customer_features where as_of = $1
except
select customer_id from profile.current_permissions where channel = 'email' and purpose = 'profiling' and is_permitted
"""
CONSENT_AS_OF = "select max(known_at) from profile.current_permissions"
CAMPAIGN_ROWS = """
select
    recipients.customer_id as external_id, recipients.email, recipients.first_name, recipients.last_name, recipients.language,
    recipients.campaign, recipients.step, recipients.variant, content.content_id, content.subject, content.preheader, recipients.send_at
from campaigns.recipients as recipients
inner join campaigns.campaign_content as content using (as_of, campaign, step, customer_id)
where recipients.as_of = ? and recipients.campaign = ?
order by recipients.customer_id, recipients.step
"""
NOT_SENT_TO = """
select concat(decision, ': ', reason), count(*) from campaigns.campaign_decisions
where as_of = ? and campaign = ? and decision <> 'send' group by 1 order by 2 desc, 1
"""
CONTENT_FILES = "select distinct path from campaigns.campaign_content where as_of = ? and campaign = ? order by path"
# Of all segments in one question: a shop has dozens.
SEGMENT_ROWS = """
select members.segment, members.customer_id as external_id, customers.email, customers.is_held_out
from segments.customer_segments as members
inner join campaigns.mailable_customers as customers using (as_of, customer_id)
where members.as_of = ?
order by members.segment, members.customer_id
"""
# What was made by profiling goes with the consent to it, and a phone number with the one to text messages.
PROFILE_ROWS = f"""
with
withdrawn as ({WITHDRAWN}),
by_text as (
    select customer_id from profile.current_permissions where channel = 'sms' and purpose = 'marketing' and is_permitted
),
customers as (
    select
        customers.* exclude (as_of) replace (
            case when by_text.customer_id is not null then phone_e164 end as phone_e164,
            case when withdrawn.customer_id is null then segments end as segments,
            case when withdrawn.customer_id is null then next_campaign end as next_campaign,
            case when withdrawn.customer_id is null then next_step end as next_step
        )
    from campaigns.mailable_customers as customers
    left join by_text using (customer_id)
    left join withdrawn using (customer_id)
    where customers.as_of = $1
),
traits as (
    select traits.* exclude (as_of) from campaigns.customer_traits as traits anti join withdrawn using (customer_id) where traits.as_of = $1
)
select customers.* rename (customer_id as external_id), traits.* exclude (customer_id)
from customers
left join traits using (customer_id)
order by customers.customer_id
"""
# The ids by which the shop's own systems know a customer at a moment: online_retail:17850.
SOURCE_IDS = """
select customer_id, string_agg(concat(source, ':', source_customer_id), ';' order by source, source_customer_id)
from identity.customer_links
where valid_from <= ? and (valid_to is null or valid_to > ?)
group by customer_id
"""
CODES = pa.schema(
    [
        ("code", pa.string()),
        ("percent", pa.int64()),
        ("starts_at", pa.timestamp("us")),
        ("ends_at", pa.timestamp("us")),
        ("usage_limit", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Mails:
    """The rendered mails of a feed that are in `kept` (content ids), a row group of their files at a time: a mail is 25 kB, and a large audience
    would fill the memory."""

    files: tuple[Path, ...]
    kept: frozenset[str]

    def __iter__(self) -> Iterator[pa.Table]:
        return self.columns("content_id", "subject", "preheader", "html", "text")

    def columns(self, *names: str) -> Iterator[pa.Table]:
        """The same, with these columns alone."""
        kept = pa.array(sorted(self.kept), pa.string())
        for path in self.files:
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    mails = file.read_row_group(group, columns=list(names))
                    yield mails.filter(pc.is_in(mails["content_id"], value_set=kept))


@dataclass(frozen=True)
class Feed:
    """What is exported: rows by `key`, and what a person reading the export wants to know.

    `content` are rendered mails beside the rows, for feeds that have them, with `unsubscribe_tags` (destination → tag) where the campaign wants
    other ones than usual. `totals` counts people by reason. `held_back` lists who was
    decided to be sent to and then was not, as customer id and reason. `label` is what a tool with tags calls the people of this feed.
    `sender` is whom mails are from. A feed that `stands_alone` builds on no earlier run: each run is a batch of its own.
    `zone` is the shop's clock, for people: files hold UTC.
    """

    name: str
    kind: str
    description: str
    as_of: datetime
    rows: pa.Table
    key: str
    totals: Mapping[str, int] = field(default_factory=dict)
    held_back: tuple[tuple[str, str], ...] = ()
    consent_as_of: datetime | None = None
    content: Mails | None = None
    unsubscribe_tags: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    sender: Sender | None = None
    stands_alone: bool = False
    zone: str = "UTC"


@dataclass(frozen=True)
class Gate:
    """The newest word on consent: who may be written to, who has taken profiling back since the day, and until when it is known."""

    permitted: frozenset[str]
    withdrawn: frozenset[str]
    consent_as_of: datetime | None

    def pass_through(self, rows: pa.Table, by_profiling: bool = True) -> tuple[pa.Table, tuple[tuple[str, str], ...]]:
        """The rows of permitted people, and who was held back and why; `by_profiling`: the rows were made by it."""
        stopped = [self.stopped_by(customer, by_profiling) for customer in rows["external_id"].to_pylist()]
        held = {(customer, reason) for customer, reason in zip(rows["external_id"].to_pylist(), stopped, strict=True) if reason}
        return rows.filter(pa.array([reason is None for reason in stopped], pa.bool_())), tuple(sorted(held))

    def stopped_by(self, customer: str, by_profiling: bool) -> str | None:
        if customer not in self.permitted:
            return "no consent at delivery"
        return "no consent to profiling at delivery" if by_profiling and customer in self.withdrawn else None


@dataclass(frozen=True)
class Day:
    """The day that feeds are of: what they are read from, and the gate that everybody in them passes."""

    warehouse: Warehouse
    shop: Shop
    settings: Settings
    moment: Moment
    gate: Gate


def newest_gate(warehouse: Warehouse, moment: Moment) -> Gate:
    """The gate for the feeds of a moment, by what is known now."""
    permitted = frozenset(row[0] for row in warehouse.rows(PERMITTED))
    withdrawn = frozenset(row[0] for row in warehouse.rows(WITHDRAWN, [moment.as_of]))
    ((consent_as_of,),) = warehouse.rows(CONSENT_AS_OF)
    return Gate(permitted, withdrawn, consent_as_of)


def campaign_feed(day: Day, campaign: Campaign, sender: Sender) -> Feed:
    """One row per mail to send, with the rendered mails beside; `sender` is the shop's own, where the campaign names none."""
    rows, held = day.gate.pass_through(day.warehouse.read(CAMPAIGN_ROWS, [day.moment.as_of, campaign.slug]))
    left_out = dict(day.warehouse.rows(NOT_SENT_TO, [day.moment.as_of, campaign.slug]))
    paths = [row[0] for row in day.warehouse.rows(CONTENT_FILES, [day.moment.as_of, campaign.slug])]
    mails = Mails(tuple(day.settings.store / path for path in paths), frozenset(rows["content_id"].to_pylist()))
    return Feed(
        name=campaign.slug,
        kind="campaign",
        description=campaign.description,
        as_of=day.moment.as_of,
        zone=day.shop.zone,
        rows=addressed(day, rows),
        key="content_id",
        totals={"sent to": rows.num_rows, **left_out},
        held_back=held,
        consent_as_of=day.gate.consent_as_of,
        content=mails if paths else None,
        unsubscribe_tags=campaign.unsubscribe_tag,
        label=campaign.slug,
        sender=campaign.sender or sender,
    )


def segment_feeds(day: Day, descriptions: Mapping[str, str]) -> list[Feed]:
    """A list for each of these segments (name → description): one row per mailable member."""
    everybody = day.warehouse.read(SEGMENT_ROWS, [day.moment.as_of])
    segments = everybody["segment"]
    members = everybody.drop_columns("segment")
    return [segment_feed(day, name, told, members.filter(pc.equal(segments, name))) for name, told in descriptions.items()]


def segment_feed(day: Day, segment: str, description: str, members: pa.Table) -> Feed:
    rows, held = day.gate.pass_through(members)
    return Feed(
        name=f"segment_{segment}",
        kind="segment list",
        description=description,
        as_of=day.moment.as_of,
        zone=day.shop.zone,
        rows=addressed(day, rows),
        key="external_id",
        totals={"in": rows.num_rows},
        held_back=held,
        consent_as_of=day.gate.consent_as_of,
        label=segment,
    )


def ended_segments(given: Path, current: Collection[str], moment: Moment) -> list[str]:
    """Segments that a destination (its folder `given`) has people of and that are no more: it gets a last list, without anybody."""
    ended = []
    for pointer in sorted(given.glob("segment_*/latest.json")):
        segment, latest = pointer.parent.name.removeprefix("segment_"), json.loads(pointer.read_text())
        if segment in current or latest["as_of"] > stamp(moment.as_of):
            continue
        manifest = json.loads((pointer.parent / latest["run"] / "manifest.json").read_text())
        is_filled = any(file["rows"] for file in manifest["files"] if file["kind"] == "full")
        # The last list itself is written again by a second run of its day. A campaign may be called segment_something.
        if manifest["kind"] == "segment list" and (is_filled or latest["as_of"] == stamp(moment.as_of)):
            ended.append(segment)
    return ended


def ended_feed(day: Day, segment: str) -> Feed:
    """The last list of a segment that is no more."""
    (feed,) = segment_feeds(day, {segment: "No longer a segment: everybody has left it."})
    return replace(feed, rows=feed.rows.slice(0, 0), totals={"in": 0}, held_back=())


def profile_feed(day: Day) -> Feed:
    """One row per mailable customer: what a tool may personalise by."""
    rows, held = day.gate.pass_through(day.warehouse.read(PROFILE_ROWS, [day.moment.as_of]), by_profiling=False)
    return Feed(
        name="profiles",
        kind="profile feed",
        description="Every customer who may be written to: segments, what comes next and, of those who permit profiling, favourites and scores.",
        as_of=day.moment.as_of,
        zone=day.shop.zone,
        rows=addressed(day, rows),
        key="external_id",
        totals={"in": rows.num_rows},
        held_back=held,
        consent_as_of=day.gate.consent_as_of,
    )


def codes_feed(day: Day, campaign: Campaign, mails: Feed) -> Feed:
    """One row per discount code that a mail of the campaign's feed shows, for the shop to accept: who is not mailed a code has none there.

    A code is valid from the moment to the end of its last day in the shop's zone, once.
    """
    key = day.shop.pseudonym_key(day.settings.pseudonym_key)
    today = day_of(day.moment.as_of, day.shop.zone)
    customers = dict(zip(mails.rows["content_id"].to_pylist(), mails.rows["external_id"].to_pylist(), strict=True))
    rows = []
    for batch in mails.content.columns("content_id", "text") if mails.content else ():
        for content_id, text in zip(batch["content_id"].to_pylist(), batch["text"].to_pylist(), strict=True):
            offer = offer_for(campaign, customers[content_id], today, key)
            if offer and offer["code"] in text:
                ends_at = end_of_day(offer["valid_until"], day.shop.zone, 0).as_of
                rows.append((offer["code"], offer["percent"], day.moment.as_of, ends_at, 1))
    return Feed(
        name=f"codes_{campaign.slug}",
        kind="codes",
        description=f"The discount codes in the day's mails of {campaign.name}.",
        as_of=day.moment.as_of,
        zone=day.shop.zone,
        rows=pa.Table.from_pylist([dict(zip(CODES.names, row, strict=True)) for row in sorted(rows)], schema=CODES),
        key="code",
        totals={"mailed with a code": len(rows), "mailed without one": mails.rows.num_rows - len(rows)},
        consent_as_of=mails.consent_as_of,
        stands_alone=True,
    )


def addressed(day: Day, rows: pa.Table) -> pa.Table:
    """The rows as they may leave: with addresses or, where the tool holds those, with the ids by which the shop's systems know people."""
    if day.shop.address_held_by == "shop":
        return rows
    ids = dict(day.warehouse.rows(SOURCE_IDS, [day.moment.known_by, day.moment.known_by]))
    rows = rows.drop_columns([name for name in ("email", "phone_e164") if name in rows.column_names])
    return rows.add_column(1, "source_ids", pa.array([ids.get(one) for one in rows["external_id"].to_pylist()], pa.string()))


def segment_descriptions(nodes: dict[str, Any], clusters: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The segments and their descriptions: the written ones from the dbt manifest, and the clusters of the day."""
    columns = nodes["nodes"]["model.dearly.segment_flags"]["columns"].values()
    return {c["name"]: c["description"] for c in columns if c["name"] not in ("as_of", "customer_id")} | dict(clusters)
