"""Addresses and numbers as people state them, with their canonical form and whether they can be one at all."""

from collections.abc import Iterable
from functools import lru_cache

import phonenumbers
import pyarrow as pa
from email_validator import EmailNotValidError, validate_email

CONTACT_POINTS = pa.schema(
    [("kind", pa.string()), ("stated", pa.string()), ("country", pa.string()), ("canonical", pa.string()), ("status", pa.string())]
)


# One address comes in the extracts of many systems and nights, and checking it is the dearest thing that is asked of a row.
@lru_cache(maxsize=1 << 16)
def email_point(stated: str) -> tuple[str | None, str]:
    """The address as it is mailed to, and `valid` or `invalid` (syntax only: nothing is looked up)."""
    try:
        return validate_email(stated.strip(), check_deliverability=False).normalized.lower(), "valid"
    except EmailNotValidError:
        return stated.strip().lower() or None, "invalid"


@lru_cache(maxsize=1 << 16)
def phone_point(stated: str, country: str) -> tuple[str | None, str]:
    """The number in E.164, read as of `country` (ISO 3166 alpha-2) where it has no prefix of its own."""
    try:
        number = phonenumbers.parse(stated, country)
    except phonenumbers.NumberParseException:
        return None, "invalid"
    if not phonenumbers.is_valid_number(number):
        return None, "invalid"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), "valid"


def contact_points(emails: Iterable[str], phones: Iterable[tuple[str, str | None]], home: str) -> pa.Table:
    """One row per distinct stated e-mail address, and per stated phone number and country."""
    rows: list[tuple[str, str, str | None, str | None, str]] = []
    for stated in sorted(set(emails)):
        canonical, status = email_point(stated)
        rows.append(("email", stated, None, canonical, status))
    for number, country in sorted(set(phones), key=lambda phone: (phone[0], phone[1] or "")):
        region = country if country and len(country) == 2 else home
        canonical, status = phone_point(number, region.upper())
        rows.append(("phone", number, country, canonical, status))
    columns = list(zip(*rows, strict=True)) or [()] * len(CONTACT_POINTS)
    return pa.table([pa.array(list(column), pa.string()) for column in columns], schema=CONTACT_POINTS)
