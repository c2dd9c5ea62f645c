"""What a mail shows of a customer's own: products recommended to them and the cart they left, as merge rows (`merge_fields`)."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dagster_project.warehouse import Warehouse

RECOMMENDED = """
select recommended.* replace (case when strategy = 'new_for_you' and is_new then 'new' else strategy end as strategy)
from campaigns.recommended_products as recommended
inner join campaigns.recipients as recipients using (as_of, customer_id)
where as_of = ? and recipients.campaign = ? and recipients.step = ? and recommended.strategy in (?, 'trending')
order by
    customer_id, recommended.strategy = 'trending', recommended.strategy = 'new_for_you' and is_new desc,
    ? and recommended.category is distinct from recipients.favourite_category, rank
"""
# Who stated what products must or must not be gets lists that were checked for it, and no others.
SIMILAR_TO_CART = """
select lines.customer_id, products.*, 'similar_to_cart' as strategy
from (select unnest(?) as customer_id, unnest(?) as product_id) as lines
inner join scores.product_relations as relations on lines.product_id = relations.product_id and relations.relation = 'similar_to'
inner join campaigns.catalogue as products on relations.as_of = products.as_of and relations.related_product_id = products.product_id
anti join profile.product_wishes as wishes on relations.as_of = wishes.as_of and lines.customer_id = wishes.customer_id
where relations.as_of = ?
qualify row_number() over (partition by lines.customer_id, products.product_id order by relations.score desc) = 1
order by lines.customer_id, relations.score desc, products.product_id
"""
TRENDING = """
select product_id, title, category, price, image_url, handle, count(*) as shown
from campaigns.recommended_products where as_of = ? and strategy = 'trending' group by all order by shown desc, product_id limit 8
"""
CATALOGUE = """
select product_id, sku, title, category, price, image_url, handle
from campaigns.catalogue where as_of = ? and (product_id in (select unnest(?)) or sku in (select unnest(?))) order by product_id
"""


def product_row(row: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """A product as a mail takes it; its page is the shop's own, by handle."""
    return {
        "product_id": row["product_id"],
        "title": row["title"],
        "category": row["category"],
        "price": row["price"],
        "currency": currency,
        "image_url": row["image_url"],
        "url": f"products/{row['handle']}" if row["handle"] else None,
        "reason": row.get("strategy"),
    }


def carts(warehouse: Warehouse, as_of: datetime, recipients: Iterable[Mapping[str, Any]], currency: str) -> dict[str, dict[str, Any]]:
    """Customer → the cart that their journey began with (`merge_fields.CartRow`), for those whose did: the source's own lines, and what these leave
    out from the catalogue as it was known (no shop's cart has pictures, a webhook names products by id alone)."""
    left = {row["customer_id"]: (row, json.loads(row["cart_items"])) for row in recipients if row["cart_items"]}
    names = sorted({_called(line)[1] for _, lines in left.values() for line in lines})
    found = warehouse.read(CATALOGUE, [as_of, names, names]).to_pylist() if names else []
    # A number that is a sku too is meant as what its line calls it.
    products = {(kind, product[kind]): product for kind in ("sku", "product_id") for product in found}
    return {
        customer: {
            "items": [_cart_item(line, products.get(_called(line)), currency, row["cart_currency"] or currency) for line in lines],
            "url": row["cart_url"],
            "total": row["cart_total"],
            "currency": currency,
        }
        for customer, (row, lines) in left.items()
    }


def _called(line: Mapping[str, Any]) -> tuple[str, str]:
    """By what a line names its product, and how."""
    kind = "product_id" if line.get("product_id") else "sku"
    return kind, str(line.get(kind) or "")


def _cart_item(line: Mapping[str, Any], product: Mapping[str, Any] | None, currency: str, stated_in: str) -> dict[str, Any]:
    """A line with its price in the shop's currency: one stated in another is left to the catalogue."""
    stated = {"product_id": _called(line)[1]} if product is None else product_row(product, currency)
    names = ("title", "price") if stated_in == currency else ("title",)
    said = {name: line[name] for name in names if line.get(name) not in (None, "")}
    return {**stated, **said, "currency": currency, "quantity": line.get("quantity")}


def recommended(
    warehouse: Warehouse, as_of: datetime, campaign: str, step: str, strategy: str, currency: str, favourite_first: bool
) -> dict[str, list[dict[str, Any]]]:
    """Customer → products to show: their own of the strategy first, then what is trending for them; with `favourite_first` of either those of
    the customer's favourite category first. Of those that are new to the customer, those that are new in the shop come before all others."""
    shown: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.read(RECOMMENDED, [as_of, campaign, step, strategy, favourite_first]).to_pylist():
        shown[row["customer_id"]].append(product_row(row, currency))
    return shown


def similar_to_carts(
    warehouse: Warehouse, as_of: datetime, left: Mapping[str, Mapping[str, Any]], currency: str
) -> dict[str, list[dict[str, Any]]]:
    """Customer → products like those of the cart they left (`carts`), the most alike first; nobody is profiled for it."""
    lines = [(customer, item["product_id"]) for customer, cart in left.items() for item in cart["items"]]
    shown: dict[str, list[dict[str, Any]]] = defaultdict(list)
    found = warehouse.read(SIMILAR_TO_CART, [*(list(column) for column in zip(*lines, strict=True)), as_of]).to_pylist() if lines else []
    for row in found:
        shown[row["customer_id"]].append(product_row(row, currency))
    return shown


def trending(warehouse: Warehouse, as_of: datetime, currency: str) -> Sequence[dict[str, Any]]:
    """What is trending in the shop, for customers of whom nothing is known."""
    return [product_row({**row, "strategy": "trending"}, currency) for row in warehouse.read(TRENDING, [as_of]).to_pylist()]
