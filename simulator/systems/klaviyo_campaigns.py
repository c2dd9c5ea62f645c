"""Klaviyo: metrics, campaigns and the recipients of past campaigns, as its JSON:API returns them."""

import numpy as np

from simulator.clock import DAY, utc_texts
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop

METRICS = {
    "Received Email": "RcvEml",
    "Opened Email": "OpnEml",
    "Clicked Email": "ClkEml",
    "Bounced Email": "BncEml",
    "Unsubscribed from Email Marketing": "UnsEml",
    "Marked Email as Spam": "SpmEml",
    "Replied": "RplEml",
}
METRIC_TABLE = Table("klaviyo", "metrics", "jsonl", quiet=True, late=False)
CAMPAIGNS = Table("klaviyo", "campaigns", "jsonl", quiet=True, late=False)
RECIPIENTS = Table("klaviyo", "campaign_recipients", "jsonl", breaks=(set_to("missing id", "profile_id", None),), quiet=True)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `klaviyo/metrics`, `klaviyo/campaigns` and `klaviyo/campaign_recipients`."""
    _write_metrics(shop, extracts)
    _write_campaigns(shop, extracts)
    _write_recipients(shop, extracts)


def _write_metrics(shop: Shop, extracts: Extracts) -> None:
    made = utc_texts(np.array([shop.clock.start]), "+00:00")[0]
    names = list(METRICS)

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        return [
            {
                "type": "metric",
                "id": METRICS[names[number]],
                "attributes": {
                    "name": names[number],
                    "created": str(made),
                    "updated": str(made),
                    "integration": {"object": "integration", "id": "0rG4eQ", "name": "Klaviyo", "category": "Internal"},
                },
            }
            for number in items
        ]

    extracts.put(METRIC_TABLE, np.arange(len(names)), np.full(len(names), shop.clock.start), render)


def _write_campaigns(shop: Shop, extracts: Extracts) -> None:
    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        rows = []
        for number in items:
            campaign = shop.campaigns[number]
            sent = str(utc_texts(np.array([campaign.send_at]), "+00:00")[0])
            made = str(utc_texts(np.array([campaign.send_at - 2 * DAY]), "+00:00")[0])
            rows.append(
                {
                    "type": "campaign",
                    "id": campaign.campaign_id,
                    "attributes": {
                        "name": campaign.name,
                        "status": "Sent",
                        "archived": False,
                        "channel": "email",
                        "audiences": {"included": ["NEWSLT"], "excluded": []},
                        "tracking_options": {
                            "is_tracking_opens": True,
                            "is_tracking_clicks": True,
                            "utm_params": [
                                {"name": "utm_source", "value": "klaviyo"},
                                {"name": "utm_medium", "value": "email"},
                                {"name": "utm_campaign", "value": campaign.slug},
                                {"name": "utm_content", "value": "{variant}"},
                            ],
                        },
                        "send_strategy": {"method": "static", "datetime": sent},
                        "send_time": sent,
                        "created_at": made,
                        "scheduled_at": made,
                        "updated_at": sent,
                    },
                    "campaign_messages": [
                        {
                            "type": "campaign-message",
                            "id": campaign.message_ids[variant],
                            "attributes": {
                                "label": "AB"[variant],
                                "channel": "email",
                                "content": {
                                    "subject": campaign.subjects[variant],
                                    "preview_text": "",
                                    "from_email": "hallo@shop.example",
                                    "from_label": "Dearly Demo Shop",
                                },
                                "weight": 0.5,
                            },
                        }
                        for variant in (0, 1)
                    ],
                    "holdout_percentage": 10,
                }
            )
        return rows

    sent_at = np.array([campaign.send_at for campaign in shop.campaigns], dtype=np.int64)
    extracts.put(CAMPAIGNS, np.arange(len(shop.campaigns)), sent_at, render)


def profile_ids(shop: Shop) -> np.ndarray:
    """The id of each person's first profile."""
    profiles = shop.records["klaviyo"]
    return profiles.column("record_id")[np.maximum(profiles.first_of, 0)]


def _write_recipients(shop: Shop, extracts: Extracts) -> None:
    sends, ids = shop.sends, profile_ids(shop)

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        return [
            {
                "campaign_id": shop.campaigns[sends.campaign[number]].campaign_id,
                "profile_id": ids[sends.person[number]],
                "group": "holdout" if sends.variant[number] < 0 else "treatment",
                "variant": None if sends.variant[number] < 0 else "AB"[sends.variant[number]],
                "assigned_at": starts[sends.campaign[number]],
            }
            for number in items
        ]

    moments = np.array([campaign.send_at for campaign in shop.campaigns], dtype=np.int64)
    starts = [str(text) for text in utc_texts(moments, "+00:00")] if len(moments) else []
    changed = moments[sends.campaign] if len(moments) else np.array([], dtype=np.int64)
    extracts.put(RECIPIENTS, np.arange(len(sends.person)), changed, render)
