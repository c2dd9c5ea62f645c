"""The list of the erased: whom it keeps out, and under which key."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.failures import RunFailed
from dagster_project.privacy.erasing import ask
from dagster_project.privacy.person import Person
from dagster_project.privacy.traces import mark_quarantine
from dagster_project.resources import Store
from dagster_project.settings import SHOPS, load
from dagster_project.shop import Shop, load_shop
from dagster_project.sources.blanking import without, write_blanked
from dagster_project.sources.contract import load_system
from dagster_project.sources.erased import Entry, Erased, keep_entry, lift
from dagster_project.sources.identifiers import Identifier, stated_rows
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import land_rows
from dagster_project.sources.reading.chunks import Chunk
from dagster_project.warehouse import Warehouse
from tests.sources.samples import Store as Samples
from tests.sources.samples import content, good_rows

ANN = Identifier("email", "ann@x.org")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return load_shop(SHOPS / "demo").model_copy(update={"folder": tmp_path, "key": "the first key"})


def erased(shop: Shop, *identifiers: Identifier) -> Erased:
    """The list with one person on it."""
    listed = Erased.against(shop, None, identifiers)
    keep_entry(shop, Entry("abc", "2026-03-02T05:00:00Z", True, (tuple(listed.digests),), listed.key_check))
    return Erased.of(shop, None)


def test_the_key_of_that_time_is_needed_to_know_them(shop: Shop) -> None:
    assert erased(shop, ANN).holds(ANN)
    other = shop.model_copy(update={"key": "another key"})
    for knowing in (lambda: Erased.of(other, None), lambda: lift(other, None, ANN)):
        with pytest.raises(ValueError, match=r"was kept under another pseudonym key .* set DEARLY_PSEUDONYM_KEY to the key of that time"):
            knowing()
    assert lift(shop, None, ANN) == 1
    assert not Erased.of(other, None)


def test_they_are_known_by_the_key_of_the_settings_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEARLY_PSEUDONYM_KEY", "the environment's")
    settings = replace(load({"DEARLY_HOME": str(tmp_path)}, shop="small"), pseudonym_key="their own")
    samples = Samples(tmp_path / "samples", "shopify", "customers")
    settings.store.mkdir()
    Warehouse.of(settings).create()
    request = ask(settings, samples.shop, Person(frozenset({ANN})), is_one=True)
    assert request.people == ((Erased("their own", frozenset(), "DE").digest(ANN),),)
    keep_entry(samples.shop, Entry(request.name, request.asked_at, True, request.people, request.key_check))
    rows = [row | {"email": email} for row, email in zip(samples.good(2), ("ann@x.org", "bob@y.org"), strict=True)]
    samples.write("20260305T050000Z", content(samples.table, rows))
    (batch,) = load_shop_extracts(samples.warehouse, samples.shop, samples.folder / "store", settings.pseudonym_key)
    assert (batch.rows_loaded, batch.rows_erased) == (1, 1)


def test_a_pull_after_the_erasure_lands_without_them(shop: Shop, tmp_path: Path) -> None:
    rows = [row | {"email": email} for row, email in zip(good_rows("shopify", "customers", 2), ("ann@x.org", "bob@y.org"), strict=True)]
    path = tmp_path / "pulled" / "customers_20260305T050000Z.jsonl.gz"
    assert land_rows(path, rows, load_system("shopify"), "customers", erased(shop, ANN)) == 2
    blank, bob = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    assert (set(blank.values()), bob) == ({None}, rows[1])
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_browser_or_a_telephone_alone_is_not_who_a_row_is_of(shop: Shop) -> None:
    """Ann's number went to another, and Bob sits at her browser."""
    held = [ANN, Identifier("phone", "+493090182000"), Identifier("browser_id", "GA1.1"), Identifier("record_id", "shopify:1")]
    listed = erased(shop, *held)

    def theirs(system: str, name: str, *rows: dict[str, str]) -> dict[int, bool | None]:
        contract = load_system(system)
        return listed.rows_of(contract, name, Chunk(stated_rows(contract.tables[name].columns, list(rows)), []))

    phone = {"phone": "030 90182000"}
    stranger = {"id": "2", "email": "new@y.org"} | phone
    assert theirs("shopify", "customers", stranger, phone, {"id": "1"} | phone, stranger | {"email": "Ann@x.org"}).keys() == {1, 2, 3}
    browser = {"user_pseudo_id": "GA1.1"}
    assert theirs("ga4", "events", browser, browser | {"user_id": "4711"}).keys() == {0}


def test_no_run_of_the_ui_begins_and_nobody_is_let_in_while_an_erasure_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({"DEARLY_HOME": str(tmp_path)}, shop="small")
    warehouse = Warehouse(settings.warehouse)
    settings.store.mkdir(parents=True)
    warehouse.create()
    with Store.of(settings).yield_for_execution(dg.build_init_resource_context()) as store:
        request = ask(settings, store.shop, Person(frozenset({ANN})), is_one=True)
    with (
        pytest.raises(RunFailed, match=f"The erasure {request.name} of small is open: end it with `dearly erase`, then run again."),
        Store.of(settings).yield_for_execution(dg.build_init_resource_context()),
    ):
        pass
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path))
    lifted = CliRunner().invoke(app, ["erase", "--lift", ANN.value, "--shop", "small"], terminal_width=400)
    assert "whoever it names would be on the list again" in lifted.output + str(lifted.exception)


def test_anothers_row_loses_the_text_that_mentions_somebody_and_stays(shop: Shop, tmp_path: Path) -> None:
    """Ann told Bob of the shop; what is known of her alone goes whole."""
    profiles = [
        {"email": "bob@y.org", "properties": {"Referrer": "Ann@x.org", "Size": 4.20}},
        {"email": "Ann@x.org", "properties": {"Referrer": "bob@y.org"}},
        {"email": "cy@z.org", "properties": {}},
    ]
    shape = good_rows("klaviyo", "profiles", 3)
    lines = [json.dumps(row | {"attributes": row["attributes"] | said}) for row, said in zip(shape, profiles, strict=True)]
    path, copied = tmp_path / "profiles_20260305T050000Z.jsonl", tmp_path / "copied.jsonl"
    path.write_text("\n".join(lines) + "\n")
    contract, listed = load_system("klaviyo"), erased(shop, ANN)
    assert listed.rows_in(path, contract, "profiles") == {1: None, 2: False}
    listed.copy(path, copied, contract, "profiles")
    bob, ann, cy = map(json.loads, copied.read_text().splitlines())
    assert bob["attributes"] == shape[0]["attributes"] | profiles[0] | {"properties": {"Size": 4.2}}
    assert set(ann.values()) == {None}
    assert cy == json.loads(lines[2])
    assert listed.rows_in(copied, contract, "profiles") == {}


def test_a_row_of_parquet_that_mentions_somebody_keeps_what_else_it_says(shop: Shop, tmp_path: Path) -> None:
    path, copied = tmp_path / "customers.parquet", tmp_path / "copied.parquet"
    table = load_system("shopify").tables["customers"]
    pq.write_table(pa.table({"id": [1, 2], "email": ["bob@y.org", "cy@z.org"], "note": ["sent by ann@x.org", "new"]}), path)
    write_blanked(path, copied, table, {1: None}, lambda value: without(value, erased(shop, ANN).names))
    assert pq.read_table(copied).to_pylist() == [
        {"id": 1, "email": "bob@y.org", "note": None},
        {"id": 2, "email": "cy@z.org", "note": "new"},
    ]


def test_anothers_refused_row_waits_on_without_the_text_that_mentions_somebody(shop: Shop) -> None:
    waiting = [
        {"id": "BOB1", "attributes": json.dumps({"email": "bob@y.org", "properties": {"Referrer": "ann@x.org"}})},
        {"id": "ANN1", "attributes": json.dumps({"email": "ann@x.org"})},
    ]
    with duckdb.connect() as connection:
        connection.execute("create schema sources")
        connection.execute("create table sources.quarantine (source varchar, table_name varchar, column_name varchar, row_json varchar)")
        connection.execute("create temp table marked (table_name varchar, row bigint, stays boolean)")
        for row in waiting:
            connection.execute("insert into sources.quarantine values ('klaviyo', 'profiles', 'type', ?)", [json.dumps(row)])
        mark_quarantine(connection, {"klaviyo": load_system("klaviyo")}, erased(shop, ANN))
        ((bob, text),) = connection.execute("from without").fetchall()
        assert connection.execute("select row from marked").fetchall() == [(1,)]
    assert (bob, json.loads(json.loads(text)["attributes"])) == (0, {"email": "bob@y.org", "properties": {}})
