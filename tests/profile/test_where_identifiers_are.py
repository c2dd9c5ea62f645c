"""Direct identifiers are in the profile, in mails and in exports; nowhere else in a store: not in scores, logs, MLflow, the report."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

# A person's address, number, whole name or street, as the records say it.
PEOPLE = """
select lower(said) from (
    select unnest([email, phone, first_name || ' ' || last_name, street]) as said from identity.customer_records
) where length(said) >= 9
"""
# The two views that join the address on at the moment of writing a mail or a file are the door itself.
DOORS = {"mailable_customers", "recipients"}
WITHOUT = """
select table_schema, table_name, column_name from information_schema.columns
where table_schema in ('features', 'scores', 'segments', 'campaigns', 'measurement') and (data_type like '%VARCHAR%' or data_type like '%JSON%')
order by all
"""
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w{2,}")
WITH = ("warehouse.duckdb", "raw", "landing", "content", "exports")


def people(store: Settings) -> frozenset[str]:
    return frozenset(said for (said,) in Warehouse(store.warehouse).rows(PEOPLE))


def columns_that_name(store: Settings, said: frozenset[str]) -> set[str]:
    """Columns after the profile in which a value is a person's identifier, or has an address in it."""
    warehouse, found = Warehouse(store.warehouse), set()
    for schema, table, column in warehouse.rows(WITHOUT):
        values = warehouse.rows(f'select distinct "{column}"::varchar from {schema}.{table} where "{column}" is not null')
        if table not in DOORS and any(value.lower() in said or ADDRESS.search(value) for (value,) in values):
            found.add(f"{schema}.{table}.{column}")
    return found


def text_of(path: Path) -> str:
    """What a file says; of Parquet, which packs its texts, the rows."""
    return str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_bytes().decode("latin-1")


def files_that_name(store: Settings, said: frozenset[str]) -> set[str]:
    """Files beside landing, mails and exports (the event log, MLflow, what is published, the report) with a person's address in them."""
    found = set()
    for path in sorted(store.store.rglob("*")):
        within = path.relative_to(store.store)
        if path.is_file() and within.parts[0] not in WITH and {a.lower() for a in ADDRESS.findall(text_of(path))} & said:
            found.add(path.name)
    return found


def test_identifiers_stay_in_the_profile_and_what_is_sent(backfilled: Settings) -> None:
    said = people(backfilled)
    assert len([one for one in said if "@" in one]) > 20
    assert columns_that_name(backfilled, said) == set()
    # The one file of customers that is published is there to have them.
    assert files_that_name(backfilled, said) == {"customers.parquet"}


def test_one_address_in_a_score_or_in_a_log_is_found(backfilled: Settings, copy_of) -> None:
    store: Settings = copy_of(backfilled)
    said = people(store)
    address = min(one for one in said if "@" in one)
    with Warehouse(store.warehouse).transaction() as connection:
        connection.execute("update scores.customer_scores set top_category = ?", [address])
    log: Path = next(store.dagster_home.rglob("runs/*.db"))
    with log.open("ab") as file:
        file.write(f"could not read the row of {address.upper()}, stopped".encode())
    assert columns_that_name(store, said) == {"scores.customer_scores.top_category"}
    assert log.name in files_that_name(store, said)
