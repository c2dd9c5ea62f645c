"""Addresses and numbers as people state them, as a table: a row each, with its canonical form."""

from collections.abc import Iterable

import pyarrow as pa

from dagster_project.sources.contact_points import email_point, phone_point

CONTACT_POINTS = pa.schema(
    [("kind", pa.string()), ("stated", pa.string()), ("country", pa.string()), ("canonical", pa.string()), ("status", pa.string())]
)


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
