"""Klaviyo: profiles, events, metrics and campaigns as its JSON:API returns them, and the recipients of past campaigns."""

import numpy as np

from simulator.clock import DAY, NEVER, stream, utc_texts
from simulator.consent import EMAIL, SMS
from simulator.dirt import set_to
from simulator.extracts import Extracts, Table
from simulator.names import COUNTRIES
from simulator.records import ULID
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
RECEIVED, OPENED, CLICKED, BOUNCED, UNSUBSCRIBED, SPAM, REPLIED = range(len(METRICS))


def _set_attribute(row: dict, name: str, value: object) -> dict:
    return {**row, "attributes": {**row["attributes"], name: value}}


PROFILES = Table(
    "klaviyo",
    "profiles",
    "jsonl",
    breaks=(set_to("missing id", "id", None), set_to("unknown type", "type", "company")),
)
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
METRIC_TABLE = Table("klaviyo", "metrics", "jsonl", quiet=True, late=False)
CAMPAIGNS = Table("klaviyo", "campaigns", "jsonl", quiet=True, late=False)
RECIPIENTS = Table("klaviyo", "campaign_recipients", "jsonl", breaks=(set_to("missing id", "profile_id", None),), quiet=True)
SITE = "https://shop.example"


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes the five tables of Klaviyo."""
    _write_profiles(shop, extracts)
    _write_metrics(shop, extracts)
    _write_campaigns(shop, extracts)
    _write_recipients(shop, extracts)
    _write_events(shop, extracts)


def _write_profiles(shop: Shop, extracts: Extracts) -> None:
    profiles, people = shop.records["klaviyo"], shop.people
    person, created, primary = profiles.column("person"), profiles.column("created_at"), profiles.column("primary")
    until, bounced_at, last_event = shop.consents.until[person, EMAIL] + 60, _hard_bounces(shop)[person], _last_events(shop)
    given_at, again_at = shop.consents.since[person, EMAIL], shop.consents.again[person, EMAIL]
    moved = people.column("moved_at")[person]
    rng = stream(shop.seed, "klaviyo profiles")
    linked, stale = rng.random(len(person)) < 0.75, rng.random(len(person)) < 0.015
    about, known = people.frame.to_dict("records"), profiles.frame.to_dict("records")
    accounts = shop.records["shopify"]
    account_ids = accounts.column("record_id")

    def render(items: np.ndarray, cutoff: int) -> list[dict]:
        since = shop.consents.since[person[items], EMAIL]
        updated = np.max([np.where(part[items] < cutoff, part[items], 0) for part in (created, given_at, until, again_at, bounced_at)], axis=0)
        updated = np.maximum(updated, created[items])
        seen = np.where(last_event[person[items]] < cutoff, last_event[person[items]], created[items])
        given, sms = shop.consents.given(person[items], EMAIL, cutoff), shop.consents.given(person[items], SMS, cutoff)
        texts = {name: utc_texts(moments, "+00:00") for name, moments in (("created", created[items]), ("updated", updated), ("seen", seen))}
        texts["consent"] = utc_texts(np.where(given, np.minimum(since, cutoff), np.minimum(until[items], cutoff)), "+00:00")
        texts["bounce"] = utc_texts(np.minimum(bounced_at[items], cutoff), "+00:00")
        rows = []
        for place, number in enumerate(items):
            who = person[number]
            real, record = about[who], known[number]
            first = accounts.first_of[who]
            # The second profile of a person never hears of a withdrawal; a few first ones do not either.
            subscribed = bool(given[place] or (since[place] < cutoff and (stale[number] or not primary[number])))
            state = "SUBSCRIBED" if subscribed else ("UNSUBSCRIBED" if since[place] < cutoff else "NEVER_SUBSCRIBED")
            suppression = [{"reason": "HARD_BOUNCE", "timestamp": str(texts["bounce"][place])}] if bounced_at[number] < cutoff and primary[number] else []
            if state == "UNSUBSCRIBED":
                suppression.append({"reason": "UNSUBSCRIBE", "timestamp": str(texts["consent"][place])})
            before = real["moved_at"] >= cutoff and real["moved_at"] < shop.clock.end + DAY
            rows.append(
                {
                    "type": "profile",
                    "id": record["record_id"],
                    "attributes": {
                        "email": record["email"] or None,
                        "phone_number": record["phone"] or None,
                        "external_id": account_ids[first] if first >= 0 and linked[number] and primary[number] else None,
                        "first_name": record["first_name"],
                        "last_name": record["last_name"],
                        "locale": f"{real['language']}-{real['country']}",
                        "created": str(texts["created"][place]),
                        "updated": str(texts["updated"][place]),
                        "last_event_date": str(texts["seen"][place]),
                        "location": {
                            "address1": None,
                            "city": real["old_city"] if before else real["city"],
                            "region": real["old_region"] if before else real["region"],
                            "zip": real["old_postal_code"] if before else real["postal_code"],
                            "country": COUNTRIES[real["country"]]["name"],
                            "timezone": real["timezone"],
                        },
                        "properties": {"$source": real["channel"], "accepts_sms": bool(sms[place])},
                    },
                    "subscriptions": {
                        "email": {
                            "marketing": {
                                "can_receive_email_marketing": subscribed and not suppression,
                                "consent": state,
                                "timestamp": None if state == "NEVER_SUBSCRIBED" else str(texts["consent"][place]),
                                "suppression": suppression,
                            }
                        },
                        "sms": {"marketing": {"consent": "SUBSCRIBED" if sms[place] else "NEVER_SUBSCRIBED"}},
                    },
                }
            )
        return rows

    numbers = np.arange(len(person))
    later = [np.maximum(moments, created + 1) for moments in (given_at, until, again_at, bounced_at, moved)]
    extracts.put(PROFILES, np.tile(numbers, 6), np.concatenate((created, *later)), render)


def _hard_bounces(shop: Shop) -> np.ndarray:
    bounced = np.full(len(shop.people), NEVER)
    rows = np.flatnonzero(shop.sends.bounced)
    np.minimum.at(bounced, shop.sends.person[rows], shop.sends.sent_at[rows] + 5)
    return bounced


def _last_events(shop: Shop) -> np.ndarray:
    last = np.zeros(len(shop.people), dtype=np.int64)
    for moments in (shop.sends.sent_at, shop.sends.opened_at, shop.sends.clicked_at):
        rows = np.flatnonzero(moments < shop.clock.end)
        np.maximum.at(last, shop.sends.person[rows], moments[rows])
    return np.where(last > 0, last, NEVER)


def _write_metrics(shop: Shop, extracts: Extracts) -> None:
    made = utc_texts(np.array([shop.clock.start]), "+00:00")[0]
    names = list(METRICS)

    def render(items: np.ndarray, cutoff: int) -> list[dict]:
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
    def render(items: np.ndarray, cutoff: int) -> list[dict]:
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


def _profile_ids(shop: Shop) -> np.ndarray:
    """The id of each person's first profile."""
    profiles = shop.records["klaviyo"]
    return profiles.column("record_id")[np.maximum(profiles.first_of, 0)]


def _write_recipients(shop: Shop, extracts: Extracts) -> None:
    sends, ids = shop.sends, _profile_ids(shop)

    def render(items: np.ndarray, cutoff: int) -> list[dict]:
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


def _write_events(shop: Shop, extracts: Extracts) -> None:
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
    ids, names, metric_ids = _profile_ids(shop), list(METRICS), list(METRICS.values())
    hosts = [email.split("@")[1] for email in shop.people.column("email")]
    clients = (("Desktop", "Windows", "Chrome"), ("Mobile", "iOS", "Apple Mail"), ("Mobile", "Android", "Gmail"), ("Desktop", "macOS", "Apple Mail"), ("Mobile", "iOS", "Gmail"), ("Webmail", "Windows", "GMX"))

    def render(items: np.ndarray, cutoff: int) -> list[dict]:
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
