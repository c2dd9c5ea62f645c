"""Shopify: customers as the REST Admin API returns them (one JSON object a line)."""

import numpy as np

from simulator.clock import DAY, NEVER, offset_texts, stream
from simulator.consent import EMAIL, SMS
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.names import COUNTRIES
from simulator.shop import Shop

CUSTOMERS = Table(
    "shopify",
    "customers",
    "jsonl",
    breaks=(
        set_to("missing id", "id", None),
        set_to("unparsable date", "created_at", "0000-00-00T00:00:00"),
        set_to("unparsable date", "updated_at", "n/a"),
    ),
)


def address_of(about: Row, moved: bool) -> Row:
    """The street address of a person (a row of `people.frame`), the old one when they have not moved yet."""
    return {
        "address1": about["street"],
        "address2": None,
        "city": about["city"] if moved else about["old_city"],
        "province": about["region"] if moved else about["old_region"],
        "zip": about["postal_code"] if moved else about["old_postal_code"],
        "country": COUNTRIES[about["country"]]["name"],
        "country_code": about["country"],
    }


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `shopify/customers`: a row per account created or changed (a move, consent given or withdrawn)."""
    accounts, people = shop.records["shopify"], shop.people
    person, created, primary = accounts.column("person"), accounts.column("created_at"), accounts.column("primary")
    rng = stream(shop.seed, "shopify customers")
    verified, carded, noted = rng.random(len(person)) < 0.86, rng.random(len(person)) < 0.5, rng.random(len(person)) < 0.02
    since, until = shop.consents.since[person, EMAIL], np.where(primary, shop.consents.until[person, EMAIL] + 300, NEVER)
    moved_at = people.column("moved_at")[person]
    moves = moved_at < shop.clock.end + DAY
    about, known = people.frame.to_dict("records"), accounts.frame.to_dict("records")

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        given, sms = since[items] < cutoff, shop.consents.given(person[items], SMS, cutoff)
        ended = until[items] < cutoff
        steps = [np.where(moment[items] < cutoff, moment[items], 0) for moment in (created, since, until, moved_at)]
        born, changed = offset_texts(created[items]), offset_texts(np.maximum(np.max(steps, axis=0), created[items]))
        consented = offset_texts(np.where(ended, until[items], np.where(given, since[items], created[items])))
        rows = []
        for place, number in enumerate(items):
            who = person[number]
            real, record = about[who], known[number]
            here = not moves[number] or bool(moved_at[number] < cutoff)
            state = "unsubscribed" if ended[place] and given[place] else ("subscribed" if given[place] else "not_subscribed")
            key = int(record["record_id"])
            address = {
                "id": key + 7,
                "customer_id": key,
                "first_name": record["first_name"],
                "last_name": record["last_name"],
                **address_of(real, here),
                "phone": record["phone"] or None,
                "default": True,
            }
            tags = [f"lang:{real['language']}"] + ([f"loyalty:{real['card']}"] if real["card"] and carded[number] else [])
            rows.append(
                {
                    "id": key,
                    "email": record["email"] or None,
                    "first_name": record["first_name"],
                    "last_name": record["last_name"],
                    "phone": record["phone"] or None,
                    "created_at": str(born[place]),
                    "updated_at": str(changed[place]),
                    "state": "enabled" if verified[number] else "invited",
                    "verified_email": bool(verified[number]),
                    "tags": ", ".join(tags),
                    "currency": "EUR",
                    "note": "Ruft lieber an" if noted[number] else None,
                    "email_marketing_consent": {
                        "state": state,
                        "opt_in_level": "confirmed_opt_in" if real["country"] in ("DE", "AT") else "single_opt_in",
                        "consent_updated_at": str(consented[place]) if state != "not_subscribed" else None,
                    },
                    "sms_marketing_consent": {
                        "state": "subscribed" if sms[place] else "not_subscribed",
                        "opt_in_level": "single_opt_in",
                        "consent_updated_at": str(consented[place]) if sms[place] else None,
                        "consent_collected_from": "OTHER",
                    },
                    "addresses": [address],
                    "default_address": address,
                }
            )
        return rows

    numbers = np.arange(len(person))
    later = [np.maximum(moment, created + 1) for moment in (since, until, moved_at)]
    extracts.put(CUSTOMERS, np.tile(numbers, 4), np.concatenate((created, *later)), render)
