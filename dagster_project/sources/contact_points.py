"""An address or a number as somebody stated it: its canonical form, and whether it can be one at all."""

from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email


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
