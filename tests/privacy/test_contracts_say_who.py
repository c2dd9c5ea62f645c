"""Every table with personal data says who its rows are of: else nobody in it could be found, shown or erased."""

import pytest

from dagster_project.sources.contract import Column, all_systems

TABLES = [(system, name) for system, contract in all_systems().items() for name in contract.tables]


def says_nobody(columns: dict[str, Column]) -> bool:
    return any(column.pii != "none" for column in columns.values()) and not any(column.says_who for column in columns.values())


@pytest.mark.parametrize(("system", "name"), TABLES)
def test_a_table_with_personal_data_says_who_it_is_of(system: str, name: str) -> None:
    assert not says_nobody(all_systems()[system].tables[name].columns)


@pytest.mark.parametrize(("system", "name"), TABLES)
def test_a_direct_identifier_is_one_by_which_people_are_found(system: str, name: str) -> None:
    columns = all_systems()[system].tables[name].columns
    addresses = [
        one for one, column in columns.items() if column.pii == "direct" and ("email" in one or "phone" in one) and not column.says_who
    ]
    assert addresses == []


def test_a_table_that_says_nobody_is_seen() -> None:
    assert says_nobody({"name": Column(pii="direct")})
    assert not says_nobody({"name": Column(pii="direct"), "address": Column(pii="direct", holds="email")})


def test_a_sale_whose_key_is_the_person_does_not_stay() -> None:
    tables = all_systems()["sales"].tables
    assert tables["purchases"].stays == ()
    assert "order_id" in tables["lines"].stays
    assert {"customer_id", "email", "street", "city"} & set(tables["lines"].stays) == set()
