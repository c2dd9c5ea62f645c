"""Discount codes: one per customer and campaign, the same whenever it is asked for."""

import hashlib
import hmac
from datetime import date, timedelta
from typing import Any

from dagster_project.campaigns.campaign import Campaign

# Letters and digits that nobody confuses when typing a code.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def offer_for(campaign: Campaign, customer_id: str, day: date, key: str) -> dict[str, Any] | None:
    """The customer's offer of a campaign as a merge row has it; None where the campaign gives none. The code depends on the key, so it cannot be guessed."""
    if campaign.discount is None:
        return None
    digest = hmac.new(key.encode(), f"code|{campaign.slug}|{day.isoformat()}|{customer_id}".encode(), hashlib.sha256).digest()
    suffix = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:8])
    return {
        "code": f"{campaign.discount.code_prefix}-{suffix}",
        "percent": campaign.discount.percent,
        "valid_until": day + timedelta(days=campaign.discount.valid_days),
    }
