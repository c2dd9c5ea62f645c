"""What records state, the shop's exact rules over it, and what hangs on a person: by an address, a number, a login or a card."""

from datetime import datetime, timedelta

import duckdb
import pytest

from dagster_project.identity.comparing import compare
from dagster_project.identity.statements import BROWSER_ATTACHMENTS, SHOP_RULES, STATEMENTS, attachments_sql

RULE = {rule.name: rule for rule in SHOP_RULES}
COLUMNS = ("first_name", "last_name", "email", "phone", "street", "city", "postal_code", "login_id", "loyalty_id", "browser_id", "national_id")
Person = dict[str, str]


def linked(rule: str, *people: Person, ended: bool = False) -> set[tuple[int, int]]:
    """Edges between records, by their place: each becomes known a day after the one before."""
    with duckdb.connect() as connection:
        write(connection, *people)
        statements = connection.execute(STATEMENTS).to_arrow_table()
    edges = compare(statements, None, (RULE[rule],), default_country="DE").edges.to_pylist()
    return {
        (int(edge["record_a"].split(":")[1]), int(edge["record_b"].split(":")[1]))
        for edge in edges
        if (edge["known_until"] is not None) == ended
    }


def write(connection: duckdb.DuckDBPyConnection, *people: Person) -> None:
    connection.execute("create schema identity")
    columns = ", ".join(f"{column} varchar" for column in COLUMNS)
    connection.execute(
        "create table identity.customer_records (record_id varchar, source varchar, known_at timestamp, version_at timestamp, country varchar,"
        f" birth_date date, is_person boolean, {columns})"
    )
    connection.execute(
        "create table identity.contact_points (kind varchar, stated varchar, country varchar, canonical varchar, status varchar)"
    )
    connection.execute(
        "create table identity.browser_users (browser_id varchar, login_id varchar, record_id varchar, rule varchar, known_at timestamp)"
    )
    for place, person in enumerate(people):
        at = datetime(2026, 1, 1) + timedelta(days=place)
        values = [person.get("record_id", f"crm:{place}"), "crm", at, at, "DE", None, person.get("is_person") != "no"]
        values += [person.get(column) for column in COLUMNS]
        connection.execute(f"insert into identity.customer_records values ({', '.join('?' * len(values))})", values)
        for kind in ("email", "phone"):
            if person.get(kind):
                status = "invalid" if "@" not in person[kind] and kind == "email" else "valid"
                country = "DE" if kind == "phone" else None
                connection.execute(
                    "insert into identity.contact_points select ?, ?, ?, ?, ? where ? not in (select stated from identity.contact_points)",
                    [kind, person[kind], country, person[kind].lower(), status, person[kind]],
                )


def someone(name: str, **more: str) -> Person:
    first, _, last = name.partition(" ")
    return {"first_name": first, "last_name": last, **more}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Jula Roth", "Julia Roth", True),
        ("J. Roth", "Julia Roth", True),
        ("Roth Julia", "Julia Roth", True),
        ("Jürgen Weiß", "Jurgen Weiss", True),
        ("Julia Roth", "Jan Roth", False),
    ],
)
def test_a_phone_links_one_person_and_not_a_household(one: str, other: str, same: bool) -> None:
    assert bool(linked("same phone", someone(one, phone="+4930123456"), someone(other, phone="+4930123456"))) == same


def test_a_nameless_record_joins_a_phone_of_one_person_but_not_of_two() -> None:
    nobody: Person = {"phone": "+4930123456"}
    julia, jan = someone("Julia Roth", phone="+4930123456"), someone("Bernd Roth", phone="+4930123456")
    assert linked("same phone", julia, nobody) == {(0, 1)}
    assert linked("same phone", julia, jan, nobody) == set()


def test_a_phone_stops_linking_on_the_day_a_person_too_many_has_it() -> None:
    people = [someone(f"{name}", phone="+4930123456") for name in ("Anna Adler", "Anna Adler", "Bodo Busch", "Carl Cohn", "Dora Dorn")]
    assert linked("same phone", *people[:4]) == {(0, 1)}
    assert linked("same phone", *people) == set()
    assert linked("same phone", *people, ended=True) == {(0, 1)}


def test_a_mailbox_is_one_customer_whoever_shares_it() -> None:
    couple = someone("Julia Roth", email="roths@example.org"), someone("Jan Meier", email="Roths@example.org")
    assert linked("same e-mail", *couple) == {(0, 1)}


def test_dots_and_tags_of_a_mailbox_are_no_difference() -> None:
    assert linked("same e-mail", someone("Anna", email="a.nna+shop@gmail.com"), someone("Anna", email="anna@googlemail.com")) == {(0, 1)}


def test_an_offices_mailbox_links_nobody_from_its_fourth_person_on() -> None:
    office = [someone(name, email="info@example.org") for name in ("Anna Adler", "Bodo Busch", "Carl Cohn", "Dora Dorn")]
    assert len(linked("same e-mail", *office[:3])) == 3
    assert linked("same e-mail", *office) == set()


def test_an_invalid_address_links_nobody() -> None:
    assert linked("same e-mail", someone("Anna Adler", email="anna"), someone("Anna Adler", email="anna")) == set()


def test_a_login_links_whatever_the_names() -> None:
    assert linked("same login", someone("Anna Adler", login_id="7"), someone("Bodo Busch", login_id="7")) == {(0, 1)}


def test_a_national_id_links_however_it_is_written() -> None:
    assert linked("same national id", someone("Anna Adler", national_id="12345678-z"), someone("A. Busch", national_id="12 345 678 Z")) == {(0, 1)}


def test_a_record_is_found_by_an_address_it_had_before() -> None:
    before = someone("Anna Adler", record_id="crm:0", email="anna@example.org")
    after = someone("Anna Busch", record_id="crm:0", email="busch@example.org")
    assert linked("same e-mail", before, after, someone("A. Adler", email="anna@example.org")) == {(0, 2)}


def test_a_record_that_is_no_person_links_nobody_and_hangs_on_who_shares_its_value() -> None:
    receipt: Person = {"email": "anna@example.org", "is_person": "no"}
    people = someone("Anna Adler", email="anna@example.org"), receipt, someone("A. Adler", email="anna@example.org")
    assert linked("same e-mail", *people) == {(0, 2)}
    with duckdb.connect() as connection:
        write(connection, *people)
        found = connection.execute(attachments_sql(RULE["same e-mail"])).fetchall()
    assert [(visitor, record, known_at.day) for visitor, record, _, _, known_at in found] == [("crm:1", "crm:0", 2), ("crm:1", "crm:2", 3)]


def test_a_browser_hangs_on_whoever_signed_in_or_bought_in_it() -> None:
    browser: Person = {"browser_id": "b", "is_person": "no"}
    with duckdb.connect() as connection:
        write(connection, browser, someone("Anna Adler", login_id="7"), someone("Bodo Busch"))
        connection.execute("insert into identity.browser_users values ('b', '7', null, 'signed in there', timestamp '2026-01-05')")
        connection.execute("insert into identity.browser_users values ('b', null, 'crm:2', 'bought there', timestamp '2026-01-02')")
        found = connection.execute(BROWSER_ATTACHMENTS).fetchall()
    assert [(visitor, record, rule, known_at.day) for visitor, record, rule, _, known_at in found] == [
        ("crm:0", "crm:1", "signed in there", 5),
        ("crm:0", "crm:2", "bought there", 3),
    ]
