"""Customers and products that the content tests share."""

from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import Campaign, load_campaigns
from dagster_project.campaigns.content import CompiledMail, compile_template

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
BRAND = load_brand(ROOT / "shops" / "demo")
CAMPAIGNS = load_campaigns(TEMPLATES / "campaigns")
SITE = "https://www.hollerbusch.example"

PRODUCTS: list[dict[str, Any]] = [
    {
        "product_id": f"p{number}",
        "title": title,
        "category": category,
        "price": Decimal(price),
        "currency": "EUR",
        "image_url": f"/images/p{number}.jpg",
        "url": f"/products/p{number}",
        "reason": reason,
    }
    for number, (title, category, price, reason) in enumerate(
        [
            ("Äthiopien Yirgacheffe, 500 g", "Coffee", "12.90", "new"),
            ("Handkanne aus Emaille, 0,9 l", "Kitchen", "39.00", "goes_with"),
            ("Darjeeling First Flush", "Tea", "9.80", "for_you"),
            ("Notizbuch, liniert & gebunden", "Stationery", "22.00", "trending"),
            ("Katzenfutter Huhn & Reis", "Pet Food", "4.50", "trending"),
        ],
        start=1,
    )
]


def known_customer(**changes: Any) -> dict[str, Any]:
    """A customer of whom everything is known."""
    return {
        "customer_id": "c_known",
        "first_name": "Jürgen",
        "language": "de",
        "country": "DE",
        "region": "Niedersachsen",
        "city": "Göttingen",
        "membership_tier": "gold",
        "favourite_category": "Coffee",
        "recommendations": PRODUCTS[:4],
        "cart": {
            "items": [{**PRODUCTS[1], "quantity": 2}, {**PRODUCTS[4], "quantity": 1}],
            "url": f"{SITE}/cart/recover?token=abc",
            "total": Decimal("82.50"),
            "currency": "EUR",
        },
        "offer": {"code": "WIEDER-7K2P9", "percent": 15, "valid_until": date(2026, 3, 28)},
        **changes,
    }


NOBODY: dict[str, Any] = {"customer_id": "c_nobody"}


def campaign(slug: str) -> Campaign:
    return next(each for each in CAMPAIGNS if each.slug == slug)


@lru_cache
def mail(slug: str, step: str, variant: str = "a", language: str = "de") -> CompiledMail:
    return compile_template(campaign(slug), step, variant, language, BRAND)


def every_mail() -> list[tuple[str, str, str, str]]:
    """All shipped mails: campaign, step, variant, language."""
    return [
        (each.slug, step.name, variant.name, language)
        for each in CAMPAIGNS
        for step in each.steps
        for variant in each.variants
        for language in each.languages
    ]
