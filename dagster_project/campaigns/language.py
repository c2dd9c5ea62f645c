"""templates/languages/<code>.yaml: how a language writes money and dates, what it calls things, and the words every campaign shares."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dagster_project.campaigns.words import Words
from dagster_project.located_yaml import load

# A currency without a symbol here is written by its ISO code.
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "SEK": "kr", "DKK": "kr.", "PLN": "zł"}
ISO_CODE = re.compile("[A-Z]{3}")


class Language(BaseModel):
    """One language of the mails."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern="^[a-z]{2}$")
    name: str
    direction: Literal["ltr", "rtl"] = "ltr"
    money: str = Field(description="with {symbol} and {amount}")
    decimal: str
    thousands: str
    date: str = Field(description="with {day}, {month} (its name) and {year}")
    months: tuple[str, ...] = Field(min_length=12, max_length=12)
    countries: dict[str, str] = Field({}, description="ISO code → name, as it stands after 'to'")
    tiers: dict[str, str] = {}
    reasons: dict[str, str] = Field({}, description="reason code of a recommendation → what the customer reads")
    words: Words = {}

    def amount(self, value: object, currency: str | None) -> str | None:
        """A price as this language writes it, or None for what is no price (missing, negative, NaN, no currency)."""
        try:
            money = Decimal(str(value)).quantize(Decimal("0.01"))
        except (InvalidOperation, ValueError):
            return None
        if value is None or isinstance(value, bool) or not money.is_finite() or money < 0:
            return None
        if not isinstance(currency, str) or not ISO_CODE.fullmatch(currency):
            return None
        digits = f"{money:,.2f}".translate({ord(","): self.thousands, ord("."): self.decimal})
        symbol = SYMBOLS.get(currency, currency)
        return self.money.format(
            symbol=symbol + "\u00a0" if symbol == currency and self.money.startswith("{symbol}") else symbol, amount=digits
        ).replace(" ", "\u00a0")

    def day(self, value: object) -> str | None:
        """A date (or the start of an ISO text) as this language writes it, or None."""
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value[:10])
            except ValueError:
                return None
        if isinstance(value, datetime):
            value = value.date()
        if not isinstance(value, date):
            return None
        return self.date.format(day=value.day, month=self.months[value.month - 1], year=value.year)


def load_languages(folder: Path) -> dict[str, Language]:
    """All languages of a templates/languages folder, by code.

    Raises:
        Mistake: a sentence per mistake, with file and line.
    """
    return {path.stem: load(Language, path, code=path.stem) for path in sorted(folder.glob("*.yaml"))}
