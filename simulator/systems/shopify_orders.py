"""Shopify: orders as the REST Admin API returns them (one JSON object a line).

An order is pulled again whole whenever it changes: corrected lines, a cancellation, a refund.
"""

import numpy as np

from simulator.behaviour import APP, STORE
from simulator.clock import DAY, NEVER, offset_texts, stream
from simulator.dirt import Break, Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shelves import CATEGORIES
from simulator.shop import Shop
from simulator.systems.shopify_customers import address_of


def negative_quantity(row: Row) -> Row:
    """The row with a first line of fewer than no pieces."""
    lines = [dict(line) for line in row["line_items"]]
    lines[0]["quantity"] = -lines[0]["quantity"]
    return {**row, "line_items": lines}


ORDERS = Table(
    "shopify",
    "orders",
    "jsonl",
    breaks=(
        set_to("missing id", "id", None),
        set_to("unparsable date", "created_at", "2026-13-01T10:00:00+01:00"),
        Break("negative quantity", "line_items", negative_quantity),
        set_to("unknown currency", "currency", "XXX"),
    ),
)
LANDINGS = (
    "/",
    "/collections/all",
    "/?utm_source=google&utm_medium=cpc&utm_campaign=brand",
    "/?utm_source=instagram&utm_medium=paid_social&utm_campaign=spring",
    "/search?q=geschenk",
)
REASONS = ("customer", "inventory", "fraud", "declined", "other")


def money(cents: int) -> str:
    """Cents as the API writes money: `12.90`."""
    return f"{cents // 100}.{cents % 100:02d}"


def order_numbers(shop: Shop) -> np.ndarray:
    """The running number of each purchase among the shop's online orders, -1 for store purchases."""
    online = shop.purchases.visits.channel != STORE
    return np.where(online, np.cumsum(online) - 1, -1)


def order_id(number: int) -> int:
    """The shop's id of an order, from its running number."""
    return 5_600_000_000_000 + 32_768 * (int(number) + 1)


def cart_token(cart: int) -> str:
    """The token of a left cart, from its number."""
    return f"c1-{(cart + 1) * 2654435761 % (1 << 32):08x}{cart:08x}"


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `shopify/orders`."""
    bought, visits, catalogue, people = shop.purchases, shop.purchases.visits, shop.catalogue, shop.people
    rng = stream(shop.seed, "shopify orders")
    count = len(visits.person)
    landing, reason = rng.integers(0, len(LANDINGS), count), rng.integers(0, len(REASONS), count)
    guest_emails = _guest_emails(shop, rng)
    numbers = order_numbers(shop)
    accounts = shop.records["shopify"].frame.to_dict("records")
    about = people.frame.to_dict("records")
    carts = {int(order): cart for cart, order in enumerate(shop.carts.order) if order >= 0}
    moves = people.column("moved_at") < shop.clock.end + DAY
    vat = np.array([shelf.vat_percent for shelf in CATEGORIES])[catalogue.category]
    line_ends = np.append(bought.first_line[1:], len(bought.line_order))
    columns = (bought.line_variant, bought.line_quantity, bought.line_price, bought.line_returned)
    percent = bought.line_percent[bought.first_line]
    variant_sku, titles, options = catalogue.variant_sku, catalogue.title, catalogue.variant_option

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = {
            name: offset_texts(np.minimum(moments[items], shop.clock.end))
            for name, moments in (
                ("created", visits.at),
                ("edited", bought.edited_at),
                ("cancelled", bought.cancelled_at),
                ("refunded", bought.refunded_at),
            )
        }
        return [_order(int(number), place, cutoff, texts) for place, number in enumerate(items)]

    def _order(number: int, place: int, cutoff: int, texts: dict[str, np.ndarray]) -> Row:
        who, code = int(visits.person[number]), bought.code[number]
        created = str(texts["created"][place])
        cancelled, refunded = bought.cancelled_at[number] < cutoff, bought.refunded_at[number] < cutoff
        edited, to_edit = bought.edited_at[number] < cutoff, cutoff <= bought.edited_at[number] < NEVER
        key = order_id(numbers[number])
        lines, refund_lines = [], []
        subtotal = discounts = tax = back = 0
        begin, until = int(bought.first_line[number]), int(line_ends[number])
        for line in range(begin, until):
            variant, quantity, price, returned = (int(column[line]) for column in columns)
            quantity += 1 if to_edit and line == begin else 0
            product = int(catalogue.variant_product[variant])
            discount = price * quantity * int(percent[number]) // 100
            paid = price * quantity - discount
            subtotal, discounts = subtotal + paid, discounts + discount
            rate = int(vat[product])
            line_tax = paid - (paid * 100 + (100 + rate) // 2) // (100 + rate)
            tax += line_tax
            line_id = 14_100_000_000_000 + 32_768 * (line + 1)
            pieces = quantity if cancelled else returned if refunded else 0
            if pieces:
                given = paid * pieces // quantity
                back += given
                refund_lines.append(
                    {"id": line_id + 3, "line_item_id": line_id, "quantity": pieces, "restock_type": "return", "subtotal": given / 100}
                )
            lines.append(
                {
                    "id": line_id,
                    "product_id": int(catalogue.product_id(product)),
                    "variant_id": int(catalogue.variant_id(variant)),
                    "sku": variant_sku[variant],
                    "title": titles[product],
                    "variant_title": options[variant],
                    "vendor": catalogue.brands[catalogue.brand[product]],
                    "quantity": quantity,
                    "price": money(price),
                    "total_discount": "0.00",
                    "discount_allocations": [{"amount": money(discount), "discount_application_index": 0}] if discount else [],
                    "tax_lines": [{"price": money(line_tax), "rate": rate / 100, "title": "MwSt"}],
                }
            )
        shipping = int(bought.shipping[number])
        refunds = []
        if refund_lines:
            when = str(texts["cancelled" if cancelled else "refunded"][place])
            amount = back + (shipping if cancelled else 0)
            refunds.append(
                {
                    "id": key + 11,
                    "created_at": when,
                    "note": None,
                    "refund_line_items": refund_lines,
                    "transactions": [{"id": key + 13, "kind": "refund", "status": "success", "amount": money(amount), "currency": "EUR"}],
                }
            )
        updated = max(
            (moment, text)
            for moment, text, done in (
                (visits.at[number], created, True),
                (bought.edited_at[number], str(texts["edited"][place]), edited),
                (bought.cancelled_at[number], str(texts["cancelled"][place]), cancelled),
                (bought.refunded_at[number], str(texts["refunded"][place]), refunded),
            )
            if done
        )[1]
        owner = int(shop.owners[number])
        record = accounts[owner] if owner >= 0 else None
        real = about[who]
        address = address_of(real, not moves[who] or bool(real["moved_at"] < visits.at[number]))
        name = (record["first_name"], record["last_name"]) if record else (real["first_name"], real["last_name"])
        site = LANDINGS[landing[number]]
        if visits.campaign[number] >= 0:
            campaign = shop.campaigns[visits.campaign[number]]
            site = f"/?utm_source=klaviyo&utm_medium=email&utm_campaign={campaign.slug}&utm_content={'ab'[visits.variant[number]]}"
        app = visits.channel[number] == APP
        full = bool(refund_lines) and back >= subtotal
        return {
            "id": key,
            "name": f"#{1001 + int(numbers[number])}",
            "email": record["email"].strip() or None if record else guest_emails[number],
            "phone": (record["phone"] or None) if record else None,
            "created_at": created,
            "updated_at": updated,
            "processed_at": created,
            "cancelled_at": str(texts["cancelled"][place]) if cancelled else None,
            "cancel_reason": REASONS[reason[number]] if cancelled else None,
            "currency": "EUR",
            "financial_status": "refunded" if cancelled or full else "partially_refunded" if refund_lines else "paid",
            "fulfillment_status": None if cancelled else "fulfilled",
            "source_name": ("iphone" if number % 2 else "android") if app else "web",
            "taxes_included": True,
            "total_line_items_price": money(subtotal + discounts),
            "subtotal_price": money(subtotal),
            "total_discounts": money(discounts),
            "total_tax": money(tax),
            "total_price": money(subtotal + shipping),
            "total_shipping_price_set": {"shop_money": {"amount": money(shipping), "currency_code": "EUR"}},
            "discount_codes": [{"code": code, "amount": money(discounts), "type": "percentage"}] if code else [],
            "discount_applications": [
                {
                    "type": "discount_code",
                    "code": code,
                    "value": f"{percent[number]}.0",
                    "value_type": "percentage",
                    "allocation_method": "across",
                    "target_type": "line_item",
                }
            ]
            if code
            else [],
            "customer": {"id": int(record["record_id"])} if record else None,
            "customer_locale": f"{real['language']}-{real['country']}",
            "cart_token": cart_token(carts[number]) if number in carts else None,
            "landing_site": None if app else site,
            "client_details": {
                "accept_language": f"{real['language']}-{real['country']}",
                "user_agent": "ShopApp/4.2" if app else "Mozilla/5.0",
            },
            "shipping_address": {"first_name": name[0], "last_name": name[1], **address},
            "line_items": lines,
            "refunds": refunds,
        }

    online = np.flatnonzero((visits.at < shop.clock.end) & (numbers >= 0))
    changes = [moments[online] for moments in (visits.at, bought.edited_at, bought.cancelled_at, bought.refunded_at)]
    extracts.put(ORDERS, np.tile(online, 4), np.concatenate(changes), render)


def _guest_emails(shop: Shop, rng: np.random.Generator) -> dict[int, str]:
    """The address left with each guest order: one's own, seldom in capitals or the firm's."""
    emails, firms = shop.people.column("email"), shop.people.column("firm_email")
    guests = np.flatnonzero(shop.purchases.guest & (shop.purchases.visits.at < shop.clock.end))
    written = {}
    for number, draw in zip(guests, rng.random(len(guests)), strict=True):
        who = shop.purchases.visits.person[number]
        email = firms[who] if firms[who] and draw < 0.5 else emails[who]
        written[int(number)] = email.upper() if draw > 0.98 else email
    return written
