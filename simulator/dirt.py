"""How good data goes bad: typing slips in names, addresses and phones, and rows that no contract would let through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.names import fold

# A row as a vendor writes it: column or attribute to value.
Row = dict[str, Any]

WRONG_HOSTS = {"gmail.com": "gmial.com", "gmx.de": "gmx.ed", "web.de": "webb.de", "icloud.com": "icloud.con", "outlook.com": "outlok.com"}
NULL_WORDS = ("NULL", "N/A", "-", "null", "none")


def slip(text: str, rng: np.random.Generator) -> str:
    """One typing slip: a letter lost, doubled, swapped with its neighbour or replaced."""
    if len(text) < 3:
        return text
    place, kind = int(rng.integers(1, len(text) - 1)), int(rng.integers(4))
    if kind == 0:
        return text[:place] + text[place + 1 :]
    if kind == 1:
        return text[:place] + text[place] + text[place:]
    if kind == 2:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + "abcdefghijklmnoprstuvwz"[int(rng.integers(23))] + text[place + 1 :]


def dirty_name(first: str, last: str, rng: np.random.Generator, rate: float = 1.0) -> tuple[str, str]:
    """First and last name as somebody typed them; `rate` scales how often they err."""
    draw = rng.random() / rate
    if draw < 0.020:
        return slip(first, rng), last
    if draw < 0.040:
        return first, slip(last, rng)
    if draw < 0.052:
        return last, first
    if draw < 0.075:
        return fold(first), fold(last)
    if draw < 0.090:
        return first.upper(), last.upper()
    if draw < 0.105:
        return first.lower(), last.lower()
    if draw < 0.115:
        return f" {first}", f"{last} "
    if draw < 0.130:
        return first, ""
    if draw < 0.134:
        return NULL_WORDS[int(rng.integers(len(NULL_WORDS)))], last
    if draw < 0.146:
        return f"{first[0]}.", last
    return first, last


def dirty_email(email: str, firm: str, rng: np.random.Generator, rate: float = 1.0) -> str:
    """An e-mail address as it stands in a system: mistyped, in capitals, with a tag, the firm's shared one, or not at all."""
    draw = rng.random() / rate
    local, host = email.split("@")
    if firm and draw < 0.5:
        return firm
    if draw < 0.012 and len(local) > 4:
        place = int(rng.integers(1, len(local)))
        return f"{local[:place]}{local[place + 1 :]}@{host}"
    if draw < 0.020:
        return f"{local}@{WRONG_HOSTS.get(host, host[:-1])}"
    if draw < 0.040:
        return email.title() if draw < 0.03 else email.upper()
    if draw < 0.060 and host == "gmail.com":
        return f"{local}+shop@{host}" if draw < 0.05 else f"{local[0]}.{local[1:]}@{host}"
    if draw < 0.064:
        return (f"{local}@", f"{local}.{host}", f"{local}@@{host}", f"{local} @{host}")[int(rng.integers(4))]
    if draw < 0.074:
        return f" {email} "
    return email


def dirty_phone(phone: str, rng: np.random.Generator, missing: float = 0.35) -> str:
    """A phone number in one of the forms people type, seldom with a wrong digit, often missing. `phone` is E.164."""
    draw, form = rng.random(), int(rng.integers(7))
    if draw < missing:
        return NULL_WORDS[form % len(NULL_WORDS)] if draw < 0.003 else ""
    if draw > 0.985:
        place = int(rng.integers(6, len(phone)))
        phone = phone[:place] + str((int(phone[place]) + 1) % 10) + phone[place + 1 :]
    code, rest = phone[1:3], phone[3:]
    if form <= 1:
        return phone
    if form == 2:
        return f"0{rest}"
    if form == 3:
        return f"00{code}{rest}"
    if form == 4:
        return f"+{code} {rest[:3]} {rest[3:6]} {rest[6:]}"
    if form == 5:
        return f"0{rest[:3]}/{rest[3:]}"
    return f"+{code} (0){rest[:3]}-{rest[3:]}"


@dataclass(frozen=True)
class Break:
    """A way to spoil a row of a table: `spoil` gets a row of its own and returns it unfit to load."""

    kind: str
    column: str
    spoil: Callable[[Row], Row]


def set_to(kind: str, column: str, value: object) -> Break:
    """A break that puts `value` into `column`."""
    return Break(kind, column, lambda row: {**row, column: value})
