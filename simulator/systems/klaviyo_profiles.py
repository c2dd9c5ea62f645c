"""Klaviyo: profiles with their subscriptions, as its JSON:API returns them."""

import numpy as np

from simulator.clock import DAY, NEVER, stream, utc_texts
from simulator.consent import EMAIL, SMS
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.names import COUNTRIES
from simulator.shop import Shop

PROFILES = Table(
    "klaviyo",
    "profiles",
    "jsonl",
    breaks=(set_to("missing id", "id", None), set_to("unknown type", "type", "company")),
)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `klaviyo/profiles`: a row per profile created or changed (consent, a hard bounce, a move)."""
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

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        since = shop.consents.since[person[items], EMAIL]
        updated = np.max(
            [np.where(part[items] < cutoff, part[items], 0) for part in (created, given_at, until, again_at, bounced_at)], axis=0
        )
        updated = np.maximum(updated, created[items])
        seen = np.where(last_event[person[items]] < cutoff, last_event[person[items]], created[items])
        given, sms = shop.consents.given(person[items], EMAIL, cutoff), shop.consents.given(person[items], SMS, cutoff)
        texts = {
            name: utc_texts(moments, "+00:00") for name, moments in (("created", created[items]), ("updated", updated), ("seen", seen))
        }
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
            suppression = (
                [{"reason": "HARD_BOUNCE", "timestamp": str(texts["bounce"][place])}]
                if bounced_at[number] < cutoff and primary[number]
                else []
            )
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
