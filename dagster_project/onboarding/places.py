"""Where a shop is, guessed from the countries and currencies in its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from dagster_project.campaigns.language import load_languages
from dagster_project.dbt_vars import dbt_vars
from dagster_project.onboarding import values
from dagster_project.onboarding.headers import HEADERS, languages_of
from dagster_project.onboarding.roles import Reading
from dagster_project.settings import TEMPLATES

# Country → currency, zone, language.
COUNTRIES: dict[str, tuple[str, str, str]] = {
    "US": ("USD", "America/New_York", "en"),
    "GB": ("GBP", "Europe/London", "en"),
    "DE": ("EUR", "Europe/Berlin", "de"),
    "FR": ("EUR", "Europe/Paris", "fr"),
    "ES": ("EUR", "Europe/Madrid", "es"),
    "IT": ("EUR", "Europe/Rome", "it"),
    "NL": ("EUR", "Europe/Amsterdam", "nl"),
    "AT": ("EUR", "Europe/Vienna", "de"),
    "CH": ("CHF", "Europe/Zurich", "de"),
    "SE": ("SEK", "Europe/Stockholm", "sv"),
    "PL": ("PLN", "Europe/Warsaw", "pl"),
    "BR": ("BRL", "America/Sao_Paulo", "pt"),
    "CA": ("CAD", "America/Toronto", "en"),
    "AU": ("AUD", "Australia/Sydney", "en"),
    "IN": ("INR", "Asia/Kolkata", "en"),
    "CN": ("CNY", "Asia/Shanghai", "zh"),
    "JP": ("JPY", "Asia/Tokyo", "ja"),
    "TR": ("TRY", "Europe/Istanbul", "tr"),
    "PK": ("PKR", "Asia/Karachi", "en"),
    "TW": ("TWD", "Asia/Taipei", "zh"),
    "MX": ("MXN", "America/Mexico_City", "es"),
    "RU": ("RUB", "Europe/Moscow", "ru"),
}
# The letters of a country's states, where no other country's are all the same.
STATES = {
    "BR": "AC AL AP AM BA CE DF ES GO MA MT MS MG PA PB PR PE PI RJ RN RS RO RR SC SP SE TO",
    "US": "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA PR RI SC SD TN TX UT "
    "VT VA WA WV WI WY",
    "AU": "ACT NSW NT QLD SA TAS VIC WA",
    "CA": "AB BC MB NB NL NS NT NU ON PE QC SK YT",
}
# Where most shops are that write their headers so.
HOMES = {
    "de": ("DE", "German"),
    "fr": ("FR", "French"),
    "es": ("ES", "Spanish"),
    "it": ("IT", "Italian"),
    "nl": ("NL", "Dutch"),
    "pt": ("BR", "Portuguese"),
}
HALF = 0.5
NOWHERE = ("US", "USD", "Etc/UTC", "en")


@dataclass(frozen=True)
class Place:
    """Where a shop is, and what of it is a guess."""

    country: str
    currency: str
    zone: str
    language: str
    currencies: tuple[str, ...]
    guess: str | None


def place_of(connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading]) -> Place:
    """The commonest country and currency of the rows; the rest follows from them."""
    names = {name: code for code in COUNTRIES for name in (*dbt_vars()["countries"][code], code.lower())}
    shares = by_country(commonest(connection, readings, "country"), names)
    countries = list(shares)
    currencies = [code for code in commonest(connection, readings, "currency") if len(code) == 3]
    country = next((names[one.lower()] for one in countries if one.lower() in names), None)
    # Where customers of many countries buy, the commonest of them says nothing of the shop.
    is_spread = bool(countries) and not currencies and shares[countries[0]] < HALF
    country = None if is_spread else country
    if country is None and currencies:
        country = next((code for code, facts in COUNTRIES.items() if facts[0] == currencies[0]), None)
    regions = list(commonest(connection, readings, "region"))
    by_states = country_of_states(regions) if country is None and not currencies and not is_spread else None
    country = country or by_states
    spoken = None if country or currencies else language_of([part.header for reading in readings for part in reading.parts.values()])
    country = HOMES[spoken][0] if spoken else country
    code, currency, zone, language = (country, *COUNTRIES[country]) if country else NOWHERE
    stated = currencies[0] if currencies else currency
    said = (
        f"the commonest country is {countries[0]}"
        if countries and country
        else f"the commonest currency is {stated}"
        if currencies
        else f"the states are {', '.join(regions[:4])}"
        if by_states
        else f"the headers are {HOMES[spoken][1]}"
        if spoken
        else f"nothing says where: the countries are {', '.join(countries[:4])} and more, and none has half of the rows"
        if is_spread
        else "nothing says where"
    )
    written = load_languages(TEMPLATES / "languages")
    return Place(code, stated, zone, language if language in written else "en", tuple(currencies[1:]), said)


def by_country(shares: dict[str, float], names: dict[str, str]) -> dict[str, float]:
    """Shares of what is said of countries (name → code), commonest first: spellings of one add up, under the commonest of them."""
    spelt: dict[str, str] = {}
    summed: dict[str, float] = {}
    for said, share in shares.items():
        called = spelt.setdefault(names.get(said.lower(), said.lower()), said)
        summed[called] = summed.get(called, 0) + share
    return dict(sorted(summed.items(), key=lambda one: -one[1]))


def country_of_states(regions: Sequence[str]) -> str | None:
    """The one country that almost all of the regions are states of; None where none or several are."""
    if len(regions) < 3:
        return None
    fitting = [code for code, states in STATES.items() if sum(one in states.split() for one in regions) >= 0.95 * len(regions)]
    return fitting[0] if len(fitting) == 1 else None


def language_of(headers: Sequence[str]) -> str | None:
    """The language that knows most of the headers, where two or more are of it and no other knows as many."""
    spoken = [languages_of(header) for header in headers]
    counts = sorted(((sum(language in known for known in spoken), language) for language in HEADERS), reverse=True)
    return counts[0][1] if counts[0][0] >= 2 and counts[0][0] > counts[1][0] else None


def commonest(connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading], column: str) -> dict[str, float]:
    """What a column says, commonest first, with its share of what is said."""
    counts: dict[str, int] = {}
    for reading in readings:
        if column in reading.parts:
            sql = f"select value, count(*) from ({values.some(reading.sample, reading.parts[column].header)}) where value is not null group by 1"
            for value, count in connection.execute(sql).fetchall():
                counts[value] = counts.get(value, 0) + count
    return {value: count / sum(counts.values()) for value, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))}
