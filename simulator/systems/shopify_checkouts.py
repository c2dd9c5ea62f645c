"""Shopify: abandoned checkouts as the REST Admin API returns them (one JSON object a line)."""

import numpy as np

from simulator.clock import offset_texts, stream
from simulator.consent import EMAIL
from simulator.dirt import Break, Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop
from simulator.systems.shopify_orders import cart_token, money, negative_quantity

CHECKOUTS = Table(
    "shopify",
    "checkouts",
    "jsonl",
    breaks=(
        set_to("missing id", "id", None),
        set_to("unparsable date", "created_at", ""),
        Break("negative quantity", "line_items", negative_quantity),
        set_to("unknown currency", "currency", "XXX"),
    ),
)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `shopify/checkouts`: a row when a checkout is begun, and again when it becomes an order."""
    carts, catalogue = shop.carts, shop.catalogue
    accounts = shop.records["shopify"]
    rng = stream(shop.seed, "shopify checkouts")
    draw, nameless = rng.random(len(carts.at)), rng.random(len(carts.at)) < 0.06
    owner = accounts.owner_at(carts.person, carts.at, draw)
    created = accounts.column("created_at")
    owner = np.where((owner >= 0) & (created[np.maximum(owner, 0)] <= carts.at) & (draw < 0.8), owner, -1)
    became = np.maximum(carts.order, 0)
    owner = np.where(carts.order >= 0, shop.owners[became], owner)
    known = accounts.frame.to_dict("records")
    emails, phones, languages = (shop.people.column(name)[carts.person] for name in ("email", "phone", "language"))
    prices = catalogue.price_at(carts.line_variant, carts.at[carts.line_cart])
    ends = np.append(carts.first_line[1:], len(carts.line_cart))
    accepts = shop.consents.given(carts.person, EMAIL, carts.at)

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        made, done = offset_texts(carts.at[items]), offset_texts(np.minimum(carts.completed_at[items], shop.clock.end))
        rows = []
        for place, number in enumerate(items):
            completed = bool(carts.completed_at[number] < cutoff)
            token = cart_token(int(number))
            key = 38_200_000_000_000 + 32_768 * (int(number) + 1)
            lines, total = [], 0
            for line in range(int(carts.first_line[number]), int(ends[number])):
                variant, quantity = int(carts.line_variant[line]), int(carts.line_quantity[line])
                product = int(catalogue.variant_product[variant])
                price = int(prices[line])
                total += price * quantity
                lines.append(
                    {
                        "key": f"{line:08x}",
                        "product_id": int(catalogue.product_id(product)),
                        "variant_id": int(catalogue.variant_id(variant)),
                        "sku": catalogue.variant_sku[variant],
                        "title": catalogue.title[product],
                        "variant_title": catalogue.variant_option[variant],
                        "quantity": quantity,
                        "price": money(price),
                    }
                )
            record = known[owner[number]] if owner[number] >= 0 else None
            email = (record["email"].strip() or None) if record else emails[number]
            only_phone = bool(nameless[number]) and carts.order[number] < 0
            rows.append(
                {
                    "id": key,
                    "token": f"{key:x}{token[3:]}",
                    "cart_token": token,
                    "email": None if only_phone else email,
                    "phone": phones[number] if only_phone else None,
                    "created_at": str(made[place]),
                    "updated_at": str(done[place] if completed else made[place]),
                    "completed_at": str(done[place]) if completed else None,
                    "currency": "EUR",
                    "buyer_accepts_marketing": bool(accepts[number]),
                    "abandoned_checkout_url": f"https://shop.example/checkouts/ac/{token}/recover?key={key:x}",
                    "subtotal_price": money(total),
                    "total_discounts": "0.00",
                    "total_line_items_price": money(total),
                    "total_price": money(total),
                    "taxes_included": True,
                    "customer": {"id": int(record["record_id"])} if record and not only_phone else None,
                    "customer_locale": languages[number],
                    "line_items": lines,
                }
            )
        return rows

    numbers = np.arange(len(carts.at))
    extracts.put(CHECKOUTS, np.tile(numbers, 2), np.concatenate((carts.at, carts.completed_at)), render)
