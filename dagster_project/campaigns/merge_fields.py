"""The merge-field dictionary: what a row of input may hold, and what of it a template may count on.

A row is one customer of one campaign step and variant. Everything but `customer_id` may be missing, empty or nonsense; `merge` returns
a dictionary in which every field exists, is clean (`escaping.clean`), written in the customer's language, or is None.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, TypedDict
from urllib.parse import quote

from dagster_project.campaigns.brand import Brand
from dagster_project.campaigns.escaping import clean, is_code, person_name, readable
from dagster_project.campaigns.language import Language
from dagster_project.campaigns.links import safe_url

PRODUCTS_SHOWN = 4
CART_LINES_SHOWN = 8


class ProductRow(TypedDict, total=False):
    """A product to show. `price` in `currency` (ISO), `reason` a code of the language's `reasons`; addresses may be relative."""

    product_id: str
    title: str
    category: str
    price: Decimal
    currency: str
    image_url: str
    url: str
    reason: str


class CartItemRow(ProductRow, total=False):
    """A line of a cart: a product with its unit price and how many of it."""

    quantity: int


class CartRow(TypedDict, total=False):
    """A cart that was left; `url` leads back into it."""

    items: Sequence[CartItemRow]
    url: str
    total: Decimal
    currency: str


class OfferRow(TypedDict, total=False):
    """The customer's own code."""

    code: str
    percent: int
    valid_until: date


class CustomerRow(TypedDict, total=False):
    """One customer as `content.render` takes them; only `customer_id` must be there."""

    customer_id: str
    first_name: str
    language: str
    country: str
    region: str
    city: str
    membership_tier: str
    favourite_category: str
    permission: str  # consent, or purchase: a soft opt-in
    recommendations: Sequence[ProductRow]
    cart: CartRow
    offer: OfferRow


def merge(
    row: Mapping[str, Any], language: Language, brand: Brand, fallback_products: Sequence[Mapping[str, Any]] = (), link: str = "home"
) -> dict[str, Any]:
    """The merge fields of one customer. Same row, same dictionary.

    `fallback_products` (what is trending) fill up to four when the customer's own recommendations do not suffice.
    """
    country = (clean(row.get("country"), 60) or "").upper() or None
    tier = clean(row.get("membership_tier"), 40)
    category = clean(row.get("favourite_category"), 60)
    cart = _cart(row.get("cart"), language, brand)
    products = _products(row.get("recommendations"), fallback_products, cart, language, brand)
    offer = _offer(row.get("offer"), language)
    fields = {
        "customer_id": str(row["customer_id"]),
        "language": language.code,
        "first_name": person_name(row.get("first_name")),
        "city": clean(row.get("city"), 60),
        "region": clean(row.get("region"), 60),
        "country": country,
        "country_name": language.countries.get(country) if country else None,
        "membership_tier": tier.lower() if tier else None,
        "tier_name": language.tiers.get(tier.lower(), tier) if tier else None,
        "favourite_category": _category_name(category, language, brand) if category else None,
        "products": products,
        "product_count": len(products),
        "product_title": products[0]["title"] if products else None,
        "product_reason": products[0]["reason_code"] if products else None,
        "product_category": products[0]["category_name"] if products else None,
        "permission": clean(row.get("permission"), 20),
        "cart": cart,
        "cart_title": cart["lines"][0]["title"] if cart else None,
        "cart_count": cart["count"] if cart else None,
        "cart_total": cart["total"] if cart else None,
        "offer": offer,
        "offer_code": offer["code"] if offer else None,
        "offer_percent": offer["percent"] if offer else None,
        "offer_until": offer["until"] if offer else None,
        "brand_name": brand.name,
        "button_url": _button_url(link, category, cart, brand),
    }
    return {**fields, "level": _level(fields)}


def _category_name(category: str, language: Language, brand: Brand) -> str | None:
    """What a category is called; a number that the brand has no word for is nothing to say to anybody."""
    return brand.categories.get(category.lower(), {}).get(language.code, None if category.isdecimal() else category)


def _level(fields: Mapping[str, Any]) -> int:
    """How personal the mail is: 3 chosen for this person, 2 for people like them, 1 by name, 0 the same for everybody."""
    chosen = any(product["reason_code"] != "trending" for product in fields["products"])
    if fields["cart"] or chosen:
        return 3
    if fields["favourite_category"] or fields["membership_tier"] or fields["city"] or fields["region"]:
        return 2
    return 1 if fields["first_name"] else 0


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _product(item: Mapping[str, Any], language: Language, brand: Brand) -> dict[str, Any] | None:
    title = clean(item.get("title"))
    # A catalogue without names calls a product by its number, which says nothing to anybody; one without numbers by its name.
    if title is None or (title == item.get("product_id") and is_code(title)):
        return None
    code = item.get("reason")
    category = clean(item.get("category"), 60)
    return {
        "product_id": clean(str(item.get("product_id") or title), 80),
        "title": title,
        "initial": next((c.upper() for c in readable(title) if c.isalnum()), "•"),
        "category": (category or "").lower(),
        "category_name": _category_name(category, language, brand) if category else None,
        "price": language.amount(item.get("price"), item.get("currency")),
        "image_url": safe_url(item.get("image_url"), brand.hosts, brand.urls.images),
        "url": safe_url(item.get("url"), brand.hosts, brand.urls.home) or brand.urls.home,
        "reason": language.reasons.get(code) if isinstance(code, str) else None,
        "reason_code": code if isinstance(code, str) and code in language.reasons else None,
    }


def _products(
    own: object, fallback: Sequence[Mapping[str, Any]], cart: Mapping[str, Any] | None, language: Language, brand: Brand
) -> list[dict[str, Any]]:
    seen = {line["product_id"] for line in cart["lines"]} if cart else set()
    products: list[dict[str, Any]] = []
    trending = ({**item, "reason": "trending"} for item in fallback)
    for item in chain(_items(own), trending):
        if len(products) == PRODUCTS_SHOWN:
            break
        product = _product(item, language, brand)
        if product and product["product_id"] not in seen:
            seen.add(product["product_id"])
            products.append({**product, "place": len(products) + 1})
    # Two stand in a row; a lone third would be as wide as both above it.
    return products[: len(products) // 2 * 2] if len(products) > 1 else products


def _cart(value: object, language: Language, brand: Brand) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    lines: list[dict[str, Any]] = []
    total: Decimal | None = Decimal(0)
    for item in _items(value.get("items")):
        product = _product(item, language, brand)
        if product is None:
            continue
        quantity = item.get("quantity")
        quantity = int(quantity) if isinstance(quantity, int | float | Decimal) and 1 <= quantity < 1000 else 1
        price = _decimal(item.get("price"))
        amount = price * quantity if price is not None else None
        total = total + amount if total is not None and amount is not None else None
        lines.append({**product, "place": len(lines) + 1, "quantity": quantity, "price": language.amount(amount, item.get("currency"))})
    if not lines:
        return None
    currency = value.get("currency") or next((item.get("currency") for item in _items(value["items"]) if item.get("currency")), None)
    stated = _decimal(value.get("total"))
    return {
        "lines": lines[:CART_LINES_SHOWN],
        "count": len(lines),
        "total": language.amount(stated if stated is not None else total, currency),
        "url": safe_url(value.get("url"), brand.hosts, brand.urls.home) or brand.urls.cart,
    }


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value)) if value is not None and not isinstance(value, bool) else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and number >= 0 else None


def _offer(value: object, language: Language) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    code, percent = value.get("code"), value.get("percent")
    if not isinstance(code, str) or not 3 <= len(code) <= 32 or not code.isascii() or not code.replace("-", "").isalnum():
        return None
    if isinstance(percent, bool) or not isinstance(percent, int | float | Decimal) or not 1 <= percent <= 90:
        return None
    return {"code": code, "percent": int(percent), "until": language.day(value.get("valid_until"))}


def _button_url(link: str, category: str | None, cart: Mapping[str, Any] | None, brand: Brand) -> str:
    if link == "cart":
        return str(cart["url"]) if cart else brand.urls.cart
    if link == "category":
        if not category:
            return brand.urls.new
        slug = quote(readable(category).lower().replace(" ", "-"), safe="")
        return safe_url(brand.urls.category.replace("{category}", slug), brand.hosts, brand.urls.home) or brand.urls.new
    return brand.urls.new if link == "new" else brand.urls.home
