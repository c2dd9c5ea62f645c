"""Consent logs as OneTrust exports receipts (CSV): one row per transaction of a data subject, purpose and channel."""

import numpy as np

from simulator.clock import offset_texts, stream
from simulator.consent import PURPOSES, receipts
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop

RECEIPTS = Table(
    "consent",
    "receipts",
    "csv",
    columns=(
        "ReceiptId",
        "DataSubjectIdentifier",
        "Purpose",
        "Channel",
        "TransactionType",
        "InteractionDate",
        "CollectionPoint",
        "PrivacyNoticeVersion",
        "Country",
    ),
    breaks=(
        set_to("missing id", "DataSubjectIdentifier", ""),
        set_to("unparsable date", "InteractionDate", "2026-02-31T09:00:00+01:00"),
        set_to("unknown transaction", "TransactionType", "MAYBE"),
        set_to("missing id", "ReceiptId", ""),
    ),
    up_to_pull=True,
)
POINTS = ("Checkout", "Newsletter form", "Account settings", "Store tablet", "Preference centre")


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `consent/receipts`. A pull holds everything up to its own moment: the last night's withdrawals too."""
    rows = receipts(shop.consents, shop.people)
    rng = stream(shop.seed, "receipts")
    marks = rng.integers(0, 16, (len(rows), 32))
    hexes = np.array(list("0123456789abcdef"))[marks]
    point = rng.integers(0, 4, len(rows))
    person, purpose, at, kind = (rows[name].to_numpy() for name in ("person", "purpose", "at", "kind"))
    emails, country = subject_identifiers(shop), shop.people.column("country")
    shouted = stream(shop.seed, "receipt capitals").random(len(shop.people)) < 0.02

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = offset_texts(at[items])
        written = []
        for place, number in enumerate(items):
            mark = "".join(hexes[number])
            who = person[number]
            taken = kind[number] == "WITHDRAWN"
            written.append(
                {
                    "ReceiptId": f"{mark[:8]}-{mark[8:12]}-4{mark[13:16]}-a{mark[17:20]}-{mark[20:]}",
                    "DataSubjectIdentifier": emails[who].upper() if shouted[who] else emails[who],
                    "Purpose": PURPOSES[purpose[number]][0],
                    "Channel": PURPOSES[purpose[number]][1],
                    "TransactionType": kind[number],
                    "InteractionDate": str(texts[place]),
                    "CollectionPoint": POINTS[4] if taken else POINTS[point[number]],
                    "PrivacyNoticeVersion": "3.1" if at[number] > shop.clock.opening - 200 * 86_400 else "2.4",
                    "Country": country[who],
                }
            )
        return written

    extracts.put(RECEIPTS, np.arange(len(rows)), at, render)


def subject_identifiers(shop: Shop) -> list[str]:
    """The address each person's consent stands under: that of their first usable shop, newsletter or CRM record."""
    identifiers = []
    columns = [(shop.records[system].first_of, shop.records[system].column("email")) for system in ("shopify", "klaviyo", "hubspot")]
    for who, true_address in enumerate(shop.people.column("email")):
        known = (emails[first[who]].strip() for first, emails in columns if first[who] >= 0)
        identifiers.append(
            next((email for email in known if email.count("@") == 1 and " " not in email and not email.endswith("@")), true_address)
        )
    return identifiers
