"""Which rows are a person's: by what is an address or number at all, and by what the contract says rather than by a text that mentions them."""

import json

import duckdb
import pytest

from dagster_project.privacy.person import Person
from dagster_project.privacy.traces import QUARANTINE, quarantined_identifiers
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.identifiers import Identifier, identifier

ANN = Identifier("email", "ann@x.org")


@pytest.mark.parametrize("stated", ["Anna", "keine", "unknown", "@", "anna@", "@x.org"])
def test_a_field_for_an_address_that_holds_none_names_nobody(stated: str) -> None:
    assert identifier("email", stated, "shopify", "DE") is None


@pytest.mark.parametrize("stated", ["ann@x.org", " Ann@X.org", "ann@shop.test", "ann@localhost"])
def test_an_address_is_one_by_its_form(stated: str) -> None:
    assert identifier("email", stated, "shopify", "DE") == Identifier("email", stated.strip().lower())


def test_a_refused_row_that_mentions_somebody_makes_nobody_else_theirs() -> None:
    """Bob's profile says who told him of the shop."""
    shop = load_shop(SHOPS / "demo")
    rows = {
        "ANN1": {"id": "ANN1", "attributes": json.dumps({"email": "Ann@x.org"})},
        "BOB1": {"id": "BOB1", "attributes": json.dumps({"email": "bob@y.org", "properties": {"Referrer": "ann@x.org"}})},
    }
    with duckdb.connect() as connection:
        connection.execute("create schema sources")
        connection.execute("create table sources.quarantine (source varchar, table_name varchar, row_json varchar)")
        connection.execute("create temp table marked (table_name varchar, row bigint, stays boolean)")
        for row in rows.values():
            connection.execute("insert into sources.quarantine values ('klaviyo', 'profiles', ?)", [json.dumps(row)])
        connection.execute("insert into marked select ?, rowid, false from sources.quarantine", [QUARANTINE])
        assert quarantined_identifiers(connection, shop, Person(frozenset({ANN}))) == {Identifier("record_id", "klaviyo:ANN1")}
