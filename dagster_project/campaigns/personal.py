"""What a mail shows of a customer's own: products recommended to them, as merge rows (`merge_fields.ProductRow`)."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dagster_project.warehouse import Warehouse

RECOMMENDED = """
select recommended.* from campaigns.recommended_products as recommended
inner join campaigns.recipients as recipients using (as_of, customer_id)
where as_of = ? and recipients.campaign = ? and recipients.step = ? and recommended.strategy in (?, 'trending')
order by customer_id, strategy = 'trending', ? and recommended.category is distinct from recipients.favourite_category, rank
"""
TRENDING = """
select product_id, title, category, price, image_url, handle, count(*) as shown
from campaigns.recommended_products where as_of = ? and strategy = 'trending' group by all order by shown desc, product_id limit 8
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


def cart_row(row: Mapping[str, Any], currency: str) -> dict[str, Any] | None:
    """The cart that a journey began with (`merge_fields.CartRow`), from the source's own lines; None where it began otherwise."""
    if not row["cart_items"]:
        return None
    lines = json.loads(row["cart_items"])
    items = [
        {
            "product_id": str(line.get("product_id") or line.get("sku") or ""),
            "title": line.get("title"),
            "price": line.get("price"),
            "currency": currency,
            "quantity": line.get("quantity"),
        }
        for line in lines
    ]
    return {"items": items, "url": row["cart_url"], "total": row["cart_total"], "currency": currency}


def recommended(
    warehouse: Warehouse, as_of: datetime, campaign: str, step: str, strategy: str, currency: str, favourite_first: bool
) -> dict[str, list[dict[str, Any]]]:
    """Customer → products to show: their own of the strategy first, then what is trending for them; with `favourite_first` of either those of
    the customer's favourite category first."""
    shown: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in warehouse.read(RECOMMENDED, [as_of, campaign, step, strategy, favourite_first]).to_pylist():
        shown[row["customer_id"]].append(product_row(row, currency))
    return shown


def trending(warehouse: Warehouse, as_of: datetime, currency: str) -> Sequence[dict[str, Any]]:
    """What is trending in the shop, for customers of whom nothing is known."""
    return [product_row({**row, "strategy": "trending"}, currency) for row in warehouse.read(TRENDING, [as_of]).to_pylist()]
