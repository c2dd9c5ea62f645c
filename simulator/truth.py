"""What is true, written apart from the extracts: only tests and benchmarks look here."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.behaviour import FUTURE_DAYS, STORE
from simulator.campaigns import EFFECT_DAYS, HOLDOUT_SHARE
from simulator.clock import DAY, NEVER, utc_texts
from simulator.consent import PURPOSES
from simulator.dirt import Row
from simulator.shelves import BANDS, CATEGORIES
from simulator.shop import Shop
from simulator.systems.consent import subject_identifiers
from simulator.systems.ga4 import order_texts, pseudo_ids
from simulator.systems.pos import TILL_CARD, cards_shown, receipt_no
from simulator.systems.shopify_orders import money


def write_truth(shop: Shop, incidents: list[Row], folder: Path) -> None:
    """Writes the truth's files into `folder`. Money is in cents (`*_cents`), moments are naive UTC timestamps."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "people": people_table(shop),
        "customers": customers_table(shop),
        "purchases": purchases_table(shop),
        "browsers": browsers_table(shop),
        "consents": consents_table(shop),
        "products": products_table(shop),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    (folder / "effects.json").write_text(json.dumps(effects(shop), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (folder / "incidents.json").write_text(json.dumps(incidents, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _moments(values: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    """Timestamps of seconds; null where it does not happen, or where `known` is false."""
    empty = values >= NEVER // 2
    if known is not None:
        empty |= ~known
    return pa.array(np.where(empty, 0, values) * 1_000_000, pa.timestamp("us"), mask=empty)


def people_table(shop: Shop) -> pa.Table:
    """One row per source record of a person: person_id, system, table, source_record_id."""
    ids = shop.people.column("person_id")
    parts: list[tuple[str, str, np.ndarray, list[str]]] = []
    for system, table in (("shopify", "customers"), ("hubspot", "contacts"), ("klaviyo", "profiles")):
        records = shop.records[system]
        extracted = records.column("created_at") < shop.clock.end
        parts.append((system, table, records.column("person")[extracted], list(records.column("record_id")[extracted])))
    guests = np.flatnonzero(shop.purchases.guest & (shop.purchases.visits.at < shop.clock.end))
    parts.append(("shopify", "orders", shop.purchases.visits.person[guests], list(order_texts(shop)[guests])))
    seen = (shop.purchases.visits.channel == STORE) & (shop.purchases.visits.at < shop.clock.end)
    shown = cards_shown(shop)
    holders = np.unique(shop.purchases.visits.person[seen & (shown != "") & (shown != TILL_CARD)])
    parts.append(("pos", "receipts", holders, list(shop.people.column("card")[holders])))
    asked = np.flatnonzero(shop.consents.asked_at[:, 0] < shop.clock.pulls[-1].extracted_at)
    subjects = subject_identifiers(shop)
    parts.append(("consent", "receipts", asked, [subjects[who] for who in asked]))
    return pa.table(
        {
            "person_id": pa.array(np.concatenate([ids[people] for *_, people, _ in parts]), pa.string()),
            "system": pa.array([system for system, _, people, _ in parts for _ in people], pa.string()),
            "table": pa.array([table for _, table, people, _ in parts for _ in people], pa.string()),
            "source_record_id": pa.array([key for *_, keys in parts for key in keys], pa.string()),
        }
    )


def customers_table(shop: Shop) -> pa.Table:
    """One row per real person: who they are, how they tick, and what they do in the year after the last day."""
    people, life, end = shop.people, shop.life, shop.clock.end
    count = len(people)
    visits, net, known_net = shop.purchases.visits, shop.purchases.net(), shop.purchases.net(end)

    def tally(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(visits.person[rows], weights=None if weights is None else weights[rows], minlength=count).astype(np.int64)

    past = visits.at < end
    following = np.full(count, NEVER)
    np.minimum.at(following, visits.person[~past], visits.at[~past])
    within = {days: ~past & (visits.at < end + days * DAY) for days in (30, 90, FUTURE_DAYS)}
    cycle = people.column("cycle_category")
    columns: dict[str, pa.Array | np.ndarray] = {
        name: pa.array(people.frame[name].to_numpy(), pa.string())
        for name in ("person_id", "email", "country", "language", "favourite_category", "channel")
    }
    columns |= {
        "household": pa.array(people.column("household"), pa.int64(), mask=people.column("household") < 0),
        "arrived_at": _moments(people.column("arrived_at")),
        "first_purchase_at": _moments(life.first_at),
        "churned_at": _moments(life.drops_at),
        "active_at_end": (life.first_at < end) & (life.drops_at > end),
        "purchases": tally(past),
        "net_cents": tally(past, known_net),
        "next_purchase_at": _moments(following),
        "purchases_next_30d": tally(within[30]),
        "purchases_next_90d": tally(within[90]),
        "purchases_next_365d": tally(within[FUTURE_DAYS]),
        "net_cents_next_365d": tally(within[FUTURE_DAYS], net),
        "rate_year": people.column("rate_year").round(6),
        "lifetime_days": people.column("lifetime_days").round(3),
        "cycle_category": pa.array([CATEGORIES[number].name if number >= 0 else None for number in cycle], pa.string()),
        "cycle_days": pa.array(people.column("cycle_days"), mask=cycle < 0),
        "best_hour": people.column("best_hour"),
        "open_rate": people.column("open_rate").round(6),
        "click_rate": people.column("click_rate").round(6),
        "discount_love": people.column("discount_love").round(6),
        "intent": people.column("intent").round(6),
        "price_level": pa.array([BANDS[number] for number in people.column("price_level")], pa.string()),
    }
    for number, category in enumerate(CATEGORIES):
        columns["affinity_" + category.name.lower().replace(" ", "_")] = people.affinity[:, number].round(6)
    return pa.table(columns)


def purchases_table(shop: Shop) -> pa.Table:
    """One row per purchase before the end: who truly made it, where, its net cents as they stood then, and the campaign that caused it."""
    bought, visits = shop.purchases, shop.purchases.visits
    rows = np.flatnonzero(visits.at < shop.clock.end)
    orders = order_texts(shop)
    keys = [receipt_no(int(row)) if visits.channel[row] == STORE else orders[row] for row in rows]
    names = np.array(["web", "app", "store"], dtype=object)
    slugs = np.array([*(campaign.slug for campaign in shop.campaigns), None], dtype=object)
    return pa.table(
        {
            "person_id": pa.array(shop.people.column("person_id")[visits.person[rows]], pa.string()),
            "source_record_id": pa.array(keys, pa.string()),
            "channel": pa.array(names[visits.channel[rows]], pa.string()),
            "purchased_at": _moments(visits.at[rows]),
            "net_cents": pa.array(bought.net(shop.clock.end)[rows]),
            "caused_by": pa.array(slugs[visits.campaign[rows]], pa.string()),
            "guest": pa.array(bought.guest[rows]),
            "corrected_at": _moments(bought.edited_at[rows], bought.edited_at[rows] < shop.clock.end),
            "cancelled_at": _moments(bought.cancelled_at[rows], bought.cancelled_at[rows] < shop.clock.end),
            "refunded_at": _moments(bought.refunded_at[rows], bought.refunded_at[rows] < shop.clock.end),
        }
    )


def browsers_table(shop: Shop) -> pa.Table:
    """One row per browser and person who sat at it: user_pseudo_id, person_id (null: never identified), first sign-in, shared."""
    browsing = shop.browsing
    session_first = np.full(len(browsing.session_kind), NEVER)
    signed = browsing.event_signed_in
    np.minimum.at(session_first, browsing.event_session[signed], browsing.event_at[signed])
    present = np.unique(browsing.event_session)
    base = len(shop.people) + 1
    pair, place = np.unique(browsing.session_browser[present] * base + browsing.session_person[present] + 1, return_inverse=True)
    identified = np.full(len(pair), NEVER)
    np.minimum.at(identified, place, session_first[present])
    browser, person = pair // base, pair % base - 1
    users = np.bincount(browser, minlength=len(browsing.browser_code))
    ids = np.array([*shop.people.column("person_id"), None], dtype=object)
    return pa.table(
        {
            "user_pseudo_id": pa.array(pseudo_ids(shop)[browser], pa.string()),
            "person_id": pa.array(ids[person], pa.string()),
            "first_identified_at": _moments(identified),
            "shared": pa.array(users[browser] > 1),
        }
    )


def consents_table(shop: Shop) -> pa.Table:
    """One row per person and purpose: the course of consent and whether it stands at the last pull."""
    consents, last = shop.consents, shop.clock.pulls[-1].extracted_at
    count = len(shop.people)
    parts = []
    for purpose, (name, channel) in enumerate(PURPOSES):
        columns = {key: getattr(consents, key)[:, purpose] for key in ("since", "until", "again")}
        parts.append(
            pa.table(
                {
                    "person_id": pa.array(shop.people.column("person_id"), pa.string()),
                    "purpose": pa.array([name] * count, pa.string()),
                    "channel": pa.array([channel] * count, pa.string()),
                    **{f"{key}_at": _moments(values, values < last) for key, values in columns.items()},
                    "given_at_last_pull": pa.array(consents.given(np.arange(count), purpose, last - 1)),
                }
            )
        )
    return pa.concat_tables(parts)


def products_table(shop: Shop) -> pa.Table:
    """One row per product: shelf, brand, band, launch, sell-out, and the planted companion."""
    catalogue = shop.catalogue
    ids = [str(number) for number in catalogue.product_id(np.arange(catalogue.products))]
    return pa.table(
        {
            "product_id": pa.array(ids, pa.string()),
            "title": pa.array(catalogue.title, pa.string()),
            "category": pa.array([CATEGORIES[number].name for number in catalogue.category], pa.string()),
            "brand": pa.array([catalogue.brands[number] for number in catalogue.brand], pa.string()),
            "band": pa.array([BANDS[number] for number in catalogue.band], pa.string()),
            "vegan": pa.array(catalogue.vegan),
            "launched_at": _moments(catalogue.launched_at),
            "sold_out_at": _moments(catalogue.sold_out_at, catalogue.sold_out_at < shop.clock.end),
            "goes_with_product_id": pa.array([ids[number] if number >= 0 else None for number in catalogue.goes_with], pa.string()),
        }
    )


def effects(shop: Shop) -> Row:
    """Each campaign's true effect: the expected and the realised added orders of those mailed, by variant.

    `added_order_rate` is the mean, over everyone assigned to the variant, of the chance the campaign added of an order
    within `window_days`; a holdout comparison estimates exactly this.
    """
    sends, visits, net = shop.sends, shop.purchases.visits, shop.purchases.net()
    listed = []
    for campaign in shop.campaigns:
        variants = {}
        for variant, letter in enumerate("AB"):
            rows = (sends.campaign == campaign.number) & (sends.variant == variant)
            came = (visits.campaign == campaign.number) & (visits.variant == variant) & (visits.at < shop.clock.end)
            chances = sends.chance[rows]
            variants[letter] = {
                "recipients": int(rows.sum()),
                "added_order_rate": round(float(chances.mean()), 6) if len(chances) else 0.0,
                "expected_added_orders": round(float(chances.sum()), 3),
                "realised_added_orders": int(came.sum()),
                "realised_added_net_amount": money(int(net[came].sum())),
                "effect_on_active_buyers": campaign.effects[variant],
            }
        listed.append(
            {
                "campaign_id": campaign.campaign_id,
                "slug": campaign.slug,
                "send_at": str(utc_texts(np.array([campaign.send_at]))[0]),
                "window_days": EFFECT_DAYS,
                "holdout_share": HOLDOUT_SHARE,
                "holdout": int(((sends.campaign == campaign.number) & (sends.variant < 0)).sum()),
                "variants": variants,
            }
        )
    return {"campaigns": listed}
