"""Make the small shop's extracts: `python shops/small/make_extracts.py [FOLDER]`. Same code, same bytes.

Everything that happens to nightly extracts happens once in ten days, and tests know where: see INCIDENTS.
"""

import csv
import io
import json
import random
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

INCIDENTS = {
    "late row": "order 5003 of 3 March comes with the extract of 5 March",
    "correction": "order 5002 of 2 March has one piece less from the extract of 4 March on",
    "refund": "order 5001 of 1 March is refunded on 6 March",
    "cancellation": "order 5004 of 4 March is cancelled on 5 March",
    "repeated file": "the orders of 7 March come once more under another name",
    "bad rows": "4 March: an order in an unknown currency, a line that is no JSON, a contact without an id",
    "empty day": "8 March brings no rows at all",
    "merge": "contact 490 takes on 5 March the e-mail address of account 7499: two customers become one",
    "withdrawal": "contacts 11 to 13 unsubscribe in the night after 10 March",
}

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 10)
HISTORY = datetime(2026, 2, 28, 23)
CONTACT_HEADER = [
    "Record ID", "First Name", "Last Name", "Email", "Phone Number", "Street Address", "City", "State/Region", "Postal Code",
    "Country/Region", "Date of Birth", "Gender", "Preferred language", "Time Zone", "Lifecycle Stage", "Original Source", "Create Date",
    "Last Modified Date", "Unsubscribed from all email", "Legal basis for processing contact's data", "Marketing contact status",
    "Membership tier", "Interests", "Dietary preference", "Clothing size", "Preferred contact channel", "Favourite categories",
]  # fmt: skip
FIRST_NAMES = [
    "Anna",
    "Ben",
    "Chloé",
    "Dário",
    "Elif",
    "François",
    "Greta",
    "Håkon",
    "İpek",
    "Jürgen",
    "Krzysztof",
    "Léa",
    "Mehmet",
    "Nína",
    "Øyvind",
    "Paula",
    "Quirin",
    "Renée",
    "Søren",
    "Zoë",
]
LAST_NAMES = [
    "Ågren",
    "Baumann",
    "Çelik",
    "Dvořák",
    "Eßer",
    "Fernández",
    "Gößmann",
    "Huber",
    "İnan",
    "Jäger",
    "Kowalski",
    "Lindqvist",
    "Müller",
    "Nguyễn",
    "O'Neil",
    "Peña",
    "Schröder",
    "Ünal",
]
CITIES = [("Berlin", "Berlin", "10115"), ("Köln", "NRW", "50667"), ("München", "Bayern", "80331"), ("Leipzig", "Sachsen", "04109")]
PRODUCTS = [
    (901, "Espresso Hausmischung 1 kg", "Coffee", "Hollerbusch", "18.90"),
    (902, "Filterkaffee Äthiopien 500 g", "Coffee", "Hollerbusch", "13.50"),
    (903, "Grüner Tee Sencha 100 g", "Tea", "Teehof", "8.40"),
    (904, "Assam Blatt 250 g", "Tea", "Teehof", "9.90"),
    (905, "Handfilter Porzellan", "Kitchen", "Fjord & Ton", "24.00"),
    (906, "Kaffeemühle Mira", "Kitchen", "Fjord & Ton", "89.00"),
]


class Rows:
    """The rows of each extract: (system table, extracted_at) → rows."""

    def __init__(self) -> None:
        self.contacts: dict[datetime, list[dict[str, str]]] = {}
        self.customers: dict[datetime, list[dict[str, Any]]] = {}
        self.orders: dict[datetime, list[dict[str, Any]]] = {}


def pulled(day: date) -> datetime:
    """When a day's extracts are pulled: six in the morning after, Berlin time, in UTC."""
    return datetime(day.year, day.month, day.day) + timedelta(days=1, hours=5)


def person(number: int, chance: random.Random) -> dict[str, Any]:
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    city = chance.choice(CITIES)
    return {
        "number": number,
        "first": first,
        "last": last,
        "email": f"kunde{number:03d}@example.org",
        "city": city,
        "created": datetime(2025, 6, 1) + timedelta(minutes=chance.randrange(60 * 24 * 240)),
        "profiling": chance.random() < 0.85,
        "marketing": chance.random() < 0.8,
    }


def contact(who: dict[str, Any], modified: datetime, **changes: str) -> dict[str, str]:
    """A row of HubSpot's contact export, times on Berlin's clock (an hour ahead of UTC in winter)."""
    city, region, postal_code = who["city"]
    row = dict.fromkeys(CONTACT_HEADER, "") | {
        "Record ID": str(who["number"]),
        "First Name": who["first"],
        "Last Name": who["last"],
        "Email": who["email"],
        "Phone Number": f"030 {1000000 + who['number'] * 37}",
        "City": city,
        "State/Region": region,
        "Postal Code": postal_code,
        "Country/Region": "DE",
        "Preferred language": "de" if who["number"] % 4 else "en",
        "Lifecycle Stage": "customer",
        "Original Source": "Organic search",
        "Create Date": (who["created"] + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M"),
        "Last Modified Date": (modified + timedelta(hours=1)).strftime("%Y-%m-%d %H:%M"),
        "Unsubscribed from all email": "false",
        "Legal basis for processing contact's data": "Freely given consent from contact" if who["profiling"] else "Not applicable",
        "Membership tier": ("", "silver", "gold")[who["number"] % 3],
    }
    return row | changes


def account(who: dict[str, Any], updated: datetime) -> dict[str, Any]:
    """A Shopify customer."""
    city, region, postal_code = who["city"]
    state = "subscribed" if who["marketing"] else "not_subscribed"
    return {
        "id": 7000 + who["number"],
        "email": who["email"].upper() if who["number"] % 7 == 0 else who["email"],
        "created_at": iso(who["created"]),
        "updated_at": iso(updated),
        "first_name": who["first"],
        "last_name": who["last"],
        "state": "enabled",
        "verified_email": True,
        "tags": "",
        "currency": "EUR",
        "phone": None,
        "email_marketing_consent": {"state": state, "opt_in_level": "confirmed_opt_in", "consent_updated_at": iso(who["created"])},
        "default_address": {"address1": "Hauptstr. 1", "city": city, "province": region, "zip": postal_code, "country_code": "DE"},
    }


def iso(instant: datetime) -> str:
    """UTC instant as Shopify writes it for a shop in Berlin in winter."""
    return (instant + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S+01:00")


def order(number: int, who: dict[str, Any], at: datetime, chance: random.Random, guest: bool = False) -> dict[str, Any]:
    """A Shopify order of one to three lines."""
    lines = []
    for place in range(1, chance.randint(1, 3) + 1):
        product, title, _, _, price = chance.choice(PRODUCTS)
        lines.append(
            {
                "id": number * 10 + place,
                "product_id": product,
                "sku": f"HB-{product}",
                "title": title,
                "quantity": chance.choice((1, 1, 1, 2, 3)),
                "price": price,
                "total_discount": "0.00",
            }
        )
    return {
        "id": number,
        "name": f"#{number}",
        "created_at": iso(at),
        "updated_at": iso(at),
        "cancelled_at": None,
        "currency": "EUR",
        "customer": None if guest else {"id": 7000 + who["number"]},
        "email": who["email"],
        "financial_status": "paid",
        "source_name": "web",
        "total_price": f"{sum(float(line['price']) * line['quantity'] for line in lines):.2f}",
        "landing_site": "/",
        "discount_codes": [],
        "line_items": lines,
        "refunds": [],
    }


def make_rows() -> tuple[Rows, list[dict[str, Any]]]:
    chance = random.Random(20260301)
    people = [person(number, chance) for number in range(1, 501)]
    by_number = {who["number"]: who for who in people}
    for number in range(10, 18):
        by_number[number].update(profiling=True, marketing=True)
    rows = Rows()
    nights = [HISTORY] + [pulled(FIRST + timedelta(days=n)) for n in range(10)]
    for night in nights:
        rows.contacts[night], rows.customers[night], rows.orders[night] = [], [], []
    for who in people:
        if who["number"] % 10 != 9:
            rows.contacts[HISTORY].append(contact(who, who["created"]))
        if who["number"] % 10 != 8:
            rows.customers[HISTORY].append(account(who, who["created"]))
    past_orders(rows, people, chance)
    ten_days(rows, people, chance, nights)
    incidents(rows, by_number, chance)
    return rows, people


def past_orders(rows: Rows, people: list[dict[str, Any]], chance: random.Random) -> None:
    number = 1000
    for who in people:
        if who["number"] in range(10, 18):
            # These become lapsing buyers on the last day, and not before: 45 days after 24 January.
            moments = [datetime(2026, 1, 24, 12, who["number"])]
        elif who["number"] % 5 == 0:
            continue
        else:
            moments = sorted(HISTORY - timedelta(minutes=chance.randrange(60 * 24 * 200)) for _ in range(chance.choice((1, 1, 2, 3, 5))))
        for at in moments:
            if at >= who["created"]:
                number += 1
                rows.orders[HISTORY].append(order(number, who, at, chance, guest=who["number"] % 10 == 8))


def ten_days(rows: Rows, people: list[dict[str, Any]], chance: random.Random, nights: list[datetime]) -> None:
    buyers = [who for who in people if who["number"] not in range(1, 20)]
    number = 5100
    for place, night in enumerate(nights[1:]):
        day = FIRST + timedelta(days=place)
        if day == date(2026, 3, 8):
            continue
        for who in sorted(chance.sample(buyers, 12), key=lambda one: one["number"]):
            number += 1
            at = datetime(day.year, day.month, day.day) + timedelta(minutes=chance.randrange(60 * 22))
            rows.orders[night].append(order(number, who, at, chance, guest=who["number"] % 10 == 8))
        for who in sorted(chance.sample(buyers, 4), key=lambda one: one["number"]):
            if who["number"] % 10 != 9:
                changed = datetime(day.year, day.month, day.day) + timedelta(minutes=chance.randrange(60 * 22))
                rows.contacts[night].append(contact(who, changed, City="Hamburg"))


def incidents(rows: Rows, people: dict[int, dict[str, Any]], chance: random.Random) -> None:
    days = {n: pulled(date(2026, 3, n)) for n in range(1, 11)}
    refunded = order(5001, people[21], datetime(2026, 3, 1, 9), chance)
    rows.orders[days[1]].append(refunded)
    line = refunded["line_items"][0]
    refund = {
        "id": 61,
        "created_at": iso(datetime(2026, 3, 6, 10)),
        "refund_line_items": [{"id": 611, "line_item_id": line["id"], "quantity": 1, "subtotal": line["price"]}],
    }
    rows.orders[days[6]].append({**refunded, "updated_at": iso(datetime(2026, 3, 6, 10)), "refunds": [refund]})

    corrected = order(5002, people[22], datetime(2026, 3, 2, 9), chance)
    corrected["line_items"][0]["quantity"] = 3
    rows.orders[days[2]].append(corrected)
    fewer = [{**corrected["line_items"][0], "quantity": 2}, *corrected["line_items"][1:]]
    rows.orders[days[4]].append({**corrected, "updated_at": iso(datetime(2026, 3, 4, 8)), "line_items": fewer})

    rows.orders[days[5]].append(order(5003, people[23], datetime(2026, 3, 3, 15), chance))

    cancelled = order(5004, people[24], datetime(2026, 3, 4, 15), chance)
    rows.orders[days[4]].append(cancelled)
    rows.orders[days[5]].append({**cancelled, "updated_at": iso(datetime(2026, 3, 5, 9)), "cancelled_at": iso(datetime(2026, 3, 5, 9))})

    rows.orders[days[4]].append({**order(5005, people[25], datetime(2026, 3, 4, 16), chance), "currency": "XXX"})
    rows.contacts[days[4]].append(contact(people[26], datetime(2026, 3, 4, 9)) | {"Record ID": ""})
    rows.contacts[days[5]].append(contact(people[490], datetime(2026, 3, 5, 8), Email=people[499]["email"]))
    for number in (11, 12, 13):
        withdrawn = contact(people[number], datetime(2026, 3, 11, 1), **{"Unsubscribed from all email": "true"})
        rows.contacts[days[10]].append(withdrawn)


def as_csv(rows: list[dict[str, str]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, CONTACT_HEADER, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows).encode()


def products() -> list[dict[str, Any]]:
    created = iso(datetime(2025, 5, 1))
    return [
        {
            "id": product,
            "title": title,
            "body_html": f"<p>{title}</p>",
            "vendor": brand,
            "product_type": category,
            "handle": f"p-{product}",
            "tags": category.lower(),
            "status": "active",
            "created_at": created,
            "updated_at": created,
            "variants": [{"id": product * 10, "sku": f"HB-{product}", "price": price, "inventory_quantity": 40}],
            "images": [],
        }
        for product, title, category, brand, price in PRODUCTS
    ]


def make(folder: Path) -> None:
    rows, _ = make_rows()
    files: dict[str, bytes] = {f"shopify/products/products_{HISTORY:%Y%m%dT%H%M%SZ}.jsonl": as_jsonl(products())}
    for night in rows.orders:
        stamp = f"{night:%Y%m%dT%H%M%SZ}"
        files[f"hubspot/contacts/contacts_{stamp}.csv"] = as_csv(rows.contacts[night])
        files[f"shopify/customers/customers_{stamp}.jsonl"] = as_jsonl(rows.customers[night])
        files[f"shopify/orders/orders_{stamp}.jsonl"] = as_jsonl(rows.orders[night])
    files["shopify/orders/orders_20260305T050000Z.jsonl"] += b'{"id": 5006, "created_at": "2026-03-04T1\n'
    files["shopify/orders/orders_again_20260309T050000Z.jsonl"] = files["shopify/orders/orders_20260308T050000Z.jsonl"]
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "extracts")
