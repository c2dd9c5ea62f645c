"""HubSpot: the CRM's contact export (CSV, labels as headers, the account's zone, multiple choices with `;`)."""

import numpy as np

from simulator.clock import DAY, local_texts, stream
from simulator.consent import EMAIL
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.names import COUNTRIES
from simulator.people import People
from simulator.shelves import CATEGORIES
from simulator.shop import Shop

CONTACTS = Table(
    "hubspot",
    "contacts",
    "csv",
    columns=(
        "Record ID",
        "First Name",
        "Last Name",
        "Email",
        "Phone Number",
        "Street Address",
        "City",
        "State/Region",
        "Postal Code",
        "Country/Region",
        "Date of Birth",
        "Gender",
        "Preferred language",
        "Time Zone",
        "Lifecycle Stage",
        "Original Source",
        "Create Date",
        "Last Modified Date",
        "Unsubscribed from all email",
        "Marketing contact status",
        "Membership tier",
        "Loyalty card number",
        "Interests",
        "Dietary preference",
        "Clothing size",
        "Preferred contact channel",
        "Favourite categories",
    ),
    breaks=(
        set_to("missing id", "Record ID", ""),
        set_to("unparsable date", "Create Date", "30.02.2026 25:61"),
        set_to("unparsable date", "Last Modified Date", "yesterday"),
    ),
    quote_all=True,
)
SOURCES = {
    "organic": "Organic Search",
    "paid_search": "Paid Search",
    "paid_social": "Paid Social",
    "referral": "Referrals",
    "newsletter": "Email Marketing",
    "store": "Offline Sources",
}
LANGUAGES = {"de": "German", "en": "English", "fr": "French"}


def tier_of(people: People, spent_cents: np.ndarray) -> np.ndarray:
    """The membership tier by money spent so far."""
    tiers = np.array(["Basic", "Silver", "Gold", "Platinum"], dtype=object)
    return tiers[np.searchsorted([15_000, 50_000, 150_000], spent_cents, side="right")]


def spent_by(shop: Shop, moment: int) -> np.ndarray:
    """Cents spent by each person on purchases made before the moment."""
    visits = shop.purchases.visits
    rows = visits.at < moment
    return np.bincount(visits.person[rows], weights=shop.purchases.net(moment)[rows], minlength=len(shop.people)).astype(np.int64)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `hubspot/contacts`: a row per contact created or changed (consent, first purchase, a move)."""
    contacts, people, frame = shop.records["hubspot"], shop.people, shop.people.frame
    person, created = contacts.column("person"), contacts.column("created_at")
    rng = stream(shop.seed, "hubspot contacts")
    follows, told = rng.random(len(person)) < 0.7, rng.random((len(person), 6)) < np.array([0.55, 0.6, 0.5, 0.35, 0.4, 0.45])
    syncs = rng.random(len(person)) < 0.9
    moved = people.column("moved_at")[person] + 2 * DAY
    left = shop.consents.until[person, EMAIL] + 1800
    given, bought = shop.consents.since[person, EMAIL] + 1800, shop.life.first_at[person] + 1800
    always = np.ones(len(person), dtype=bool)

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        tiers = tier_of(people, spent_by(shop, cutoff))
        consented = shop.consents.given(person, EMAIL, cutoff)
        changed = [created[items]]
        for moment, counts in ((moved, follows), (left, syncs), (given, always), (bought, always)):
            changed.append(np.where(counts[items] & (moment[items] < cutoff) & (moment[items] > created[items]), moment[items], 0))
        created_text, changed_text = local_texts(created[items], unit="m"), local_texts(np.max(changed, axis=0), unit="m")
        rows = []
        for place, number in enumerate(items):
            who = person[number]
            about, record = frame_rows[who], contact_rows[number]
            gone = moved[number] < cutoff and follows[number]
            birth, interests, diet, size, channel, favourites = told[number]
            out = bool(syncs[number] and left[number] < cutoff and not consented[number])
            rows.append(
                {
                    "Record ID": record["record_id"],
                    "First Name": record["first_name"],
                    "Last Name": record["last_name"],
                    "Email": record["email"],
                    "Phone Number": record["phone"],
                    "Street Address": about["street"],
                    "City": about["city"] if gone or not about["moves"] else about["old_city"],
                    "State/Region": about["region"] if gone or not about["moves"] else about["old_region"],
                    "Postal Code": about["postal_code"] if gone or not about["moves"] else about["old_postal_code"],
                    "Country/Region": COUNTRIES[about["country"]]["name"] if number % 9 else about["country"],
                    "Date of Birth": about["birth_date"] if birth else "",
                    "Gender": about["gender"] if number % 4 else "",
                    "Preferred language": LANGUAGES[about["language"]],
                    "Time Zone": about["timezone"].lower().replace("/", "_slash_"),
                    "Lifecycle Stage": "Customer" if bought[number] < cutoff else ("Subscriber" if consented[number] else "Lead"),
                    "Original Source": SOURCES[about["channel"]],
                    "Create Date": str(created_text[place]),
                    "Last Modified Date": str(changed_text[place]),
                    "Unsubscribed from all email": "true" if out else "false",
                    "Marketing contact status": "Marketing contact" if consented[number] else "Non-marketing contact",
                    "Membership tier": tiers[who],
                    "Loyalty card number": about["card"],
                    "Interests": about["interests"] if interests else "",
                    "Dietary preference": about["diet"] if diet else "",
                    "Clothing size": about["clothing_size"] if size else "",
                    "Preferred contact channel": about["contact_channel"] if channel else "",
                    "Favourite categories": favourite_text[who] if favourites else "",
                }
            )
        return rows

    frame_rows = frame.assign(moves=frame["moved_at"] < shop.clock.end + DAY).to_dict("records")
    contact_rows = contacts.frame.to_dict("records")
    top = np.argsort(-people.affinity, axis=1, kind="stable")[:, :2]
    favourite_text = [";".join(CATEGORIES[number].name for number in pair) for pair in top]
    numbers = np.arange(len(person))
    late_enough = created + 60
    item = np.concatenate((numbers, numbers[follows], numbers[syncs], numbers, numbers))
    changes = np.concatenate(
        (
            created,
            np.maximum(moved, late_enough)[follows],
            np.maximum(left, late_enough)[syncs],
            np.maximum(given, late_enough),
            np.maximum(bought, late_enough),
        )
    )
    extracts.put(CONTACTS, item, changes, render)
