"""Files that know little of each person: names and a postcode, an age, a mailbox; or that name things."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.identity import score
from dagster_project.identity.blocking import limits_for
from dagster_project.identity.normalise import normalise
from dagster_project.identity.resolve import resolve
from dagster_project.identity.splink_model import train
from dagster_project.identity.weighing import _household_weight

SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprstvw" for vowel in "aeio"]
GIVEN_NAMES = "anna robert chloe stefan maria george yasmin victor helena oscar paula dmitri emma liam nina carl judith tomas rosa felix"
GIVEN = GIVEN_NAMES.split()
CITIES = ("new york", "los angeles", "atlanta", "las vegas", "boston")
People = list[tuple[str, dict[str, Any]]]


def word(random: np.random.Generator, syllables: int) -> str:
    return "".join(str(each) for each in random.choice(SYLLABLES, syllables))


def slipped(random: np.random.Generator, text: str, often: float) -> str:
    return text[:2] + text[3:] if random.random() < often else text


def measured(rows: People, **options: str) -> dict[str, float]:
    table = pa.Table.from_pylist([{"record_id": str(number), **row} for number, (_, row) in enumerate(rows)])
    found = resolve(table, train(table, **options)).clusters
    clusters = dict(zip(found["record_id"].to_pylist(), found["cluster_id"].to_pylist(), strict=True))
    return score(clusters, {str(number): person for number, (person, _) in enumerate(rows)})


def families(homes: int, seed: int) -> People:
    """One to three people of one family name in a postcode, each once to three times."""
    random = np.random.default_rng(seed)
    rows: People = []
    for home in range(homes):
        family, postcode = word(random, 3), f"{home % 300 + 1000}"
        for member, given in enumerate(random.choice(GIVEN, random.integers(1, 4), replace=False)):
            for _ in range(random.integers(1, 4)):
                name = f"{slipped(random, str(given), 0.1)} {slipped(random, family, 0.1)}"
                rows.append((f"{home}-{member}", {"full_name": name, "postcode": postcode}))
    return rows


def test_a_family_in_a_postcode_is_its_people_where_names_are_all_there_is() -> None:
    found = measured(families(700, 1))
    assert found["pair_precision"] >= 0.97
    assert found["pair_recall"] >= 0.85


def voters(homes: int, seed: int) -> People:
    """Couples by age, some with a child of a parent's own name at home; seen in two years, between which some have moved."""
    random = np.random.default_rng(seed)
    rows: People = []
    for home in range(homes):
        family, address = (
            f"{word(random, 2)}{random.choice(['son', 'ley', 'ski', 'man'])}",
            f"{random.integers(1, 99)} {word(random, 3)} road",
        )
        age = int(random.integers(46, 90))
        one, other = (str(name) for name in random.choice(GIVEN, 2, replace=False))
        people = [(one, age), (other, age + 2), *([(one, age - 26)] if random.random() < 0.1 else [])]
        for member, (given, years) in enumerate(people):
            for later in range(2):
                street = f"{random.integers(1, 99)} {word(random, 3)} road" if later and random.random() < 0.2 else address
                seen = {
                    "given_name": given,
                    "family_name": family,
                    "street": street,
                    "birth_date": str(years + later * random.integers(0, 3)),
                }
                rows.append((f"{home}-{member}", seen))
    return rows


def test_parent_and_child_of_one_name_and_address_are_told_apart_by_their_ages() -> None:
    found = measured(voters(600, 1))
    assert found["pair_precision"] >= 0.98
    assert found["pair_recall"] >= 0.95


@pytest.mark.parametrize(("level", "expected"), [(0, 1.0), (1, 4.0)])
def test_birth_dates_that_differ_altogether_speak_for_relatives_whatever_was_learned(level: int, expected: float) -> None:
    weight = _household_weight({name: f"weight_{name}" for name in ("given_name", "birth_date")}, 1.0)
    pair = f"select 8.0::double as weight_given_name, -2.0::double as weight_birth_date, {level} as level_birth_date"
    assert duckdb.sql(f"select {weight} from ({pair})").fetchone() == (expected,)


@pytest.mark.parametrize(("other", "is_one"), [("1962", True), ("1990", False), ("1960-05-01", True)])
def test_a_phone_does_not_link_years_of_birth_far_apart(other: str, is_one: bool) -> None:
    ann = {"given_name": "Ann", "phone": "020 7946 0958"}
    table = pa.Table.from_pylist([{"record_id": str(n), **ann, "birth_date": born} for n, born in enumerate(("1960", other))])
    assert (len(set(resolve(table, None).clusters["cluster_id"].to_pylist())) == 1) is is_one


def mailboxes(people: int, seed: int) -> People:
    """Mailboxes of an initial and a family name: one letter apart between two who share the family name."""
    random = np.random.default_rng(seed)
    names = [word(random, 3) for _ in range(people // 8)]
    rows: People = []
    for person in range(people):
        given, family = str(random.choice(GIVEN)), names[person % len(names)]
        own = f"{given[:1]}{family}@mail.test"
        mailbox = own if random.random() < 0.5 else f"{given}.{family}{random.integers(100)}@post.test"
        for _ in range(random.integers(1, 4)):
            name = f"{slipped(random, given, 0.1)} {slipped(random, family, 0.1)}"
            # One mailbox is one customer: who shares a mailbox is one here too.
            rows.append((mailbox if mailbox == own else str(person), {"full_name": name, "email": slipped(random, mailbox, 0.1)}))
    return rows


def test_mailboxes_one_letter_apart_are_two_people_of_one_family_name() -> None:
    assert measured(mailboxes(800, 1))["pair_precision"] >= 0.93


def things(number: int, seed: int) -> People:
    """Restaurants: a name that no role has, an address written in two ways, one of five cities."""
    random = np.random.default_rng(seed)
    rows: People = []
    for thing in range(number):
        name, street = f"{word(random, 3)} {word(random, 2)}", f"{random.integers(1, 9999)} {word(random, 3)} street"
        for other in range(2 if random.random() < 0.3 else 1):
            address = f"{street} between {word(random, 2)} and main" if other and random.random() < 0.7 else street
            written = f"{name} cafe" if other and random.random() < 0.3 else name
            rows.append((str(thing), {"other": written, "street": address, "city": CITIES[thing % 5]}))
    return rows


def test_what_has_a_name_in_no_role_is_found_by_it() -> None:
    found = measured(things(1500, 1))
    assert found["pair_precision"] >= 0.98
    assert found["pair_recall"] >= 0.85


def test_what_describes_many_records_is_no_key() -> None:
    """Pairs of one gender are half of all: under a limit only the first would be compared, for nothing."""
    table = pa.table(
        {"record_id": [str(n) for n in range(2000)], "other": ["f", "m"] * 1000, "other_1": [f"nr {n // 2}" for n in range(2000)]}
    )
    with duckdb.connect() as con:
        normalise(con, table)
        assert limits_for(con, {"other", "other_1"}).records == {"other_1": 2}
