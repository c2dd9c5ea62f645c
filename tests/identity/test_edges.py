"""Exact rules: who is linked by an address, a number, a login or a card, and who is not."""

from datetime import datetime, timedelta

import duckdb
import pytest

from dagster_project.identity.edges import BROWSER_ATTACHMENTS, RULES, attachments_sql, edges_sql

RULE = {rule.name: rule for rule in RULES}
COLUMNS = ("first_name", "last_name", "email", "phone", "login_id", "loyalty_id", "browser_id")
Person = dict[str, str]


def linked(rule: str, *people: Person) -> set[tuple[int, int]]:
    """Edges between records, by their place: each becomes known a day after the one before."""
    with duckdb.connect() as connection:
        write(connection, *people)
        rows = connection.execute(edges_sql(RULE[rule])).fetchall()
    return {(int(a.split(":")[1]), int(b.split(":")[1])) for a, b, *_ in rows}


def write(connection: duckdb.DuckDBPyConnection, *people: Person) -> None:
    connection.execute("create schema identity")
    columns = ", ".join(f"{column} varchar" for column in COLUMNS)
    connection.execute(
        f"create table identity.customer_records (record_id varchar, known_at timestamp, version_at timestamp, country varchar, is_person boolean, {columns})"
    )
    connection.execute(
        "create table identity.contact_points (kind varchar, stated varchar, country varchar, canonical varchar, status varchar)"
    )
    connection.execute(
        "create table identity.browser_users (browser_id varchar, login_id varchar, record_id varchar, rule varchar, known_at timestamp)"
    )
    for place, person in enumerate(people):
        at = datetime(2026, 1, 1) + timedelta(days=place)
        values = [f"crm:{place}", at, at, "DE", person.get("is_person") != "no", *(person.get(column) for column in COLUMNS)]
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
        ("Julia Roth", "Julia Meier", False),
    ],
)
def test_a_phone_links_one_person_and_not_a_household(one: str, other: str, same: bool) -> None:
    assert bool(linked("same phone", someone(one, phone="+4930123"), someone(other, phone="+4930123"))) == same


def test_a_nameless_record_joins_a_phone_of_one_person_but_not_of_two() -> None:
    nobody: Person = {"phone": "+4930123"}
    assert linked("same phone", someone("Julia Roth", phone="+4930123"), nobody) == {(0, 1)}
    assert linked("same phone", someone("Julia Roth", phone="+4930123"), someone("Jan Roth", phone="+4930123"), nobody) == set()


def test_a_phone_of_many_people_stops_linking() -> None:
    strangers = [
        someone(f"{first} {last}", phone="+4930123")
        for first, last in (("Anna", "Adler"), ("Bodo", "Busch"), ("Carl", "Cohn"), ("Dora", "Dorn"))
    ]
    assert linked("same phone", *strangers, someone("Anna Adler", phone="+4930123")) == set()
    assert linked("same phone", *strangers[:3], someone("Anna Adler", phone="+4930123")) == {(0, 3)}


def test_a_mailbox_is_one_customer_whoever_shares_it() -> None:
    couple = someone("Julia Roth", email="roths@example.org"), someone("Jan Meier", email="Roths@example.org")
    assert linked("same e-mail", *couple) == {(0, 1)}


def test_an_offices_mailbox_stops_linking_at_the_fourth_person() -> None:
    office = [
        someone(f"{first} {last}", email="info@example.org") for first, last in (("Anna", "Adler"), ("Bodo", "Busch"), ("Carl", "Cohn"))
    ]
    more = someone("Dora", email="info@example.org"), someone("Ewa Eick", email="info@example.org")
    assert linked("same e-mail", *office, *more) == {(0, 1), (0, 2), (0, 3)}


def test_an_invalid_address_links_nobody() -> None:
    assert linked("same e-mail", someone("Anna Adler", email="anna"), someone("Anna Adler", email="anna")) == set()


def test_a_login_links_whatever_the_names() -> None:
    assert linked("same login", someone("Anna Adler", login_id="7"), someone("Bodo Busch", login_id="7")) == {(0, 1)}


@pytest.mark.parametrize("rule", ["same phone", "same e-mail", "same loyalty card"])
def test_later_records_change_no_earlier_link(rule: str) -> None:
    """A day built alone must equal the same day of a backfill: the links among the first records never depend on those after them."""
    names = ("Julia Roth", "Jan Roth", "", "J. Roth", "Carl Cohn", "Dora Dorn", "Julia Roth", "", "Ewa Eick", "Jan Roth")
    people = [someone(name, phone="+4930123", email="a@example.org", loyalty_id="LC1") for name in names]
    whole = linked(rule, *people)
    assert whole
    for count in range(2, len(people)):
        assert linked(rule, *people[:count]) == {edge for edge in whole if max(edge) < count}


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
