"""Writes a demo shop: the vendors' extracts, and the truth apart from them."""

from datetime import date
from pathlib import Path

from simulator.extracts import Extracts
from simulator.shop import draw_shop
from simulator.systems import (
    accounts,
    articles,
    consent,
    cookiebot,
    enrichment,
    ga4,
    hubspot,
    klaviyo_campaigns,
    klaviyo_events,
    klaviyo_profiles,
    pos,
    shopify_apps,
    shopify_catalogue,
    shopify_checkouts,
    shopify_customers,
    shopify_orders,
)
from simulator.truth import write_truth

SYSTEMS = (
    shopify_catalogue,
    shopify_checkouts,
    shopify_customers,
    shopify_orders,
    shopify_apps,
    hubspot,
    consent,
    cookiebot,
    klaviyo_campaigns,
    klaviyo_events,
    klaviyo_profiles,
    ga4,
    accounts,
    pos,
    enrichment,
    articles,
)


def generate(out: Path, customers: int = 5000, months: int = 24, days: int = 14, seed: int = 7, last_day: date = date(2026, 3, 14)) -> None:
    """Writes `out/extracts/<system>/<table>/…` and `out/truth/…`; the same arguments write the same bytes.

    `customers` are real people, `months` the span that ends with `last_day`, `days` how many of its last days come as
    daily extracts. Raises ValueError for arguments that leave no room, FileExistsError when `out` holds extracts.
    """
    if (out / "extracts").exists():
        raise FileExistsError(f"{out / 'extracts'} exists: give an empty folder")
    shop = draw_shop(customers, months, days, seed, last_day)
    extracts = Extracts(out / "extracts", shop.clock, seed)
    for system in SYSTEMS:
        system.write(shop, extracts)
    write_truth(shop, extracts.incidents, out / "truth")
