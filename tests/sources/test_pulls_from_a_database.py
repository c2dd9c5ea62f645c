"""Tables that someone else lands, in Postgres and in DuckDB: each pull takes what is new, also what was committed late or equal to the newest."""

import gzip
import json
from datetime import datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
import yaml
from servers import postgres, postgres_program

from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, SourceSystem, load_shop
from dagster_project.sources import loading, pulling
from dagster_project.sources.contract import all_systems, load_system
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse

PASSWORD = "canary-hunter2"
NIGHT, NEXT = datetime(2026, 3, 5, 5), datetime(2026, 3, 6, 5)
CONTRACT = {
    "system": "till",
    "description": "A till whose tables a loader lands",
    "tables": {
        "sales": {
            "format": "jsonl",
            "description": "One row per sale and change.",
            "key": ["id"],
            "pull": {"cursor": "synced", "overlap": 600},
            "columns": {"id": {"type": "integer", "required": True}, "amount": {"type": "decimal"}, "note": {}, "extra": {"type": "json"}},
        },
        "numbered": {
            "format": "jsonl",
            "description": "One row per entry.",
            "key": ["id"],
            "pull": {"cursor": "id", "overlap": 50},
            "columns": {"id": {"type": "integer", "required": True}},
        },
    },
}
SCHEMA = """
create schema lake;
create table lake.sales (id bigint, amount decimal(12, 2), note text, extra json, synced timestamp with time zone);
create table lake.numbered (id bigint);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    if not (postgres_program("initdb") and postgres_program("postgres")):
        pytest.skip("Postgres is not installed (Debian: apt-get install postgresql); the same tables are tested in DuckDB")
    with postgres(tmp_path_factory.mktemp("postgres"), PASSWORD) as address:
        yield address


class Source:
    """A database of either kind, with a shop that reads it."""

    def __init__(self, kind: str, address: str, folder: Path) -> None:
        self.kind, self.address, self.folder = kind, address, folder
        self.history_until: datetime | None = None
        self.warehouse = Warehouse(folder / "store" / "warehouse.duckdb")
        self.warehouse.create()
        self.run("drop schema if exists lake cascade; " + SCHEMA)

    def run(self, sql: str) -> None:
        if self.kind == "postgres":
            with psycopg.connect(self.address) as connection:
                connection.execute(sql)
        else:
            with duckdb.connect(self.address.removeprefix("duckdb:///")) as connection:
                # The file is called as the schema in it, as a loader's often is.
                connection.execute(sql.replace(" lake", " lake.lake"))

    @property
    def shop(self) -> Shop:
        source = SourceSystem(kind="tables", connection="TILL_DATABASE", schema="lake", history_until=self.history_until)
        return load_shop(SHOPS / "small").model_copy(update={"sources": {"till": source}, "folder": self.folder})

    def night(self, now: datetime) -> None:
        failures = [one.failure for one in pull_shop(self.warehouse, self.shop, self.folder / "store", now) if one.failure]
        assert failures == []
        load_shop_extracts(self.warehouse, self.shop, self.folder / "store")

    def held(self, table: str, column: str = "id") -> list[int]:
        return [row[0] for row in self.warehouse.rows(f"select cast({column} as integer) from sources.till__{table} order by 1")]


@pytest.fixture(params=["duckdb", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    address = request.getfixturevalue("server") if request.param == "postgres" else f"duckdb:///{tmp_path / 'lake.duckdb'}"
    monkeypatch.setenv("TILL_DATABASE", address)
    (tmp_path / "contracts" / "till").mkdir(parents=True)
    (tmp_path / "contracts" / "till" / "source.yaml").write_text(yaml.safe_dump(CONTRACT))
    systems = {**all_systems(), "till": load_system("till", tmp_path / "contracts")}
    for module in (pulling, loading):
        monkeypatch.setattr(module, "contracts_of", lambda shop: systems)
    return Source(request.param, address, tmp_path)


def sale(number: int, synced: str, amount: str = "9.90", note: str = "") -> str:
    return f"insert into lake.sales values ({number}, {amount}, '{note}', '{{\"a\": [1, null]}}', '{synced}');"


def test_ties_late_commits_and_changes_come_once_each(source) -> None:
    tie = "2026-03-04 10:00:00+00"
    source.run("".join(sale(n, tie) for n in range(1, 51)) + "".join(f"insert into lake.numbered values ({n});" for n in range(100, 160)))
    source.night(NIGHT)
    late = sale(300, "2026-03-04 09:55:00+00") + "insert into lake.numbered values (130), (155), (160);"
    source.run("".join(sale(n, tie) for n in range(51, 101)) + late)
    source.run("update lake.sales set amount = 5, synced = '2026-03-05 12:00:00+00' where id = 7;")
    source.night(NEXT)
    assert source.held("sales") == [*range(1, 8), *range(7, 101), 300]
    assert source.held("numbered") == [*range(100, 161)]
    assert source.warehouse.rows("select amount from sources.till__sales where id = '7' order by _known_at") == [("9.90",), ("5.00",)]


@pytest.mark.parametrize(("overlap", "lost"), [(-1, {*range(51, 101), 300}), (0, {300})])
def test_the_control_loses_ties_or_late_commits(source, monkeypatch, overlap, lost) -> None:
    start = pulling.start_of
    monkeypatch.setattr(pulling, "start_of", lambda newest, _: start(newest, overlap))
    source.run("".join(sale(n, "2026-03-04 10:00:00+00") for n in range(1, 51)))
    source.night(NIGHT)
    source.run("".join(sale(n, "2026-03-04 10:00:00+00") for n in range(51, 101)) + sale(300, "2026-03-04 09:55:00+00"))
    source.night(NEXT)
    assert {*range(1, 101), 300} - set(source.held("sales")) == lost


def test_a_table_landed_anew_brings_no_new_version_of_what_did_not_change(source) -> None:
    source.run("".join(sale(n, "2026-03-04 10:00:00+00") for n in range(1, 31)))
    source.night(NIGHT)
    source.run("update lake.sales set synced = '2026-03-05 10:00:00+00'; update lake.sales set amount = 1 where id = 3;")
    source.night(NEXT)
    assert source.held("sales") == sorted([*range(1, 31), 3])
    (entry,) = source.warehouse.rows(
        "select rows_in, rows_loaded, rows_duplicate from sources.load_ledger where table_name = 'sales' and extracted_at = ?", [NEXT]
    )
    assert entry == (30, 1, 29)


def test_history_is_the_first_pull_alone(source) -> None:
    """What a later night brings is known from that night on, however long history may reach."""
    source.history_until = NEXT
    source.run(sale(1, "2026-03-04 10:00:00+00"))
    source.night(NIGHT)
    source.run("update lake.sales set amount = 5, synced = '2026-03-05 12:00:00+00';" + sale(2, "2026-03-05 12:00:00+00"))
    source.night(NEXT)
    assert source.warehouse.rows("select id, amount, _is_history from sources.till__sales order by id, amount desc") == [
        ("1", "9.90", True),
        ("1", "5.00", False),
        ("2", "9.90", False),
    ]


def test_a_missing_table_or_cursor_is_named_with_what_is_there(source) -> None:
    source.run("alter table lake.sales rename synced to changed_at; drop table lake.numbered;")
    failures = [str(one.failure) for one in pull_shop(source.warehouse, source.shop, source.folder / "store", NIGHT)]
    assert sorted(failures) == [
        "The table 'sales' has no column 'synced', by which what is new is told; it has id, amount, note, extra, changed_at. "
        "Name it in shop.yaml (pulls: cursor).",
        "There is no table 'numbered'; there is sales. Name it in shop.yaml (pulls: table).",
    ]


def test_values_come_as_they_are(source) -> None:
    note = "O''Brien\n\"x\", 漢字 \\ \U0001f600"
    source.run(sale(1, "2026-03-04 10:00:00+00", amount="1234567890.10", note=note) + "insert into lake.sales (id) values (2);")
    source.night(NIGHT)
    first, second = source.warehouse.rows("select amount, note, extra from sources.till__sales order by id")
    assert (first[0], first[1], json.loads(first[2])) == ("1234567890.10", note.replace("''", "'"), {"a": [1, None]})
    assert second == (None, None, None)


def test_what_is_not_used_does_not_leave_the_source_but_for_the_cursor(source, monkeypatch) -> None:
    systems = pulling.contracts_of(source.shop)
    till = systems["till"]
    sales = till.tables["sales"].model_copy(update={"not_used": ["pin_hash", "synced"]})
    systems = {**systems, "till": till.model_copy(update={"tables": {**till.tables, "sales": sales}})}
    monkeypatch.setattr(pulling, "contracts_of", lambda shop: systems)
    source.run(
        sale(1, "2026-03-04 10:00:00+00") + "alter table lake.sales add column pin_hash text; update lake.sales set pin_hash = 'canary-x';"
    )
    source.night(NIGHT)
    (landed,) = (source.folder / "store" / "pulled" / "till" / "sales").glob("*.gz")
    (row,) = [json.loads(line) for line in gzip.decompress(landed.read_bytes()).splitlines()]
    assert row.keys() == {"id", "amount", "note", "extra", "synced"}
    source.run("insert into lake.sales (id, synced) values (2, '2026-03-05 10:00:00+00');")
    source.night(NEXT)
    assert source.held("sales") == [1, 2]


def test_an_unreachable_database_says_so_without_its_password(source, monkeypatch, capfd) -> None:
    wrong = source.address.replace(PASSWORD, "wrong-" + PASSWORD).replace("lake.duckdb", "gone.duckdb")
    monkeypatch.setenv("TILL_DATABASE", wrong)
    pulled = pull_shop(source.warehouse, source.shop, source.folder / "store", NIGHT)
    assert len(pulled) == 2
    assert all(one.failure for one in pulled)
    assert PASSWORD not in str(pulled) + "".join(capfd.readouterr())
    monkeypatch.delenv("TILL_DATABASE")
    pulled = pull_shop(source.warehouse, source.shop, source.folder / "store", NIGHT)
    assert {one.failure for one in pulled} == {"The environment variable TILL_DATABASE, which shop.yaml names, is not set."}
