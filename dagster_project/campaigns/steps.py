"""What the arbiter reads of the campaign folders: a row per campaign, step and variant."""

from collections.abc import Sequence

import pyarrow as pa

from dagster_project.campaigns.campaign import Campaign

# A campaign's purpose as consents name it.
PURPOSES = {"marketing_email": "marketing"}

STEPS = pa.schema(
    [
        ("campaign", pa.string()),
        ("step", pa.string()),
        ("step_number", pa.int64()),
        ("after_hours", pa.int64()),
        ("audience", pa.string()),
        ("trigger", pa.string()),
        ("purpose", pa.string()),
        ("priority", pa.int64()),
        ("holdout", pa.int64()),
        ("expires_after_hours", pa.int64()),
        ("again_after_days", pa.int64()),
        ("cap_mails", pa.int64()),
        ("cap_days", pa.int64()),
        ("variant", pa.string()),
        ("bucket_from", pa.int64()),
        ("bucket_to", pa.int64()),
        ("cost_per_mail", pa.decimal128(18, 4)),
    ]
)


def steps_of(campaigns: Sequence[Campaign]) -> pa.Table:
    """Shares become buckets of 10,000 (half-open), so that a customer's variant is a matter of their hash alone."""
    rows = []
    for campaign in campaigns:
        edges = [0]
        for variant in campaign.variants:
            edges.append(edges[-1] + round(variant.share * 10_000))
        edges[-1] = 10_000
        for number, step in enumerate(campaign.steps, start=1):
            for place, variant in enumerate(campaign.variants):
                rows.append(
                    {
                        "campaign": campaign.slug,
                        "step": step.name,
                        "step_number": number,
                        "after_hours": step.after_hours,
                        "audience": campaign.audience,
                        "trigger": campaign.trigger,
                        "purpose": PURPOSES[campaign.purpose],
                        "priority": campaign.priority,
                        "holdout": round(campaign.holdout * 10_000),
                        "expires_after_hours": campaign.expires_after_hours,
                        "again_after_days": campaign.again_after_days,
                        "cap_mails": campaign.cap.mails if campaign.cap else None,
                        "cap_days": campaign.cap.days if campaign.cap else None,
                        "variant": variant.name,
                        "bucket_from": edges[place],
                        "bucket_to": edges[place + 1],
                        "cost_per_mail": campaign.cost_per_mail,
                    }
                )
    return pa.Table.from_pylist(rows, schema=STEPS)
