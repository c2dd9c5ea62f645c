"""Account events in the shape of Segment's spec: `identify` and `track` calls of the shop's own account service."""

import numpy as np
import pandas as pd

from simulator.browsing import LOGIN
from simulator.clock import stream, utc_texts
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop
from simulator.systems.ga4 import pseudo_ids

EVENTS = Table(
    "accounts",
    "events",
    "jsonl",
    breaks=(
        set_to("missing id", "messageId", None),
        set_to("unparsable date", "timestamp", "1773-99-01"),
        set_to("unknown type", "type", "trakc"),
    ),
)
TIERS = ((15_000, "Silver"), (50_000, "Gold"), (150_000, "Platinum"))


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `accounts/events`: sign-ups, sign-ins of the web window, resets, tier upgrades, address changes."""
    events = _events(shop)
    accounts = shop.records["shopify"].frame.to_dict("records")
    marks = stream(shop.seed, "accounts").integers(0, 1 << 62, len(events))
    account, kind, at, detail = (events[name].to_numpy() for name in ("account", "kind", "at", "detail"))
    about = shop.people.frame.to_dict("records")

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = utc_texts(at[items], ".000Z")
        rows = []
        for place, number in enumerate(items):
            record = accounts[account[number]]
            real = about[record["person"]]
            row = {
                "messageId": f"ajs-{marks[number]:016x}",
                "type": "identify" if kind[number] == "identify" else "track",
                "userId": record["record_id"],
                "anonymousId": detail[number] if kind[number] == "Signed In" else None,
                "timestamp": str(texts[place]),
            }
            if kind[number] == "identify":
                row["traits"] = {"email": record["email"] or None, "firstName": record["first_name"], "lastName": record["last_name"]}
            else:
                row["event"] = kind[number]
                row["properties"] = {
                    "Signed Up": {"source": real["channel"]},
                    "Signed In": {"method": "password"},
                    "Password Reset": {},
                    "Plan Upgraded": {"plan": detail[number]},
                    "Address Changed": {"city": real["city"], "postalCode": real["postal_code"], "country": real["country"]},
                }[kind[number]]
            rows.append(row)
        return rows

    extracts.put(EVENTS, np.arange(len(events)), at, render)


def _events(shop: Shop) -> pd.DataFrame:
    """One row per event in order of time: account (record number), kind, at, detail."""
    accounts, browsing = shop.records["shopify"], shop.browsing
    created, person = accounts.column("created_at"), accounts.column("person")
    numbers = np.arange(len(created))
    signed = browsing.event_name == LOGIN
    session = browsing.event_session[signed]
    account = browsing.session_account[session]
    browser = pseudo_ids(shop)[browsing.session_browser[session]]
    rng = stream(shop.seed, "account events")
    forgot = numbers[rng.random(len(numbers)) < 0.06]
    span = np.maximum(shop.clock.end - created[forgot], 1)
    moved = shop.people.column("moved_at")[person]
    # Moves before the account exists were never told to it.
    told = numbers[accounts.column("primary") & (moved > created)]
    parts = [
        (numbers, "identify", created, ""),
        (numbers, "Signed Up", created, ""),
        (account, "Signed In", browsing.event_at[signed], browser),
        (forgot, "Password Reset", created[forgot] + (rng.random(len(forgot)) * span).astype(np.int64), ""),
        (told, "Address Changed", moved[told] + 600, ""),
        *_upgrades(shop),
    ]
    frames = [pd.DataFrame({"account": who, "kind": kind, "at": at, "detail": detail}) for who, kind, at, detail in parts]
    whole = pd.concat(frames, ignore_index=True)
    return whole[whole["at"] < shop.clock.end].sort_values(["at", "account", "kind"], kind="stable", ignore_index=True)


def _upgrades(shop: Shop) -> list[tuple[np.ndarray, str, np.ndarray, str]]:
    """When each account's person first spent enough for each tier."""
    visits, first_of = shop.purchases.visits, shop.records["shopify"].first_of
    order = np.lexsort((visits.at, visits.person))
    person, at = visits.person[order], visits.at[order]
    net = shop.purchases.net()[order]
    total = np.cumsum(net)
    first = np.searchsorted(person, np.arange(len(shop.people)))
    before = np.concatenate(([0], total))[first]
    spent = total - before[person]
    parts = []
    for threshold, tier in TIERS:
        rows = np.flatnonzero(spent >= threshold)
        _, once = np.unique(person[rows], return_index=True)
        rows = rows[once]
        rows = rows[first_of[person[rows]] >= 0]
        parts.append((first_of[person[rows]], "Plan Upgraded", at[rows] + 3600, tier))
    return parts
