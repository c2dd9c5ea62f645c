"""Canonical forms and exact rules, case by case."""

from __future__ import annotations

import duckdb
import phonenumbers
import pyarrow as pa
import pytest

from dagster_project.identity.comparing import compare
from dagster_project.identity.comparisons import given_name, typo
from dagster_project.identity.normalise import normalise
from dagster_project.identity.rules import Rule
from dagster_project.identity.weights import level_sql


def canonical(column: str, **fields: str) -> object:
    with duckdb.connect() as con:
        normalise(con, pa.table({"record_id": ["1"], **{name: [value] for name, value in fields.items()}}))
        row = con.execute(f"select {column} from normalised").fetchone()
        assert row is not None
        return row[0]


def records(*rows: dict[str, str]) -> pa.Table:
    names = sorted({name for row in rows for name in row})
    return pa.table(
        {"record_id": [str(number) for number in range(len(rows))], **{name: [row.get(name) for row in rows] for name in names}}
    )


def links(table: pa.Table, **options: object) -> set[tuple[str, str, str]]:
    edges = compare(table, None, **options).edges  # type: ignore[arg-type]
    return {(row["record_a"], row["record_b"], row["rule"]) for row in edges.to_pylist()}


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (" John.Smith@GMAIL.com", "johnsmith@gmail.com"),
        ("j.o.h.n.smith+shop@googlemail.com", "johnsmith@gmail.com"),
        ("john.smith+shop@mail.test", "john.smith@mail.test"),
        ("John.Smith@mail.test", "john.smith@mail.test"),
    ],
)
def test_an_email_has_one_form_for_matching(written: str, form: str) -> None:
    assert canonical("email", email=written) == form


@pytest.mark.parametrize(
    ("written", "country"),
    [
        ("+44 (0)20 7946 0958", "GB"),
        ("020 7946 0958", "GB"),
        ("0044 20 7946 0958", "GB"),
        ("030 1234567", "DE"),
        ("0412 345 678", "AU"),
        ("(415) 555-2671", "US"),
        ("612 34 56 78", "ES"),
        ("447911123456", "GB"),
        ("33612345678.0", "FR"),
        ("61412345678", "AU"),
        ("40301234567", "DE"),
    ],
)
def test_a_phone_gets_the_form_phonenumbers_gives_it(written: str, country: str) -> None:
    plain = written.replace("0044", "+44").replace("(0)", "").removesuffix(".0")
    expected = phonenumbers.format_number(phonenumbers.parse(plain, country), phonenumbers.PhoneNumberFormat.E164)
    assert canonical("phone", phone=written, country=country) == expected


@pytest.mark.parametrize(
    ("column", "fields", "form"),
    [
        ("birth_date", {"birth_date": "19900214"}, "19900214"),
        ("birth_date", {"birth_date": "14/02/1990"}, "19900214"),
        ("birth_date", {"birth_date": "02/14/1990"}, "19900214"),
        ("birth_date", {"birth_date": "1990-02-14 00:00:00"}, "19900214"),
        ("birth_date", {"birth_date": "1990-02-31"}, "19900231"),
        ("street", {"street": "12 High St."}, "12 high street"),
        ("street", {"street": "Hauptstraße 5"}, "haupt street 5"),
        ("postcode", {"postcode": "sw1a 1aa"}, "SW1A1AA"),
        ("postcode", {"postcode": "2000.0"}, "2000"),
        ("given", {"given_name": "JOSÉ"}, "jose"),
        ("given", {"full_name": "Smith, Robert"}, "robert"),
        ("family", {"full_name": "Dr Anna van der Berg"}, "van der berg"),
        ("country", {"country": "Deutschland"}, "DE"),
    ],
)
def test_a_field_has_one_form_for_matching(column: str, fields: dict[str, str], form: str) -> None:
    assert canonical(column, **fields) == form


@pytest.mark.parametrize(
    ("written", "given", "family"),
    [
        ("Peter Woodford", "peter", "woodford"),
        ("Olga St Clair", "olga", "st clair"),
        ("Ivan Hall", "ivan", "hall"),
        ("Anna van der Berg", "anna", "van der berg"),
        ("van Berg", None, "van berg"),
        ("Smith, Gabriel", "gabriel", "smith"),
        ("Gabriel Smith, Jr.", "gabriel", "smith"),
        ("Gabriel Smith III", "gabriel", "smith"),
        ("Gabriel Smith, 1st Baron Clifford of Chudleigh", "gabriel", "smith"),
        ("Prof. Dr. Gabriel Smith", "gabriel", "smith"),
        ("Cher", "cher", None),
    ],
)
def test_a_full_name_is_split_before_the_words_of_the_family_name(written: str, given: str | None, family: str | None) -> None:
    assert (canonical("given", full_name=written), canonical("family", full_name=written)) == (given, family)


@pytest.mark.parametrize(
    ("left", "right", "edits", "is_typo"),
    [
        ("19800412", "19800413", 1, True),
        ("19800412", "19804012", 1, True),
        ("19800412", "19840012", 1, False),
        ("katherine", "katherne", 1, True),
        ("katherine", "kathrne", 1, False),
        ("katherine", "kathrne", 2, True),
        ("+447912345678", "+447923456781", 2, True),
        ("+447912345678", "+447987654321", 2, False),
        ("ann", "bob", 2, False),
    ],
)
def test_a_typo_is_a_letter_or_two_wrong_moved_or_missing(left: str, right: str, edits: int, is_typo: bool) -> None:
    values = duckdb.values([left, right]).project("col0 as text_l, col1 as text_r")
    found = [
        values.project(typo("text", edits)).fetchone(),
        values.project("text_r as text_l, text_l as text_r").project(typo("text", edits)).fetchone(),
    ]
    assert found == [(is_typo,), (is_typo,)]


@pytest.mark.parametrize(("initials", "is_part"), [("l l", True), ("l", True), ("l j", True), ("b l", False)])
def test_initials_are_a_part_of_the_given_names_they_begin(initials: str, is_part: bool) -> None:
    full = "'linda lorraine' as given_l, 'linda' as given_first_l, ['linda'] as given_roots_l, 'peters' as family_l"
    short = f"'{initials}' as given_r, '{initials[0]}' as given_first_r, ['{initials[0]}'] as given_roots_r, 'peters' as family_r"
    # Counted from 0 = different: swapped with a typo, similar, initial or part.
    assert duckdb.sql(f"select {level_sql(given_name())} from (select {full}, {short})").fetchone() == (3 if is_part else 0,)


def test_names_in_swapped_order_share_a_key() -> None:
    assert canonical("name_key", given_name="Ann", family_name="Lee") == canonical("name_key", given_name="Lee", family_name="Ann")


def test_a_record_id_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows, 1 ids"):
        compare(pa.table({"record_id": ["1", "1"], "email": ["a@b.test", "a@b.test"]}), None)


ANN = {"given_name": "Ann", "family_name": "Lee", "phone": "020 7946 0958"}


@pytest.mark.parametrize(
    ("left", "right", "is_linked"),
    [
        (ANN, {**ANN, "phone": "+44 20 7946 0958"}, True),
        (ANN, {**ANN, "given_name": "Nancy"}, True),
        (ANN, {**ANN, "given_name": "A"}, True),
        (ANN, {**ANN, "given_name": "Lee", "family_name": "Ann"}, True),
        (ANN, {**ANN, "given_name": "Robert"}, False),
        ({**ANN, "birth_date": "1950-01-02"}, {**ANN, "birth_date": "1981-11-30"}, False),
        (ANN, {"family_name": "Okafor", "phone": "020 7946 0958"}, False),
    ],
)
def test_a_phone_links_only_names_that_agree(left: dict[str, str], right: dict[str, str], is_linked: bool) -> None:
    assert (("0", "1", "phone") in links(records(left, right))) is is_linked


def test_a_nameless_record_does_not_join_a_household_by_its_phone() -> None:
    phone = "020 7946 0958"
    table = records({"given_name": "Ann", "phone": phone}, {"given_name": "Robert", "phone": phone}, {"phone": phone})
    assert links(table) == set()
    assert links(table.slice(1)) == {("1", "2", "phone")}


def test_a_mailbox_of_many_people_stops_linking_and_is_reported() -> None:
    names = ["Ann", "Bob", "Cara", "Dan", "Eve", "Ann"]
    table = records(*({"given_name": name, "email": "info@shop.test"} for name in names))
    found = compare(table, None)
    shared = found.shared
    assert found.edges.num_rows == 0
    assert [(row["rule"], row["records"], row["people"]) for row in shared.to_pylist()] == [("email", 6, 5)]
    assert "info@shop.test" not in str(shared.to_pylist())
    assert links(table.take([0, 5])) == {("0", "5", "email")}


def test_a_login_links_whatever_the_names_say() -> None:
    table = records({"given_name": "Ann", "login": "U-7"}, {"given_name": "Robert", "login": "u-7"})
    assert links(table, rules=(Rule("login", "login", 0.999, conflict="never"),)) == {("0", "1", "login")}


def test_an_edge_is_known_when_its_later_record_is() -> None:
    import datetime

    days = [datetime.datetime(2026, 3, 2), datetime.datetime(2026, 3, 1)]
    table = pa.table({"record_id": ["late", "early"], "email": ["a@b.test"] * 2, "known_at": days})
    edges = compare(table, None).edges
    assert edges.select(["record_a", "record_b", "known_at"]).to_pylist() == [
        {"record_a": "early", "record_b": "late", "known_at": days[0]}
    ]
