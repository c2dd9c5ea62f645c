"""The feeds of a day: campaigns, segment lists and the profile feed, with the gate once more before anything leaves.

The gate here only removes. It reads the newest word on consent at hand, not the decision's; whoever has no permission by then is in no file.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.campaigns.campaign import Campaign
from dagster_project.delivery.exports import Feed
from dagster_project.moments import Moment
from dagster_project.resources import Store

PERMITTED = "select customer_id from profile.current_permissions where channel = 'email' and purpose = 'marketing' and is_permitted"
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
CAMPAIGN_TOTALS = """
select case when decision = 'send' then 'sent to' else concat(decision, ': ', reason) end as reason, count(*)
from campaigns.campaign_decisions where as_of = ? and campaign = ? group by 1 order by 2 desc, 1
"""
CONTENT_FILES = "select distinct path from campaigns.campaign_content where as_of = ? and campaign = ? order by path"
SEGMENT_ROWS = """
select members.customer_id as external_id, customers.email
from segments.customer_segments as members
inner join campaigns.mailable_customers as customers using (as_of, customer_id)
where members.as_of = ? and members.segment = ?
order by members.customer_id
"""
PROFILE_ROWS = "select * exclude (as_of) rename (customer_id as external_id) from campaigns.mailable_customers where as_of = ? order by customer_id"


@dataclass(frozen=True)
class Gate:
    """The newest word on e-mail marketing: who may be written to, and until when it is known."""

    permitted: frozenset[str]
    consent_as_of: datetime | None

    def pass_through(self, rows: pa.Table) -> tuple[pa.Table, tuple[tuple[str, str], ...]]:
        """The rows of permitted people, and who was held back."""
        ids = rows["external_id"].to_pylist()
        held = tuple((customer, "no consent at delivery") for customer in sorted(set(ids) - self.permitted))
        return rows.filter(pa.array([customer in self.permitted for customer in ids], pa.bool_())), held


def newest_gate(store: Store) -> Gate:
    permitted = frozenset(row[0] for row in store.warehouse.rows(PERMITTED))
    ((consent_as_of,),) = store.warehouse.rows(CONSENT_AS_OF)
    return Gate(permitted, consent_as_of)


def campaign_feed(store: Store, campaign: Campaign, moment: Moment, gate: Gate) -> Feed:
    """One row per mail to send, with the rendered mails beside."""
    rows, held = gate.pass_through(store.warehouse.read(CAMPAIGN_ROWS, [moment.as_of, campaign.slug]))
    totals = dict(store.warehouse.rows(CAMPAIGN_TOTALS, [moment.as_of, campaign.slug]))
    paths = [row[0] for row in store.warehouse.rows(CONTENT_FILES, [moment.as_of, campaign.slug])]
    keep = set(rows["content_id"].to_pylist())
    mails = [pq.read_table(store.settings.store / path, columns=["content_id", "subject", "preheader", "html", "text"]) for path in paths]
    content = pa.concat_tables(mails).sort_by("content_id") if mails else None
    if content is not None:
        content = content.filter(pa.array([one in keep for one in content["content_id"].to_pylist()], pa.bool_()))
    return feed(campaign.slug, "campaign", campaign.description, moment, rows, "content_id", totals, held, gate, content)


def segment_feed(store: Store, segment: str, description: str, moment: Moment, gate: Gate) -> Feed:
    """One row per mailable member of a segment."""
    rows, held = gate.pass_through(store.warehouse.read(SEGMENT_ROWS, [moment.as_of, segment]))
    return feed(f"segment_{segment}", "segment list", description, moment, rows, "external_id", {"in": rows.num_rows}, held, gate)


def profile_feed(store: Store, moment: Moment, gate: Gate) -> Feed:
    """One row per mailable customer: what a tool may personalise by."""
    rows, held = gate.pass_through(store.warehouse.read(PROFILE_ROWS, [moment.as_of]))
    description = "Every customer who may be written to, with segments and scores."
    return feed("profiles", "profile feed", description, moment, rows, "external_id", {"in": rows.num_rows}, held, gate)


def feed(
    name: str,
    kind: str,
    description: str,
    moment: Moment,
    rows: pa.Table,
    key: str,
    totals: dict[str, int],
    held: tuple[tuple[str, str], ...],
    gate: Gate,
    content: pa.Table | None = None,
) -> Feed:
    return Feed(name, kind, description, moment.as_of, rows, key, totals, held, gate.consent_as_of, content)


def segment_descriptions(nodes: dict[str, Any]) -> dict[str, str]:
    """The segments and their descriptions, from the dbt manifest."""
    columns = nodes["nodes"]["model.dearly.segment_flags"]["columns"].values()
    return {c["name"]: c["description"] for c in columns if (c.get("config", {}).get("meta") or c.get("meta") or {}).get("segment")}
