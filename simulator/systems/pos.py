"""The stores' tills: one CSV row per receipt line, local time without an offset, most receipts without a name."""

import numpy as np

from simulator.baskets import draw_products, draw_variants
from simulator.behaviour import STORE
from simulator.clock import at_local, local_days, local_texts, stream
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.people import STORES
from simulator.shop import Shop
from simulator.systems.shopify_orders import money

TILL_CARD = "LC00000000"
RECEIPTS = Table(
    "pos",
    "receipts",
    "csv",
    columns=(
        "receipt_no",
        "line_no",
        "store_id",
        "store_city",
        "sold_at",
        "loyalty_card",
        "sku",
        "qty",
        "unit_price",
        "discount",
        "total",
        "currency",
        "cashier",
    ),
    breaks=(
        set_to("missing id", "receipt_no", ""),
        set_to("unparsable date", "sold_at", "2026-02-30 12:00:00"),
        set_to("negative quantity", "qty", "-1"),
        set_to("unknown currency", "currency", "XXX"),
    ),
)


def receipt_no(number: int) -> str:
    """The number printed on a receipt: of a purchase its number, of a passer-by one counted from 500 million."""
    return f"R{number:09d}"


def cards_shown(shop: Shop) -> np.ndarray:
    """The card on each purchase's receipt: one's own, none when forgotten, the till's shared one when the cashier helps."""
    draw = stream(shop.seed, "pos cards").random(len(shop.purchases.code))
    own = shop.people.column("card")[shop.purchases.visits.person].astype(object)
    return np.where(draw < 0.88, own, np.where(draw < 0.96, "", TILL_CARD))


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `pos/receipts`: the store purchases of card holders, and those of passers-by."""
    bought, visits, catalogue, clock = shop.purchases, shop.purchases.visits, shop.catalogue, shop.clock
    rng = stream(shop.seed, "pos strangers")
    ours = np.flatnonzero((visits.channel[bought.line_order] == STORE) & (visits.at[bought.line_order] < clock.end))
    order = bought.line_order[ours]
    count = max(len(shop.people) * 15 // 100, 5)
    first, last = local_days(np.array([clock.start, clock.end - 1]))
    day = rng.integers(first, last + 1, count)
    day = np.where((day + 3) % 7 == 6, np.maximum(day - 1, first), day)
    at = np.sort(at_local(day, rng.integers(9 * 3600, 20 * 3600, count), "Europe/Berlin"))
    receipt = np.repeat(np.arange(count), 1 + rng.poisson(0.6, count))
    nobody = np.full(len(receipt), -1)
    product = draw_products(shop.people, catalogue, nobody, at[receipt], nobody, rng.random(len(receipt)))
    variant = draw_variants(shop.people, catalogue, nobody, product, rng.random(len(receipt)))
    _, kept = np.unique(receipt * len(catalogue.variant_sku) + variant, return_index=True)
    receipt, variant = receipt[kept], variant[kept]
    cities = list(STORES)
    home = shop.people.column("city")[visits.person[order]].astype(str)
    city = np.concatenate((home, np.array(cities)[rng.integers(0, len(cities), count)][receipt]))
    stranger_card = np.where(rng.random(count) < 0.15, TILL_CARD, "")[receipt]
    number = np.concatenate((order, 500_000_000 + receipt))
    card = np.concatenate((cards_shown(shop)[order], stranger_card))
    moment = np.concatenate((visits.at[order], at[receipt]))
    variants = np.concatenate((bought.line_variant[ours], variant))
    quantity = np.concatenate((bought.line_quantity[ours], np.ones(len(receipt), dtype=np.int64)))
    price = np.concatenate((bought.line_price[ours], catalogue.price_at(variant, at[receipt])))
    discount = np.concatenate(
        ((bought.line_price * bought.line_quantity - bought.line_paid(bought.line_quantity))[ours], np.zeros(len(receipt), dtype=np.int64))
    )
    lines = np.concatenate((ours - bought.first_line[order], np.arange(len(receipt)) - np.searchsorted(receipt, receipt))) + 1
    cashier = number % 7 + 1

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = local_texts(moment[items])
        return [
            {
                "receipt_no": receipt_no(int(number[row])),
                "line_no": int(lines[row]),
                "store_id": STORES.get(city[row], "S01"),
                "store_city": city[row],
                "sold_at": str(texts[place]),
                "loyalty_card": card[row],
                "sku": catalogue.variant_sku[variants[row]],
                "qty": int(quantity[row]),
                "unit_price": money(int(price[row])),
                "discount": money(int(discount[row])),
                "total": money(int(price[row] * quantity[row] - discount[row])),
                "currency": "EUR",
                "cashier": f"K{cashier[row]:02d}",
            }
            for place, row in enumerate(items)
        ]

    extracts.put(RECEIPTS, np.arange(len(moment)), moment, render)
