"""The store's links: what a run keeps from the run before changes nothing, and a shop too small to learn from says so."""

import shutil
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project.identity import linking, people, shop_model
from dagster_project.identity.comparing import compare_new
from dagster_project.identity.link_lists import Decision, Decisions
from dagster_project.identity.linking import Linked, link_records
from dagster_project.identity.statements import SHOP_RULES
from dagster_project.identity.stays import History
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
    cast(null as varchar) as national_id,
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


def linked(warehouse: Warehouse, until: datetime, decisions: Sequence[Decision] = ()) -> Linked:
    """Links of what was known by then."""
    with warehouse.transaction() as connection:
        connection.execute("delete from identity.customer_records")
        connection.execute("insert into identity.customer_records select * from identity.every_record where known_at <= ?", [until])
    folder = warehouse.path.parent
    shop = load_shop(SHOPS / "small")
    return link_records(
        warehouse, shop, decisions, "a key", folder, Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlflow", "small")
    )


def begun(stays: pa.Table, by: datetime) -> set[tuple[object, ...]]:
    """The stays as they were believed then."""
    return {
        (row["source_customer_id"], row["customer_id"], row["rule"], row["valid_from"])
        for row in stays.to_pylist()
        if row["valid_from"] <= by and (row["valid_to"] is None or row["valid_to"] > by)
    }


def test_night_by_night_or_all_at_once_the_links_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_model, "MIN_RECORDS", 100)
    nightly, at_once = store(tmp_path / "nightly"), store(tmp_path / "once")
    nights = [datetime(2026, 3, 1, 5) + timedelta(days=n) for n in (0, 4, 11)]
    believed = [begun(linked(nightly, night).customer_links, night) for night in nights]
    whole = linked(at_once, nights[-1])
    assert whole.model_log["status"].to_pylist() == ["trained"]
    for table in ("customer_links", "merge_log", "clerical_review", "shared_identifiers", "model_log", "edges"):
        sql = f"select * from identity.{table} order by all"
        assert nightly.read(sql).equals(at_once.read(sql)), table
    for night, then in zip(nights, believed, strict=True):
        assert begun(whole.customer_links, night) == then, "later records changed what was believed"
    assert "model" in whole.customer_links["rule"].to_pylist()
    # The last nights touched few records, and found them again where what is kept was made of others.
    assert linking.kept(nightly) is not None
    with nightly.transaction() as connection:
        connection.execute(
            "update identity.customer_records set city = 'Elsewhere' where record_id = (select min(record_id) from identity.customer_records)"
        )
    assert linking.kept(nightly) is None


def test_a_night_of_nobody_new_or_of_somebody_like_nobody_changes_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_model, "MIN_RECORDS", 100)
    warehouse, night = store(tmp_path / "store"), datetime(2026, 3, 12, 5)
    before = linked(warehouse, night).customer_links
    assert linked(warehouse, night).customer_links.equals(before)
    with warehouse.transaction() as connection:
        connection.execute(
            "insert into identity.every_record by name select * replace ('crm:lonely' as record_id, timestamp '2026-03-12 12:00' as known_at, 'Xu' as "
            "first_name, 'Qqqq' as last_name, 'q@zz.test' as email, '9 Nowhere' as street, 'Qzx' as city, '99999' as postal_code, null as birth_date) "
            "from identity.every_record limit 1"
        )
    after = linked(warehouse, night + timedelta(days=1)).customer_links
    is_new = pc.equal(after["source_customer_id"], "lonely")
    assert after.filter(pc.invert(is_new)).equals(before)
    assert after.filter(is_new)["rule"].to_pylist() == ["first record"]


def test_what_other_code_kept_is_found_anew_with_a_model_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_model, "MIN_RECORDS", 100)
    warehouse, night = store(tmp_path / "store"), datetime(2026, 3, 12, 5)
    whole = linked(warehouse, night)
    trained: list[int] = []

    def model_of(*arguments: Any) -> Any:
        trained.append(arguments[2].num_rows)
        return whole.model

    monkeypatch.setattr(linking, "model_of", model_of)
    assert linked(warehouse, night).customer_links.equals(whole.customer_links)
    assert not trained, "the same code takes the model that is there"
    with warehouse.transaction() as connection:
        connection.execute("update identity.linked_until set fingerprint = 'of other code'")
    assert linked(warehouse, night).customer_links.equals(whole.customer_links)
    assert trained and trained[0] > 100


def test_a_night_finds_people_only_around_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_model, "MIN_RECORDS", 100)
    seen: list[int] = []
    whole = people.history

    def counted(persons: pa.Table, *rest: Any) -> History:
        seen.append(persons.num_rows)
        return whole(persons, *rest)

    monkeypatch.setattr(people, "history", counted)
    warehouse = store(tmp_path / "nightly")
    linked(warehouse, datetime(2026, 3, 4))
    linked(warehouse, datetime(2026, 3, 5))
    every = warehouse.rows("select count(distinct record_id) from identity.customer_records")[0][0]
    assert seen[0] > 200 and 0 < seen[1] < every / 4
    # The control: a model that says something else starts from nothing.
    monkeypatch.setattr(linking, "fingerprint_of", lambda parts: "another")
    linked(warehouse, datetime(2026, 3, 5))
    assert seen[2] == every


def test_a_decision_about_an_old_day_is_found_anew_and_one_of_today_only_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_model, "MIN_RECORDS", 100)
    until = datetime(2026, 3, 8)
    for day in (date(2026, 3, 2), date(2026, 3, 7)):
        nightly, at_once = store(tmp_path / f"nightly {day}"), store(tmp_path / f"once {day}")
        before = linked(nightly, datetime(2026, 3, 7))
        joined = before.customer_links.filter(pc.equal(before.customer_links["rule"], "model")).to_pylist()[0]
        anchor = next(
            r for r in before.customer_links.to_pylist() if r["customer_id"] == joined["customer_id"] and r["rule"] == "first record"
        )
        decisions = [
            Decision(day, "unlink", f"crm:{joined['source_customer_id']}", f"crm:{anchor['source_customer_id']}", "Ann", "two people")
        ]
        links = linked(nightly, until, decisions).customer_links
        assert links.equals(linked(at_once, until, decisions).customer_links)
        assert nightly.read("select * from identity.merge_log").equals(at_once.read("select * from identity.merge_log"))
        present = {r["source_customer_id"]: r["customer_id"] for r in links.to_pylist() if r["valid_to"] is None}
        assert present[joined["source_customer_id"]] != present[anchor["source_customer_id"]]


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


def chain(records: int) -> pa.Table:
    """Records of one person, of whom each shares an address or a number with the next alone; the last came a day later."""
    rows = [
        {
            "record_id": f"crm:{number}",
            "source": "crm",
            "given_name": "Ann",
            "family_name": "Lee",
            "email": f"ann{(number + 1) // 2}@mail.test",
            "phone": f"+44207946{number // 2:04}",
            "known_at": datetime(2026, 3, 1, 12) if number < records - 1 else datetime(2026, 3, 2, 12),
        }
        for number in range(records)
    ]
    return pa.Table.from_pylist(rows)


def stays_of(records: Sequence[pa.Table], closes: Sequence[datetime]) -> pa.Table:
    """The stays after a run a close, each with the records that came by then."""
    with duckdb.connect() as connection:
        for number, came in enumerate(records, start=1):
            compare_new(connection, came, None, SHOP_RULES)
            ahead = closes[:number] if len(records) > 1 else closes
            people.find_people(connection, closes[number - 2] if number > 1 else None, ahead, Decisions([], lambda _: closes[0]), "a key")
        return connection.execute("select * from identity.stays order by all").to_arrow_table()


def test_who_hangs_together_with_a_new_record_is_found_however_long_the_chain() -> None:
    closes = [datetime(2026, 3, 2), datetime(2026, 3, 3)]
    records = chain(9)
    night_by_night = stays_of([records.slice(0, 8), records.slice(8)], closes)
    assert night_by_night.equals(stays_of([records], closes))
    assert set(night_by_night["customer_id"].to_pylist()) == {night_by_night["customer_id"][0].as_py()}
    assert night_by_night.num_rows == 9


def test_every_module_that_shapes_a_stay_is_in_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(Path(shop_model.__file__).parent, tmp_path / "identity"))
    monkeypatch.setattr(shop_model, "__file__", str(folder / "shop_model.py"))
    assert {path.stem for path in folder.glob("*.py")} > shop_model.APART
    before = shop_model.fingerprint_of([])
    for module, matters in (("linking", True), ("link_lists", True), ("people", True), ("pictures", False)):
        path = folder / f"{module}.py"
        content = path.read_bytes()
        path.write_bytes(content + b"\n# another\n")
        assert (shop_model.fingerprint_of([]) != before) == matters, module
        path.write_bytes(content)
    monkeypatch.setitem(shop_model.dbt_vars()["countries"], "NL", ["netherlands", "holland"])
    assert shop_model.fingerprint_of([]) != before
