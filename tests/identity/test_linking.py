"""The store's links: what a run keeps from the run before changes nothing, and a shop too small to learn from says so."""

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project.identity import linking
from dagster_project.identity.linking import Linked, link_records
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse
from ml.registry import Registry

SAMPLE = Path(__file__).parent / "data" / "febrl3_sample.parquet"
# Half of the records are history; the others come two a night.
RECORDS = f"""
with numbered as (
    select *, row_number() over (order by md5(rec_id)) as number, count(*) over () as every from '{SAMPLE}'
)
select
    'crm:' || rec_id as record_id,
    'crm' as source,
    case when number <= every - 20 then timestamp '2026-02-01' else timestamp '2026-03-01 12:00' + interval ((number - every + 20) // 2) day end as known_at,
    given_name as first_name,
    surname as last_name,
    case when number % 20 = 0 then 'info@office.test' end as email,
    cast(null as varchar) as phone,
    street_number || ' ' || address_1 as street,
    suburb as city,
    postcode::varchar as postal_code,
    cast(null as varchar) as country,
    try_cast(try_strptime(date_of_birth::varchar, '%Y%m%d') as date) as birth_date,
    cast(null as varchar) as login_id,
    cast(null as varchar) as loyalty_id,
    cast(null as varchar) as browser_id,
    true as is_person
from numbered
"""


def store(folder: Path) -> Warehouse:
    folder.mkdir(parents=True)
    warehouse = Warehouse(folder / "warehouse.duckdb", threads=1)
    warehouse.create()
    with duckdb.connect() as connection:
        rows = connection.execute(RECORDS).to_arrow_table()
    warehouse.replace("identity.every_record", rows)
    with warehouse.transaction() as connection:
        connection.execute("create table identity.customer_records as select * from identity.every_record where false")
        connection.execute(
            "create table identity.contact_points (kind varchar, stated varchar, country varchar, canonical varchar, status varchar)"
        )
        connection.execute("insert into identity.contact_points values ('email', 'info@office.test', null, 'info@office.test', 'valid')")
        connection.execute(
            "create table identity.browser_users (browser_id varchar, login_id varchar, record_id varchar, rule varchar, known_at timestamp)"
        )
    return warehouse


def linked(warehouse: Warehouse, until: datetime) -> Linked:
    """Links of what was known by then."""
    with warehouse.transaction() as connection:
        connection.execute("delete from identity.customer_records")
        connection.execute("insert into identity.customer_records select * from identity.every_record where known_at <= ?", [until])
    folder = warehouse.path.parent
    shop = load_shop(SHOPS / "small")
    return link_records(warehouse, shop, [], "a key", folder, Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlflow", "small"))


def begun(stays: pa.Table, by: datetime) -> set[tuple[object, ...]]:
    """The stays as they were believed then."""
    return {
        (row["source_customer_id"], row["customer_id"], row["rule"], row["valid_from"])
        for row in stays.to_pylist()
        if row["valid_from"] <= by and (row["valid_to"] is None or row["valid_to"] > by)
    }


def test_night_by_night_or_all_at_once_the_links_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "MIN_RECORDS", 100)
    nightly, at_once = store(tmp_path / "nightly"), store(tmp_path / "once")
    nights = [datetime(2026, 3, 1, 5) + timedelta(days=n) for n in (0, 4, 11)]
    believed = [begun(linked(nightly, night).customer_links, night) for night in nights]
    whole = linked(at_once, nights[-1])
    assert whole.model_log["status"].to_pylist() == ["trained"]
    for table in ("customer_links", "merge_log", "clerical_review", "shared_identifiers", "model_log"):
        assert nightly.read(f"select * from identity.{table}").equals(at_once.read(f"select * from identity.{table}")), table
    for night, then in zip(nights, believed, strict=True):
        assert begun(whole.customer_links, night) == then, "later records changed what was believed"
    assert "model" in whole.customer_links["rule"].to_pylist()
    # The control: edges kept from another model, or from records that are gone, are not used.
    seen = nightly.rows("select count(*), count(distinct fingerprint) from identity.compared")
    assert seen[0][1] == 1
    statements = nightly.read(linking.STATEMENTS)
    assert linking.unseen(nightly, statements, "another") is None
    assert linking.unseen(nightly, statements.slice(5), str(nightly.rows("select min(fingerprint) from identity.compared")[0][0])) is None


def test_an_office_mailbox_links_nobody_and_is_reported(tmp_path: Path) -> None:
    found = linked(store(tmp_path / "office"), datetime(2026, 4, 1))
    assert [(row["rule"], row["people"] > 3) for row in found.shared_identifiers.to_pylist()] == [("same e-mail", True)]
    present = found.customer_links.filter(pc.is_null(found.customer_links["valid_to"]))
    assert "same e-mail" not in present["rule"].to_pylist()


def test_a_shop_too_small_to_learn_from_says_so(tmp_path: Path) -> None:
    found = linked(store(tmp_path / "small"), datetime(2026, 2, 2))
    (line,) = found.model_log.to_pylist()
    assert line["status"] == "abstained"
    assert line["reason"] == "exact rules alone: no close had 2,000 records with names, from which a model could learn"
