"""Shopify apps: wishlists and product reviews (one JSON object a line)."""

import numpy as np

from simulator.baskets import draw_products, draw_variants
from simulator.behaviour import STORE
from simulator.clock import DAY, NEVER, offset_texts, stream
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop

WISHLISTS = Table(
    "shopify",
    "wishlists",
    "jsonl",
    breaks=(set_to("missing id", "id", None), set_to("unparsable date", "added_at", "2026-00-10T00:00:00+01:00")),
)
REVIEWS = Table(
    "shopify",
    "reviews",
    "jsonl",
    breaks=(
        set_to("missing id", "product_id", None),
        set_to("unparsable date", "created_at", "last week"),
        set_to("impossible rating", "rating", 11),
    ),
)
WORDS = {
    "de": {
        1: ("Leider nein", "Kam beschädigt an."),
        3: ("Ganz gut", "Erfüllt seinen Zweck, mehr nicht."),
        5: ("Wunderbar!", "Würde ich jederzeit wieder kaufen – Größe passt."),
    },
    "en": {
        1: ("Not for me", "It didn't last <3 weeks."),
        3: ("It's OK", "Does what it says & no more."),
        5: ("Love it", "Best I've had in years 😍"),
    },
    "fr": {1: ("Déçue", "Arrivé cassé."), 3: ("Correct", "Ça fait l’affaire."), 5: ("Parfait", "J’en rachèterai, c’est sûr !")},
}
# What reaches a shop's public forms sooner or later.
HOSTILE = (
    ("{{ person.email }}", "{% for x in y %}{{ x }}"),
    ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
    ("%%=v(@a)=%%", '=HYPERLINK("http://evil.example")'),
)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `shopify/wishlists` and `shopify/reviews`."""
    _write_wishlists(shop, extracts)
    _write_reviews(shop, extracts)


def _write_wishlists(shop: Shop, extracts: Extracts) -> None:
    accounts, clock, people = shop.records["shopify"], shop.clock, shop.people
    rng = stream(shop.seed, "wishlists")
    count = len(people) * 6 // 10
    account = rng.integers(0, len(accounts.frame), count)
    person, created = accounts.column("person")[account], accounts.column("created_at")[account]
    ends = np.maximum(np.minimum(shop.life.drops_at[person], clock.end), created + DAY)
    at = created + ((ends - created) * np.sqrt(rng.random(count))).astype(np.int64)
    order = np.lexsort((account, at))
    account, person, at = account[order], person[order], at[order]
    product = draw_products(people, shop.catalogue, person, at, np.full(count, -1), rng.random(count))
    variant = draw_variants(people, shop.catalogue, person, product, rng.random(count))
    removed = np.where(rng.random(count) < 0.25, at + rng.integers(3600, 60 * DAY, count), NEVER)
    ids = accounts.column("record_id")

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        added, gone = offset_texts(at[items]), offset_texts(np.minimum(removed[items], clock.end))
        return [
            {
                "id": 910_000 + int(number),
                "customer_id": int(ids[account[number]]),
                "product_id": int(shop.catalogue.product_id(product[number])),
                "variant_id": int(shop.catalogue.variant_id(variant[number])),
                "added_at": str(added[place]),
                "removed_at": str(gone[place]) if removed[number] < cutoff else None,
            }
            for place, number in enumerate(items)
        ]

    numbers = np.arange(count)
    extracts.put(WISHLISTS, np.tile(numbers, 2), np.concatenate((at, removed)), render)


def _write_reviews(shop: Shop, extracts: Extracts) -> None:
    bought, clock = shop.purchases, shop.clock
    rng = stream(shop.seed, "reviews")
    online = (bought.visits.channel != STORE)[bought.line_order] & (bought.visits.at < clock.end)[bought.line_order]
    line = np.flatnonzero(online & (rng.random(len(online)) < 0.05))
    at = bought.visits.at[bought.line_order[line]] + rng.integers(4 * DAY, 30 * DAY, len(line))
    order = np.lexsort((line, at))
    line, at = line[order], at[order]
    purchase = bought.line_order[line]
    person, owner = bought.visits.person[purchase], shop.owners[purchase]
    unhappy = bought.line_returned[line] > 0
    rating = np.where(unhappy, rng.integers(1, 4, len(line)), rng.choice((3, 4, 5), len(line), p=(0.15, 0.35, 0.5)))
    hostile = rng.random(len(line)) < 0.004
    product = shop.catalogue.product_id(shop.catalogue.variant_product[bought.line_variant[line]])
    emails, account_emails = shop.people.column("email"), shop.records["shopify"].column("email")
    language = shop.people.column("language")[person]

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = offset_texts(at[items])
        rows = []
        for place, number in enumerate(items):
            title, body = WORDS[language[number]][min(5, max(1, (int(rating[number]) + 1) // 2 * 2 - 1))]
            if hostile[number]:
                title, body = HOSTILE[number % len(HOSTILE)]
            email = account_emails[owner[number]].strip() if owner[number] >= 0 else emails[person[number]]
            rows.append(
                {
                    "id": 550_000 + int(number),
                    "product_id": int(product[number]),
                    "customer_email": email or None,
                    "rating": int(rating[number]),
                    "title": title,
                    "body": body,
                    "created_at": str(texts[place]),
                    "verified": bool(owner[number] >= 0),
                }
            )
        return rows

    extracts.put(REVIEWS, np.arange(len(line)), at, render)
