"""Extracts become rows once: repeats load nothing, bad rows wait with a reason, and every row is accounted for."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, SourceSystem, load_shop
from dagster_project.sources import loading, raw_tables
from dagster_project.sources.contract import STAMPS, load_system
from dagster_project.sources.judged import Judged
from dagster_project.sources.ledger import Batch, RowsLost
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.replay import replay
from dagster_project.stated_shop import state_shop
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse
from tests.sources.samples import Store, content

HEADER = '"Record ID","Email","Create Date","Last Modified Date"\n'


@pytest.fixture
def store(tmp_path: Path) -> tuple[Warehouse, Shop, Path]:
    """An empty store and a shop with one CRM whose extracts a test writes."""
    (tmp_path / "extracts" / "contacts").mkdir(parents=True)
    shop = load_shop(SHOPS / "small").model_copy(
        update={"sources": {"hubspot": SourceSystem(path=str(tmp_path / "extracts"))}, "folder": tmp_path}
    )
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    return warehouse, shop, tmp_path


def write(folder: Path, stamp: str, *rows: str, name: str = "contacts") -> Path:
    path = folder / "extracts" / "contacts" / f"{name}_{stamp}.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows))
    return path


def load(store) -> list[Batch]:
    warehouse, shop, folder = store
    return load_shop_extracts(warehouse, shop, folder / "store")


def refused(store) -> str:
    return " ".join(reason for (reason,) in store[0].rows("select reason from sources.refused_extracts"))


GOOD = "1,a@example.org,2026-01-01 10:00,2026-01-01 10:00"
CHANGED = "1,b@example.org,2026-01-01 10:00,2026-01-02 10:00"


def test_a_repeated_or_renamed_file_loads_nothing(store) -> None:
    original = write(store[2], "20260102T050000Z", GOOD)
    assert [batch.rows_loaded for batch in load(store)] == [1]
    assert load(store) == []
    shutil.copy(original, original.with_name("contacts_again_20260103T050000Z.csv"))
    assert load(store) == []
    assert store[0].rows("select count(*) from sources.hubspot__contacts") == [(1,)]


def test_overlapping_extracts_load_each_version_once(store) -> None:
    write(store[2], "20260102T050000Z", GOOD)
    write(store[2], "20260103T050000Z", GOOD, CHANGED, CHANGED)
    _, second = load(store)
    assert (second.rows_in, second.rows_loaded, second.rows_duplicate) == (3, 1, 2)


def test_of_what_is_held_only_the_rows_near_the_cursors_that_came_are_looked_at(store) -> None:
    people = [f"{number},a{number}@example.org,2026-01-01 10:00,2026-01-{number:02d} 10:00" for number in range(1, 10)]
    write(store[2], "20260110T050000Z", *people)
    load(store)
    raw = raw_tables.RawTable(store[0], load_system("hubspot"), "contacts")
    cursor = raw.table.cursor
    with store[0].connect() as connection:
        connection.execute(f"create or replace temp table good as select * from {raw.name} where record_id in ('4', '6')")
        near = f"select list(record_id order by record_id) from {raw.name} as held where true "
        assert connection.execute(near + raw.near(connection)).fetchall() == [(["4", "5", "6"],)]
        # One that states none may be any of those held.
        connection.execute(f'insert into good by name select null as "{cursor}"')
        assert raw.near(connection) == ""


@pytest.mark.parametrize("at_once", [2, 500_000])
def test_rows_keep_their_order_and_numbers_however_many_are_sorted_at_once(store, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_tables, "SORTED_AT_ONCE", at_once)
    people = [GOOD.replace("1,a@", f"{number},{name}@") for number, name in enumerate("edcba")]
    write(store[2], "20260102T050000Z", *people[:3], "no,row", *people[3:], people[0])
    (batch,) = load(store)
    assert (batch.rows_loaded, batch.rows_duplicate, batch.rows_quarantined) == (5, 1, 1)
    # Mended, from the same moment: numbered on.
    write(store[2], "20260102T050000Z", *(row.replace("@", "-2@") for row in people))
    load(store)
    held = store[0].rows("select left(email, 3), _row_number from sources.hubspot__contacts order by rowid")
    assert [email.removesuffix("@") for email, _ in held] == ["e@e", "d@e", "c@e", "b@e", "a@e", "e-2", "d-2", "c-2", "b-2", "a-2"]
    assert [number for _, number in held] == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("nights_at_once", [True, False])
def test_who_is_back_as_he_was_is_back_though_the_extract_is_an_older_ones_byte_for_byte(store, nights_at_once: bool) -> None:
    """The cursor did not move either: a mark that somebody else keeps was set and taken away."""
    marked = GOOD.replace("a@", "gone@")
    for stamp, row in (("20260102T050000Z", GOOD), ("20260103T050000Z", marked), ("20260104T050000Z", GOOD), ("20260105T050000Z", GOOD)):
        write(store[2], stamp, row)
        if not nights_at_once:
            load(store)
    load(store)
    assert load(store) == []
    assert store[0].rows("select email from sources.hubspot__contacts order by _known_at") == [
        ("a@example.org",),
        ("gone@example.org",),
        ("a@example.org",),
    ]


def test_a_file_that_is_there_again_mended_is_right_about_whom_it_names(store) -> None:
    """Known from the same moment, of the same cursor, and a line higher up: the one before it was a mistake."""
    write(store[2], "20260103T050000Z", "0,zero@example.org,2026-01-01 10:00,2026-01-01 10:00", CHANGED)
    load(store)
    write(store[2], "20260103T050000Z", CHANGED.replace("b@", "mended@"))
    load(store)
    state_shop(*store[:2])
    selected = ["run", "--select", "stg_hubspot__records"]
    dbt_build.invoke(store[0].path, 2, store[2] / "target", selected, dbt_build.parse().manifest.deepcopy())
    newest = (
        "select arg_max(email, (version_at, known_at, version_number)) from staging.stg_hubspot__records where source_customer_id = '1'"
    )
    assert store[0].rows(newest) == [("mended@example.org",)]


def test_two_empty_extracts_are_two_batches(store) -> None:
    write(store[2], "20260102T050000Z")
    write(store[2], "20260103T050000Z")
    assert [batch.rows_in for batch in load(store)] == [0, 0]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (",a@example.org,2026-01-01 10:00,2026-01-01 10:00", "record_id", "is missing"),
        ("x1,a@example.org,2026-01-01 10:00,2026-01-01 10:00", "record_id", "is not a integer"),
        ("1,a@example.org,2026-02-31 10:00,2026-01-01 10:00", "create_date", "is not a timestamp"),
        ("1,a@example.org,2026-01-01 10:00", None, "has 3 fields, the header has 4"),
    ],
)
def test_a_bad_row_waits_with_its_reason_and_the_others_go_on(store, row: str, column: str, reason: str) -> None:
    write(store[2], "20260102T050000Z", row, CHANGED)
    (batch,) = load(store)
    assert (batch.rows_in, batch.rows_loaded, batch.rows_quarantined) == (2, 1, 1)
    assert store[0].rows("select column_name, reason, row_number from sources.quarantine") == [(column, reason, 1)]


def test_a_mended_row_is_known_from_its_replay(store) -> None:
    warehouse, shop, folder = store
    write(folder, "20260102T050000Z", "1,a@example.org,2026-02-31 10:00,2026-01-01 10:00")
    load(store)
    mended = folder / "mended.csv"
    mended.write_text(HEADER + GOOD + "\n")
    done = replay(warehouse, shop, folder / "store", "hubspot", "contacts", mended)
    assert done.batch is not None
    assert done.batch.rows_loaded == 1
    assert warehouse.rows("select _known_at > timestamp '2026-01-02 05:00' from sources.hubspot__contacts") == [(True,)]
    assert warehouse.rows("select count(*) from sources.quarantine where replayed_at is null") == [(0,)]


def test_a_row_still_bad_after_replay_waits_again(store) -> None:
    warehouse, shop, folder = store
    write(folder, "20260102T050000Z", "x,a@example.org,2026-01-01 10:00,2026-01-01 10:00")
    load(store)
    done = replay(warehouse, shop, folder / "store", "hubspot", "contacts")
    assert done.batch is not None
    assert done.batch.rows_quarantined == 1
    assert warehouse.rows("select count(*) from sources.quarantine where replayed_at is null") == [(1,)]


def test_a_batch_whose_rows_do_not_add_up_stops_the_run_and_leaves_nothing(store, monkeypatch) -> None:
    """The control of `in = loaded + duplicate + quarantined`: a loader that loses refused rows is caught."""
    write(store[2], "20260102T050000Z", GOOD, ",a@example.org,2026-01-01 10:00,2026-01-01 10:00")
    monkeypatch.setattr(Judged, "quarantine", lambda *arguments: None)
    with pytest.raises(RowsLost):
        load(store)
    assert store[0].rows("select count(*) from sources.load_ledger") == [(0,)]
    assert not store[0].exists("sources.hubspot__contacts")


def test_a_cut_off_file_is_refused_whole(store) -> None:
    path = write(store[2], "20260102T050000Z", GOOD, '2,"a@exam')
    assert load(store) == []
    assert path.exists()
    assert "cut off" in refused(store)
    assert store[0].rows("select count(*) from sources.load_ledger") == [(0,)]
    path.write_text(HEADER + GOOD + "\n")
    assert [batch.rows_loaded for batch in load(store)] == [1]
    assert refused(store) == ""


def test_a_missing_required_column_is_named_with_its_file(store) -> None:
    path = store[2] / "extracts" / "contacts" / "contacts_20260102T050000Z.csv"
    path.write_text("Email,Create Date,Last Modified Date\na@example.org,2026-01-01 10:00,2026-01-01 10:00\n")
    assert load(store) == []
    assert "'Record ID' is missing" in refused(store)
    assert path.name in refused(store)


def test_the_loaders_batch_is_what_the_ledger_says(store) -> None:
    write(store[2], "20260102T050000Z", GOOD)
    (batch,) = load(store)
    names = ", ".join(batch.__dict__)
    (entry,) = store[0].rows(f"select {names} from sources.load_ledger")
    assert batch == replace(batch, **dict(zip(batch.__dict__, entry, strict=True)))


def test_what_is_judged_together_counts_together_or_not_at_all(store, monkeypatch) -> None:
    """Two extracts of one group: a mistake at the second leaves nothing of the first."""
    write(store[2], "20260102T050000Z", GOOD)
    write(store[2], "20260103T050000Z", CHANGED)
    insert = loading.TableLoader.insert

    def once(self, judged, before=None):
        if judged.place == 1:
            raise RowsLost("planted")
        return insert(self, judged, before)

    monkeypatch.setattr(loading.TableLoader, "insert", once)
    with pytest.raises(RowsLost):
        load(store)
    assert not store[0].exists("sources.hubspot__contacts")
    assert store[0].rows("select count(*) from sources.load_ledger") == [(0,)]
    monkeypatch.setattr(loading.TableLoader, "insert", insert)
    assert [batch.rows_loaded for batch in load(store)] == [1, 1]


def test_tables_that_take_turns_land_as_those_that_land_side_by_side(store, monkeypatch) -> None:
    _, shop, folder = store
    crm, till = folder / "extracts", folder / "till"
    write(folder, "20260102T050000Z", GOOD, "2,b@example.org,2026-01-01 10:00,soon")
    write(folder, "20260103T050000Z", CHANGED)
    shutil.copytree(crm, till)
    sources = {"hubspot": SourceSystem(path=str(crm)), "sales": SourceSystem(path=str(till))}
    two = shop.model_copy(update={"sources": sources})
    (till / "contacts").rename(till / "customers")

    def landed(name: str) -> tuple[list[Batch], list[tuple[object, ...]]]:
        own = Warehouse(folder / name / "warehouse.duckdb")
        own.create()
        batches = load_shop_extracts(own, two, folder / name)
        return batches, own.rows(
            "select source, table_name, reason from sources.quarantine union all select source, table_name, reason from sources.refused_extracts order by all"
        )

    beside = landed("beside")
    monkeypatch.setattr(loading, "ROOM_FOR_TWO", 10**9)
    assert landed("in turn") == beside
    assert {row[0] for row in beside[1]} == {"hubspot", "sales"}


def test_a_store_that_is_older_than_a_column_of_its_contract_goes_on(tmp_path: Path, monkeypatch) -> None:
    """Its tables were made without the column, with rows and without: the next extract, and staging, named what was not there."""
    now = load_system("sales")
    gained = dict.fromkeys(("returns", "orders"), "deleted_at")
    older = {
        name: table.model_copy(update={"columns": {one: column for one, column in table.columns.items() if one != gained.get(name)}})
        for name, table in now.tables.items()
    }
    store = Store(tmp_path, "sales", "returns")
    monkeypatch.setattr(loading, "contracts_of", lambda shop: {"sales": now.model_copy(update={"tables": older})})
    first, second = ([{**row, "deleted_at": deleted} for row in store.good()] for deleted in ("", "yes"))
    store.write("20260102T050000Z", content(older["returns"], [{**row, "currency": "EUR"} for row in first]))
    assert [batch.rows_loaded for batch in store.load()] == [6]
    with store.warehouse.connect() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in (dict.fromkeys(older["orders"].columns, "varchar") | STAMPS).items())
        connection.execute(f"create table sources.sales__orders ({columns})")
    before = store.rows(f"select * from {store.raw} order by _row_number")

    monkeypatch.undo()
    store.write("20260103T050000Z", content(now.tables["returns"], [{**row, "currency": "EUR"} for row in second]))
    assert [batch.rows_loaded for batch in store.load()] == [6]
    assert store.rows(f"select deleted_at, count(*) from {store.raw} group by all order by 1") == [("yes", 6), (None, 6)]
    # What was known before is as it was.
    assert store.rows(f"select * exclude (deleted_at) from {store.raw} where deleted_at is null order by _row_number") == before

    state_shop(store.warehouse, store.shop)
    selected = ["run", "--select", "stg_sales__lines", "stg_sales__refunds", "stg_sales__given_back"]
    dbt_build.invoke(store.warehouse.path, 2, tmp_path / "target", selected, dbt_build.parse().manifest.deepcopy())
    assert store.rows("select count(*) from staging.stg_sales__lines") == [(0,)]
