"""Klaviyo: what became of each mail, as its JSON:API returns events."""

import numpy as np

from simulator.clock import NEVER, stream, utc_texts
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.records import ULID
from simulator.shop import Shop
from simulator.systems.klaviyo_campaigns import METRICS, profile_ids

EVENTS = Table(
    "klaviyo",
    "events",
    "jsonl",
    breaks=(
        set_to("missing id", "id", None),
        set_to("missing profile", "relationships", {"profile": {"data": None}, "metric": {"data": {"type": "metric", "id": "OpnEml"}}}),
        set_to("missing attributes", "attributes", None),
    ),
)
SITE = "https://shop.example"
RECEIVED, OPENED, CLICKED, BOUNCED, UNSUBSCRIBED, SPAM, REPLIED = range(len(METRICS))


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `klaviyo/events`."""
    sends, campaigns = shop.sends, shop.campaigns
    if not len(sends.person):
        extracts.put(EVENTS, np.array([], dtype=np.int64), np.array([], dtype=np.int64), lambda items, cutoff: [])
        return
    delivered = (sends.variant >= 0) & ~sends.bounced.astype(bool)
    send, metric, at = [], [], []
    for number, moments, when in (
        (RECEIVED, sends.sent_at, delivered),
        (OPENED, sends.opened_at, sends.opened_at < NEVER),
        (CLICKED, sends.clicked_at, sends.clicked_at < NEVER),
        (BOUNCED, sends.sent_at + 5, sends.bounced.astype(bool)),
        (UNSUBSCRIBED, sends.unsubscribed_at, sends.unsubscribed_at < NEVER),
        (SPAM, sends.spam_at, sends.spam_at < NEVER),
        (REPLIED, sends.replied_at, sends.replied_at < NEVER),
    ):
        rows = np.flatnonzero(when)
        send.append(rows)
        metric.append(np.full(len(rows), number))
        at.append(moments[rows])
    sent, kind, moment = np.concatenate(send), np.concatenate(metric), np.concatenate(at)
    rng = stream(shop.seed, "klaviyo events")
    order = np.lexsort((kind, sent, moment))
    sent, kind, moment = sent[order], kind[order], moment[order]
    marks = np.array(["".join(row) for row in ULID[rng.integers(0, 32, (len(sent), 6))]], dtype=object)
    uuids = rng.integers(0, 1 << 48, len(sent))
    client = rng.integers(0, 6, len(sent))
    product = rng.integers(0, shop.catalogue.products, len(sent))
    ids, metric_ids = profile_ids(shop), list(METRICS.values())
    hosts = [email.split("@")[1] for email in shop.people.column("email")]
    clients = (
        ("Desktop", "Windows", "Chrome"),
        ("Mobile", "iOS", "Apple Mail"),
        ("Mobile", "Android", "Gmail"),
        ("Desktop", "macOS", "Apple Mail"),
        ("Mobile", "iOS", "Gmail"),
        ("Webmail", "Windows", "GMX"),
    )

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        iso = utc_texts(moment[items], "+00:00")
        rows = []
        for place, number in enumerate(items):
            row, what = sent[number], kind[number]
            campaign, variant, who = campaigns[sends.campaign[row]], int(sends.variant[row]), int(sends.person[row])
            properties = {
                "Campaign Name": campaign.name,
                "$message": campaign.campaign_id,
                "$variation": campaign.message_ids[variant],
                "Subject": campaign.subjects[variant],
                "Email Domain": hosts[who],
            }
            if what in (OPENED, CLICKED):
                form, system, program = clients[client[number]]
                properties |= {"Client Type": form, "Client OS": system, "Client Name": program}
            if what == OPENED and sends.machine_open[row]:
                properties["machine_open"] = True
            if what == CLICKED:
                properties["URL"] = campaign_url(shop, campaign.slug, variant, int(product[number]))
            if what == BOUNCED:
                properties["Bounce Type"] = "Hard"
            rows.append(
                {
                    "type": "event",
                    "id": f"4{number:07d}{marks[number]}",
                    "attributes": {
                        "timestamp": int(moment[number]),
                        "datetime": str(iso[place]),
                        "uuid": f"{uuids[number]:012x}"[:8] + f"-{number % 65536:04x}-11ef-8001-{uuids[number]:012x}",
                        "event_properties": properties,
                    },
                    "relationships": {
                        "profile": {"data": {"type": "profile", "id": ids[who]}},
                        "metric": {"data": {"type": "metric", "id": metric_ids[what]}},
                    },
                }
            )
        return rows

    extracts.put(EVENTS, np.arange(len(sent)), moment, render)


def campaign_url(shop: Shop, slug: str, variant: int, product: int) -> str:
    """A campaign's link to a product, with the parameters that come back with the visit."""
    handle = shop.catalogue.handle[product]
    return f"{SITE}/products/{handle}?utm_source=klaviyo&utm_medium=email&utm_campaign={slug}&utm_content={'ab'[variant]}"
