"""Replayed rows: the source's own updated_at decides which version is newest, and they are known from the replay on."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.sources import loading
from dagster_project.sources import replay as replaying
from dagster_project.sources.contract import all_systems
from dagster_project.sources.replay import Replay, open_rows, replay
from tests.sources.samples import Store
from tests.sources.test_orders_of_arrival import NIGHT, current, known_by, night_rows, write_night

SPOILED = {"currency": "ZZZ"}


def spoiled_night(store: Store, number: int, *events: tuple[str, int, int, bool]) -> None:
    rows = [{**row, **SPOILED} for row in night_rows("orders", list(events))]
    stamp = (NIGHT + timedelta(days=number)).strftime("%Y%m%dT%H%M%SZ")
    store.write(stamp, "".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An order whose first word waits in quarantine, and whose later one is loaded."""
    store = Store(tmp_path, "shopify", "orders")
    spoiled_night(store, 0, ("1", 1, 1, False))
    write_night(store, 1, [("1", 5, 2, False)])
    assert [(batch.rows_loaded, batch.rows_quarantined) for batch in store.load()] == [(0, 1), (1, 0)]
    return store


def replayed(store: Store, hour: int, said: int) -> Replay:
    mended = store.folder / "mended.jsonl"
    mended.write_text(json.dumps(night_rows("orders", [("1", hour, said, False)])[0]) + "\n")
    return replay(store.warehouse, store.shop, store.folder / "store", "shopify", "orders", mended)


def test_an_older_version_that_is_mended_does_not_override_the_newer_one(store: Store) -> None:
    done = replayed(store, hour=1, said=1)
    assert done.batch is not None
    assert done.batch.rows_loaded == 1
    assert current(store) == [("1", "2.00", False)]
    assert store.rows("select _known_at from sources.shopify__orders order by _known_at") == [
        (NIGHT + timedelta(days=1),),
        (done.known_at,),
    ]


def test_a_newer_version_is_the_present_from_its_replay_on(store: Store) -> None:
    """The control: it is the source's updated_at that decided above, not the order in which rows came."""
    before = NIGHT + timedelta(days=1)
    done = replayed(store, hour=9, said=3)
    assert done.known_at > before
    assert current(store) == [("1", "3.00", False)]
    assert known_by(store, before) == [("1", "2.00", False)]


def test_after_a_changed_rule_the_waiting_rows_come_in_as_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = all_systems()
    orders = systems["shopify"].tables["orders"]
    currency = orders.columns["currency"].model_copy(update={"currency": False})
    changed = orders.model_copy(update={"columns": {**orders.columns, "currency": currency}})
    shopify = systems["shopify"].model_copy(update={"tables": {**systems["shopify"].tables, "orders": changed}})
    for module in (replaying, loading):
        monkeypatch.setattr(module, "contracts_of", lambda shop: {**systems, "shopify": shopify})
    assert [row["currency"] for row in open_rows(store.warehouse, shopify, "orders")] == ["ZZZ"]
    done = replay(store.warehouse, store.shop, store.folder / "store", "shopify", "orders")
    assert done.batch is not None
    assert (done.batch.rows_loaded, done.batch.rows_quarantined) == (1, 0)
    assert current(store) == [("1", "2.00", False)]
    assert store.rows("select count(*) from sources.quarantine where replayed_at is null") == [(0,)]


def test_a_replay_after_a_built_day_is_not_known_on_it(store: Store) -> None:
    built = datetime(2026, 3, 10, 23)
    store.warehouse.rows("insert into sources.built_days values (?)", [built])
    then = known_by(store, built + timedelta(hours=6))
    replayed(store, hour=9, said=3)
    assert known_by(store, built + timedelta(hours=6)) == then == [("1", "2.00", False)]


def waiting(store: Store) -> list[str]:
    rows = open_rows(store.warehouse, all_systems()["shopify"], "orders")
    return sorted(str(row.get("id") or row.get("unreadable")) for row in rows)


def test_rows_that_the_mended_file_leaves_out_wait_on(store: Store) -> None:
    spoiled_night(store, 2, ("2", 1, 1, False))
    store.write((NIGHT + timedelta(days=3)).strftime("%Y%m%dT%H%M%SZ"), b"{not json\n")
    store.load()
    assert waiting(store) == ["1", "2", "{not json"]
    assert replayed(store, hour=1, said=1).waiting == 2
    assert waiting(store) == ["2", "{not json"]


def test_a_row_that_could_not_be_read_waits_on_when_the_others_are_tried_as_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write((NIGHT + timedelta(days=2)).strftime("%Y%m%dT%H%M%SZ"), b"{not json\n")
    store.load()
    assert replay(store.warehouse, store.shop, store.folder / "store", "shopify", "orders").waiting == 2
    assert waiting(store) == ["1", "{not json"]


def test_a_row_whose_key_was_mended_is_settled_when_as_many_came(store: Store) -> None:
    store.write((NIGHT + timedelta(days=2)).strftime("%Y%m%dT%H%M%SZ"), b"{not json\n")
    store.load()
    mended = store.folder / "mended.jsonl"
    mended.write_text("".join(json.dumps(row) + "\n" for row in night_rows("orders", [("1", 1, 1, False), ("7", 1, 1, False)])))
    assert replay(store.warehouse, store.shop, store.folder / "store", "shopify", "orders", mended).waiting == 0
    assert waiting(store) == []


def test_a_table_or_source_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(ValueError, match="shopify has no table 'nope'; it has customers, orders"):
        open_rows(store.warehouse, all_systems()["shopify"], "nope")
    with pytest.raises(ValueError, match="has no source 'nope'; it has"):
        replaying.system_named(store.shop, "nope")
