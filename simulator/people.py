"""The real people behind the shop: who they are, what they like, how they behave. The pipeline has to find this out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from simulator.catalogue import Catalogue
from simulator.clock import DAY, Clock, stream
from simulator.names import CITIES, COUNTRIES, CULTURES, INTERESTS, MAIL_HOSTS, PHONES, STREETS, VALUES, fold
from simulator.shelves import CATEGORIES

CHANNELS = ("organic", "paid_search", "paid_social", "referral", "newsletter", "store")
CYCLIC = tuple(number for number, category in enumerate(CATEGORIES) if category.cycle_days > 0)
STORES = {"Berlin": "S01", "Hamburg": "S02", "München": "S03", "Wien": "S04", "Zürich": "S05"}


@dataclass(frozen=True)
class People:
    """`frame` has one row per real person; `affinity` (people × categories) and `brand_taste` (people × brands) go with it.

    Columns of `frame` with units: `rate_year` spontaneous purchases a year while active, `lifetime_days` from first
    purchase to drop-out, `cycle_days` of the refill (0: none), `best_hour` local clock hour, `open_rate`, `click_rate`
    (given open), `web_rate` sessions a month, `arrived_at` and `moved_at` seconds UTC, `price_level` 0 budget to 2 premium.
    """

    frame: pd.DataFrame
    affinity: np.ndarray
    brand_taste: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> np.ndarray:
        """A column of `frame` as a numpy array."""
        return self.frame[name].to_numpy()


def build_people(clock: Clock, catalogue: Catalogue, seed: int, customers: int) -> People:
    """Draws `customers` real people; about a quarter of them will not have bought by the end."""
    frame = pd.DataFrame({"person_id": [f"P{number:07d}" for number in range(1, customers + 1)]})
    _add_identity(frame, stream(seed, "identity"))
    _add_households(frame, stream(seed, "households"))
    _add_contacts(frame, stream(seed, "contacts"))
    affinity, brand_taste = _add_tastes(frame, catalogue, stream(seed, "tastes"))
    _add_behaviour(frame, affinity, clock, stream(seed, "behaviour"))
    return People(frame, affinity, brand_taste)


def _pick(rng: np.random.Generator, options: Sequence[Any], count: int, weights: list[float] | None = None) -> list[Any]:
    share = None if weights is None else np.array(weights) / sum(weights)
    return [options[number] for number in rng.choice(len(options), count, p=share)]


def _add_identity(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    count = len(frame)
    codes = list(COUNTRIES)
    country = np.array(_pick(rng, codes, count, [COUNTRIES[code]["share"] for code in codes]), dtype=object)
    gender = rng.choice(np.array(["female", "male", "other"], dtype=object), count, p=(0.58, 0.40, 0.02))
    columns: dict[str, np.ndarray] = {
        name: np.empty(count, dtype=object)
        for name in ("first_name", "last_name", "language", "city", "region", "postal_code", "street", "urbanity", "timezone", "culture")
    }
    for code in codes:
        rows = np.flatnonzero(country == code)
        about = COUNTRIES[code]
        columns["culture"][rows] = _pick(rng, list(about["cultures"]), len(rows), list(about["cultures"].values()))
        columns["language"][rows] = _pick(rng, list(about["languages"]), len(rows), list(about["languages"].values()))
        columns["timezone"][rows] = about["zone"]
        cities = _pick(rng, CITIES[code], len(rows), [city[3] for city in CITIES[code]])
        streets = _pick(rng, STREETS[code], len(rows))
        digits, houses = rng.integers(0, 10, (len(rows), 6)), rng.integers(1, 140, len(rows))
        for place, row in enumerate(rows):
            city, region, pattern, _, urbanity = cities[place]
            drawn = iter(digits[place])
            columns["city"][row], columns["region"][row], columns["urbanity"][row] = city, region, urbanity
            columns["postal_code"][row] = "".join(str(next(drawn)) if mark == "#" else mark for mark in pattern)
            number = houses[place]
            columns["street"][row] = f"{number} {streets[place]}" if code in ("FR", "GB") else f"{streets[place]} {number}"
    for culture, names in CULTURES.items():
        rows = np.flatnonzero(columns["culture"] == culture)
        women = (gender[rows] == "female") | ((gender[rows] == "other") & (rng.random(len(rows)) < 0.5))
        female, male = _pick(rng, names.female, len(rows)), _pick(rng, names.male, len(rows))
        columns["first_name"][rows] = [her if woman else his for woman, her, his in zip(women, female, male, strict=True)]
        columns["last_name"][rows] = _pick(rng, names.family, len(rows))
    frame["country"], frame["gender"] = country, gender
    for name, values in columns.items():
        frame[name] = values
    # Born 1940 to 2007, most of them 25 to 60 years before the demo's day.
    frame["birth_date"] = (np.datetime64("1982-06-01") + rng.normal(0, 5200, count).clip(-15300, 9300).astype(np.int64)).astype(str)


def _add_households(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """Joins about 8 % of the people into pairs that share an address, often a name, a phone and a browser."""
    count = len(frame)
    pairs = max(count * 4 // 100, 1)
    members = rng.permutation(count)[: 2 * pairs].reshape(pairs, 2)
    household = np.full(count, -1)
    household[members.ravel()] = np.repeat(np.arange(pairs), 2)
    head, other = members[:, 0], members[:, 1]
    for name in ("street", "city", "region", "postal_code", "country", "timezone", "language", "urbanity"):
        values = frame[name].to_numpy().copy()
        values[other] = values[head]
        frame[name] = values
    last = frame["last_name"].to_numpy().copy()
    same = rng.random(pairs) < 0.75
    last[other[same]] = last[head[same]]
    frame["last_name"], frame["household"] = last, household
    frame["household_size"] = np.where(household >= 0, rng.integers(2, 6, count), rng.choice(5, count, p=(0.45, 0.3, 0.12, 0.09, 0.04)) + 1)
    frame["has_children"] = (frame["household_size"].to_numpy() >= 3) & (rng.random(count) < 0.85)


def _add_contacts(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    count = len(frame)
    taken: set[str] = set()
    emails, others = [], []
    style, number, host_draw = rng.random(count), rng.integers(1, 100, count), rng.random(count)
    for row, (first, last, country, birth) in enumerate(
        zip(frame["first_name"], frame["last_name"], frame["country"], frame["birth_date"], strict=True)
    ):
        given, family = (_slug(first) or "kunde"), (_slug(last) or "kunde")
        if style[row] < 0.45:
            local = f"{given}.{family}"
        elif style[row] < 0.65:
            local = f"{given[0]}.{family}{birth[2:4]}"
        elif style[row] < 0.85:
            local = f"{given}{family}{number[row]}"
        else:
            local = f"{given}_{birth[:4]}"
        hosts = MAIL_HOSTS[country]
        host = list(hosts)[int(np.searchsorted(np.cumsum(list(hosts.values()))[:-1], host_draw[row], side="right"))]
        emails.append(_own(taken, f"{local}{{}}@{host}"))
    frame["email"] = emails
    for address in emails:
        local, host = address.split("@")
        others.append(_own(taken, f"{local}{{}}@{'gmail.com' if host != 'gmail.com' else 'icloud.com'}"))
    frame["other_email"] = others
    digits = rng.integers(0, 10, (count, 8))
    prefix_draw = rng.integers(0, 1 << 30, count)
    phones = []
    for row, country in enumerate(frame["country"]):
        code, prefixes, length = PHONES[country]
        tail = "".join(map(str, digits[row, :length]))
        phones.append(f"+{code}{prefixes[prefix_draw[row] % len(prefixes)]}{tail}")
    phone = np.array(phones, dtype=object)
    household = frame["household"].to_numpy()
    order = np.argsort(household, kind="stable")
    paired = order[household[order] >= 0].reshape(-1, 2)
    shared = rng.random(len(paired)) < 0.5
    phone[paired[shared, 1]] = phone[paired[shared, 0]]
    frame["phone"] = phone
    # A few buy for a firm and leave the firm's shared mailbox somewhere.
    frame["firm_email"] = [
        _own(taken, f"info@{_slug(last) or 'firma'}{{}}-{'gmbh' if language == 'de' else 'co'}.example") if draw < 0.012 else ""
        for last, language, draw in zip(frame["last_name"], frame["language"], rng.random(count), strict=True)
    ]


def _own(taken: set[str], pattern: str) -> str:
    """An address that is nobody's yet, numbered in the place of `{}` where it must be; from now on it is taken."""
    address, attempt = pattern.format(""), 1
    while address in taken:
        attempt += 1
        address = pattern.format(attempt)
    taken.add(address)
    return address


def _slug(name: str) -> str:
    return "".join(letter for letter in fold(name).lower() if letter.isalnum())


def _add_tastes(frame: pd.DataFrame, catalogue: Catalogue, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count = len(frame)
    interests = np.array(
        [";".join(np.array(INTERESTS)[np.sort(rng.choice(len(INTERESTS), size, replace=False))]) for size in rng.integers(0, 5, count)],
        dtype=object,
    )
    frame["interests"] = interests
    frame["values"] = [
        ";".join(np.array(VALUES)[np.sort(rng.choice(len(VALUES), size, replace=False))]) for size in rng.integers(0, 4, count)
    ]
    frame["diet"] = rng.choice(np.array(["", "vegan", "vegetarian", "lactose-free"], dtype=object), count, p=(0.72, 0.1, 0.13, 0.05))
    frame["clothing_size"] = rng.choice(np.array(["XS", "S", "M", "L", "XL"], dtype=object), count, p=(0.08, 0.24, 0.32, 0.24, 0.12))
    frame["contact_channel"] = rng.choice(np.array(["email", "sms", "phone", "post"], dtype=object), count, p=(0.72, 0.14, 0.06, 0.08))
    # Interests speak: what a person says about themselves raises what they buy.
    pull = {
        "barista": 0,
        "cooking": 5,
        "baking": 2,
        "dogs": 3,
        "cats": 3,
        "fashion": 7,
        "hiking": 8,
        "interior": 6,
        "reading": 9,
        "yoga": 4,
    }
    weights = rng.gamma(0.35, 1.0, (count, len(CATEGORIES))) + 0.01
    for interest, category in pull.items():
        weights[:, category] += np.array([0.9 if interest in text.split(";") else 0.0 for text in interests])
    affinity = weights / weights.sum(axis=1, keepdims=True)
    brand_taste = np.exp(rng.normal(0, 0.9, (count, len(catalogue.brands))))
    frame["price_level"] = rng.choice(3, count, p=(0.35, 0.45, 0.2))
    frame["favourite_category"] = [CATEGORIES[number].name for number in affinity.argmax(axis=1)]
    return affinity, brand_taste


def _add_behaviour(frame: pd.DataFrame, affinity: np.ndarray, clock: Clock, rng: np.random.Generator) -> None:
    count = len(frame)
    channel = rng.choice(len(CHANNELS), count, p=(0.32, 0.2, 0.2, 0.1, 0.1, 0.08))
    price = frame["price_level"].to_numpy()
    frame["channel"] = [CHANNELS[number] for number in channel]
    frame["discount_love"] = rng.beta(1.4, 4.0, count) + 0.15 * (price == 0)
    frame["open_rate"] = rng.beta(1.6, 2.8, count)
    frame["click_rate"] = rng.beta(1.5, 6.0, count)
    frame["web_rate"] = rng.gamma(1.2, 0.85, count)
    # Whoever never opens an account cannot use the app.
    frame["always_guest"] = rng.random(count) < 0.06
    frame["app_user"] = (rng.random(count) < 0.19) & ~frame["always_guest"].to_numpy()
    # Friends send people who want to buy; an advert in a feed brings many who only look.
    frame["intent"] = rng.gamma(1.5, 0.5, count) * np.array([1.1, 1.2, 0.6, 1.6, 1.1, 1.0])[channel]

    cyclic = rng.random(count) < 0.18 + 0.5 * affinity[:, list(CYCLIC)].sum(axis=1)
    habit = affinity[:, list(CYCLIC)].argmax(axis=1)
    category = np.array(CYCLIC)[habit]
    typical = np.array([CATEGORIES[number].cycle_days for number in category])
    frame["cycle_category"] = np.where(cyclic, category, -1)
    frame["cycle_days"] = np.where(cyclic, (typical * np.exp(rng.normal(0, 0.14, count))).round(1), 0.0)

    open_rate, discount_love = frame["open_rate"].to_numpy(), frame["discount_love"].to_numpy()
    frame["rate_year"] = rng.gamma(0.9, 1 / 0.9, count) * 4.4 * np.exp(0.5 * (open_rate - 0.36)) * np.where(price == 2, 1.15, 1.0)
    factor = (
        np.array([1.1, 0.95, 0.5, 1.5, 1.2, 1.1])[channel]
        * np.exp(-1.2 * (discount_love - 0.3))
        * np.exp(1.0 * (open_rate - 0.36))
        * np.where(cyclic, 1.5, 1.0)
    )
    frame["lifetime_days"] = rng.exponential(1.0, count) * rng.gamma(2.0, 0.5, count) * 560 * factor + 1

    hour = np.where(
        rng.random(count) < 0.62,
        rng.normal(19.5, 1.8, count),
        np.where(rng.random(count) < 0.5, rng.normal(8.0, 1.3, count), rng.normal(12.8, 1.6, count)),
    )
    frame["best_hour"] = np.mod(hour.round().astype(np.int64), 24)
    frame["hour_focus"] = rng.beta(4, 2, count)

    # Arrivals: a third were there early on, the rest come steadily to the last hour.
    share = np.where(rng.random(count) < 0.33, rng.random(count) ** 2 * 0.3, rng.random(count))
    frame["arrived_at"] = clock.start + (share * (clock.end - clock.start)).astype(np.int64)
    moves = rng.random(count) < 0.05
    later = frame["arrived_at"].to_numpy() + ((clock.end - frame["arrived_at"].to_numpy()) * rng.random(count)).astype(np.int64)
    frame["moved_at"] = np.where(moves, later, clock.end + 10 * DAY)
    _add_second_homes(frame, rng)
    near_store = np.isin(frame["city"].to_numpy().astype(str), list(STORES))
    has_card = near_store & (rng.random(count) < 0.38)
    frame["card"] = [f"LC{200000 + 7 * row:08d}" if owned else "" for row, owned in enumerate(has_card)]


def _add_second_homes(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """Where people lived before they moved: another city of their country."""
    draws = rng.random(len(frame))
    before = [CITIES[country][int(draw * len(CITIES[country]))] for country, draw in zip(frame["country"], draws, strict=True)]
    frame["old_city"] = [city[0] for city in before]
    frame["old_region"] = [city[1] for city in before]
    frame["old_postal_code"] = [city[2].replace("#", "1") for city in before]
