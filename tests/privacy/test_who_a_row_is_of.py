"""Which rows are a person's: by what is an address or number at all, and by what the contract says rather than by a text that mentions them."""

import json
from pathlib import Path

import duckdb
import pytest

from dagster_project.privacy.person import Person, find
from dagster_project.privacy.traces import QUARANTINE, quarantined_identifiers
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.contract import load_system
from dagster_project.sources.identifiers import Identifier, identifier, identifiers_within
from dagster_project.warehouse import Warehouse

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


def test_a_mailbox_of_several_names_none_of_them(tmp_path: Path) -> None:
    shop, warehouse = load_shop(SHOPS / "demo"), Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.transaction() as connection:
        connection.execute("create schema identity")
        connection.execute(
            "create table identity.customer_records as select 'shopify:' || n as record_id, 'Info@x.org' as email, null::varchar as phone, 'DE' as "
            "country, null::varchar as login_id, null::varchar as loyalty_id, null::varchar as browser_id, null::varchar as national_id, "
            "true as is_person from range(1, 4) as numbers(n)"
        )
        connection.execute(
            "create table identity.contact_points as select 'email' as kind, 'Info@x.org' as stated, 'info@x.org' as canonical"
        )
        connection.execute(
            "create table identity.customer_links as select 'shopify' as source, n::varchar as source_customer_id, "
            "'c' || lpad((n % 2)::varchar, 20, '0') as customer_id, null::timestamp as valid_to from range(1, 4) as numbers(n)"
        )
    ids = [f"c{number:020d}" for number in range(2)]
    with pytest.raises(ValueError, match=f"info@x.org is stated by 2 customers: {', '.join(ids)}. Name those who are meant by their ids."):
        find(warehouse, shop, ["info@x.org"])
    # By its id one is meant alone, and the address stays the other's.
    person = find(warehouse, shop, [ids[1]])
    assert person.of("record_id") == {"shopify:1", "shopify:3"}
    assert person.shared == {Identifier("email", "info@x.org")}
    assert len(find(warehouse, shop, ids).of("record_id")) == 3


def test_a_line_that_cannot_be_read_is_of_nobody_by_a_short_number() -> None:
    text = '77;12;"2026-01-01;bob@y.org;1000000042;3'
    found = {one.value for one in identifiers_within(load_system("sales"), "lines", text, "DE")}
    assert {"bob@y.org", "sales:1000000042"} <= found
    assert not found & {"sales:77", "sales:12", "sales:3"}
