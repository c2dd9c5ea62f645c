"""Reasons are words that a person reads."""

import re

import numpy as np
import pyarrow as pa
import pytest

from ml.words import grouped, told_of

# Two people: one of whom all is known, one of whom nothing is but that they never ordered.
KNOWN = {
    "recency_days": 1.0, "gap_mean_days": 12.0, "orders_90d_count": 1, "net_amount": 20.0, "order_value_mean_cents": 2000.0, "return_share": 0.1,
    "discount_share": 0.0, "products_count": 1, "weekend_share": 1.0, "tenure_days": 30.0, "visit_recency_days": 1, "cart_adds_30d_count": 0,
    "open_rate": 0.5, "emails_received_90d_count": 1, "emails_unread_count": 1, "store_visit_recency_days": 1, "age_years": 31, "household_size": 1,
    "favourite_category_share": 0.4, "has_children": True, "is_member": True, "points": 1, "main_device": "desktop", "signup_source": "shop",
    "interests": "{yoga}",
}  # fmt: skip
COLUMNS = (
    *(column for column, value in KNOWN.items() if not isinstance(value, str)),
    "orders_count", "main_device=desktop", "main_device=mobile", "signup_source=shop", "interests={yoga}", "interests={0.name}",
)  # fmt: skip


@pytest.fixture
def told() -> list[dict[str, str]]:
    """What is told of each of three people by driver: one known, one known to be otherwise, one of whom nothing is known."""
    other = {
        "has_children": False,
        "is_member": False,
        "points": 0,
        "emails_unread_count": 0,
        "main_device": "mobile",
        "signup_source": "paid",
    }
    rows = [KNOWN | {"orders_count": 1}, KNOWN | other | {"orders_count": 3}, dict.fromkeys(KNOWN) | {"orders_count": 0}]
    features, into = pa.Table.from_pylist(rows), grouped(COLUMNS)
    row, number = (part.ravel() for part in np.indices((len(rows), len(into.drivers))))
    said = told_of(into, features, row, number)
    return [
        {into.drivers[at].name: phrase for who, at, phrase in zip(row, number, said, strict=True) if who == one} for one in range(len(rows))
    ]


def test_no_reason_is_a_column_and_its_number(told: list[dict[str, str]]) -> None:
    for phrases in told:
        for driver, phrase in phrases.items():
            assert phrase, driver
            assert not re.search(r": [01]$|=|_", phrase), phrase


def test_nothing_is_said_as_nothing_and_not_as_a_number() -> None:
    never = ("gap_mean_days", "net_amount", "order_value_mean_cents", "age_years", "household_size", "points", "tenure_days")
    zeros = {column: 0.0 for column, value in KNOWN.items() if not isinstance(value, str) and column not in never}
    into = grouped(tuple(zeros))
    number = np.arange(len(into.drivers))
    said = told_of(into, pa.Table.from_pylist([zeros | {"orders_count": 1, "products_count": 1}]), np.zeros_like(number), number)
    told = {driver.name: phrase for driver, phrase in zip(into.drivers, said, strict=True)}
    assert {told["orders of late"], told["returns"], told["mails received"]} == {
        "no order in the last 90 days", "sent nothing back", "no mail in 90 days",
    }  # fmt: skip
    assert not [phrase for phrase in said if re.search(r"\b0\b", phrase)]


def test_a_value_is_told_as_so_or_not_so(told: list[dict[str, str]]) -> None:
    yes, no, unknown = (
        [phrases[name] for name in ("main device desktop", "signup source shop", "has children", "is member")] for phrases in told
    )
    assert yes == ["main device is desktop", "signup source is shop", "has children", "is member"]
    assert no == ["main device is not desktop", "signup source is not shop", "has no children", "is not member"]
    assert unknown == ["main device not known", "signup source not known", "has children not known", "is member not known"]


def test_what_somebody_writes_is_no_template(told: list[dict[str, str]]) -> None:
    assert told[0]["interests {yoga}"] == "interests is {yoga}"
    assert told[1]["interests {0.name}"].startswith("interests is not {0.")


def test_who_never_ordered_is_told_so_and_not_that_nothing_is_known(told: list[dict[str, str]]) -> None:
    for driver in ("last order", "rhythm", "orders of late", "orders in all", "spend", "order value", "returns", "discounts", "basket"):
        assert told[2][driver] == "has not ordered yet", driver
    assert (told[2]["visits"], told[2]["mails read"], told[2]["stores"]) == ("no visit seen", "no mail received", "never bought in a store")
