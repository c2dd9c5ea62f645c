"""Shopify: products with variants and stock, and inventory items with unit cost (one JSON object a line)."""

import numpy as np

from simulator.clock import offset_texts
from simulator.dirt import Break, Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shelves import BANDS, CATEGORIES
from simulator.shop import Shop
from simulator.systems.shopify_orders import money


def _negative_price(row: Row) -> Row:
    return {**row, "variants": [{**variant, "price": "-" + variant["price"]} for variant in row["variants"]]}


PRODUCTS = Table(
    "shopify",
    "products",
    "jsonl",
    breaks=(
        set_to("missing id", "id", None),
        set_to("unparsable date", "updated_at", "soon"),
        Break("negative price", "variants", _negative_price),
    ),
    late=False,
)
ITEMS = Table(
    "shopify",
    "inventory_items",
    "jsonl",
    breaks=(set_to("missing id", "id", None), set_to("negative cost", "cost", "-1.00")),
    quiet=True,
    late=False,
)
PROMISES = (
    "Mit Sorgfalt gemacht von {brand}.",
    "Unser Liebling aus der Reihe {kind}: ehrlich, schlicht, gut.",
    "Ein Klassiker von {brand}, der bleibt.",
    "Für jeden Tag &amp; für besondere Tage.",
)


def stock_at(shop: Shop, moment: int) -> np.ndarray:
    """Pieces of each variant on the shelf: refilled when sold down, none once its product is sold out for good."""
    bought, catalogue = shop.purchases, shop.catalogue
    rows = bought.visits.at[bought.line_order] < moment
    sold = np.bincount(bought.line_variant[rows], weights=bought.line_quantity[rows], minlength=len(catalogue.variant_sku)).astype(np.int64)
    capacity = 40 + (np.arange(len(sold)) * 37) % 160
    left = capacity - sold % capacity
    return np.where(catalogue.sold_out_at[catalogue.variant_product] <= moment, 0, left)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `shopify/products` (changed by launch, price, stock) and `shopify/inventory_items`."""
    catalogue, bought, clock = shop.catalogue, shop.purchases, shop.clock

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        stock = stock_at(shop, cutoff)
        changed = np.zeros(catalogue.products, dtype=np.int64)
        np.maximum.at(changed, sold_product[sold_at < cutoff], sold_at[sold_at < cutoff])
        for moments in (catalogue.launched_at, catalogue.repriced_at, catalogue.sold_out_at):
            changed = np.maximum(changed, np.where(moments < cutoff, moments, 0))
        born, touched = offset_texts(catalogue.launched_at[items]), offset_texts(np.maximum(changed, catalogue.launched_at)[items])
        return [_product(shop, int(number), cutoff, str(born[place]), str(touched[place]), stock) for place, number in enumerate(items)]

    sold_product = catalogue.variant_product[bought.line_variant]
    sold_at = bought.visits.at[bought.line_order]
    recent = sold_at >= clock.opening
    numbers = np.arange(catalogue.products)
    # A moment at which nothing changes yet: products already on sale when the history begins.
    born = np.maximum(catalogue.launched_at, clock.start)
    item = np.concatenate((numbers, numbers, numbers, sold_product[recent & (sold_at < clock.end)]))
    changes = np.concatenate(
        (born, np.maximum(catalogue.repriced_at, born), catalogue.sold_out_at, sold_at[recent & (sold_at < clock.end)])
    )
    extracts.put(PRODUCTS, item, changes, render)

    made = offset_texts(catalogue.launched_at[catalogue.variant_product])

    def render_items(items: np.ndarray, cutoff: int) -> list[Row]:
        return [
            {
                "id": inventory_item_id(int(number)),
                "sku": catalogue.variant_sku[number],
                "cost": money(int(catalogue.variant_cost[number])),
                "tracked": True,
                "requires_shipping": True,
                "created_at": str(made[number]),
                "updated_at": str(made[number]),
            }
            for number in items
        ]

    variants = np.arange(len(catalogue.variant_sku))
    extracts.put(ITEMS, variants, born[catalogue.variant_product], render_items)


def inventory_item_id(variant: int) -> int:
    """The shop's id of a variant's inventory item, from the variant's number."""
    return 46_300_000_000_000 + 32_768 * (variant + 1)


def _product(shop: Shop, number: int, cutoff: int, created: str, updated: str, stock: np.ndarray) -> Row:
    catalogue = shop.catalogue
    shelf, brand = CATEGORIES[catalogue.category[number]], catalogue.brands[catalogue.brand[number]]
    title, key = catalogue.title[number], int(catalogue.product_id(number))
    tags = [shelf.name, BANDS[catalogue.band[number]]] + (["vegan"] if catalogue.vegan[number] else [])
    begin = int(catalogue.first_variant[number])
    variants = list(range(begin, begin + int(catalogue.variant_count[number])))
    old, new = catalogue.variant_old_price[begin], catalogue.variant_price[begin]
    repriced = catalogue.repriced_at[number] < cutoff
    cheaper = bool(repriced and new < old)
    if cheaper:
        tags.append("sale")
    kind = title.removeprefix(f"{brand} ")
    promise = PROMISES[number % len(PROMISES)].format(
        brand=f"<strong>{brand.replace('&', '&amp;')}</strong>", kind=kind.replace("&", "&amp;")
    )
    body = f"<p>{promise}</p>\n<ul>\n  <li>{shelf.name}</li>\n  <li>{BANDS[catalogue.band[number]].title()}</li>\n</ul>"
    prices = catalogue.variant_price if repriced else catalogue.variant_old_price
    return {
        "id": key,
        "title": title,
        "body_html": body,
        "vendor": brand,
        "product_type": shelf.name,
        "handle": catalogue.handle[number],
        "tags": ", ".join(sorted(tags)),
        "status": "active",
        "created_at": created,
        "updated_at": updated,
        "published_at": created,
        "options": [{"name": shelf.option_name, "position": 1, "values": [catalogue.variant_option[variant] for variant in variants]}],
        "variants": [
            {
                "id": int(catalogue.variant_id(variant)),
                "product_id": key,
                "title": catalogue.variant_option[variant],
                "sku": catalogue.variant_sku[variant],
                "price": money(int(prices[variant])),
                "compare_at_price": money(int(catalogue.variant_old_price[variant])) if cheaper else None,
                "position": variant - begin + 1,
                "option1": catalogue.variant_option[variant],
                "option2": None,
                "option3": None,
                "taxable": True,
                "inventory_item_id": inventory_item_id(variant),
                "inventory_quantity": int(stock[variant]),
            }
            for variant in variants
        ],
        "images": [
            {"id": key + 5, "position": 1, "src": f"https://cdn.shop.example/products/{catalogue.handle[number]}.jpg", "alt": title}
        ],
    }
