"""Contracts: every table a vendor delivers has one, both sides declare the same columns, and each refuses what is spoiled and nothing else."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from dagster_project.settings import DBT_PROJECT, SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.contract import all_systems, dbt_source
from dagster_project.sources.extracts import find_extracts
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.reading import read_chunks
from dagster_project.warehouse import Warehouse
from simulator import generate

STAGING = DBT_PROJECT / "models" / "staging"
# What the simulator breaks, not what it sends late or again.
NOT_BROKEN = {"late row", "overlapping row", "repeated file"}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated shop of 300 customers and three daily pulls."""
    folder = tmp_path_factory.mktemp("simulated") / "raw"
    generate(folder, customers=300, months=6, days=3, seed=7)
    return folder


@pytest.fixture(scope="module")
def loaded(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """That shop's extracts, loaded."""
    shop = load_shop(SHOPS / "demo")
    sources = {
        name: source.model_copy(update={"path": str(simulated / "extracts" / name), "history_until": datetime(2026, 3, 11, 23)})
        for name, source in shop.sources.items()
    }
    store = tmp_path_factory.mktemp("store")
    warehouse = Warehouse(store / "warehouse.duckdb")
    warehouse.create()
    load_shop_extracts(warehouse, shop.model_copy(update={"sources": sources}), store)
    return warehouse


def delivered(extracts: Path) -> Iterator[tuple[str, str]]:
    for folder in sorted(extracts.glob("*/*")):
        yield folder.parent.name, folder.name


def test_every_table_that_is_delivered_has_a_contract_and_the_demo_shop_reads_it(simulated: Path) -> None:
    contracts = all_systems()
    tables = list(delivered(simulated / "extracts"))
    assert len(tables) >= 18
    assert [(system, table) for system, table in tables if table not in contracts[system].tables] == []
    assert {system for system, _ in tables} == set(load_shop(SHOPS / "demo").sources)


def test_every_declared_column_is_found_in_what_is_delivered(simulated: Path) -> None:
    """The control of a mistyped header: a column that no extract ever fills is named here with its reason."""
    # The demo shop asks in its consent log instead, and nobody there has said what they never want to see.
    expected_empty = {("hubspot", "contacts", "legal_basis"), ("hubspot", "contacts", "not_interested_in")}
    empty = set()
    for name, system in all_systems().items():
        filled: dict[str, set[str]] = {}
        for extract in find_extracts(simulated / "extracts" / name, system) if (simulated / "extracts" / name).is_dir() else []:
            columns = filled.setdefault(extract.table, set())
            for chunk in read_chunks(extract.path, system.tables[extract.table]):
                columns.update(name for name in chunk.rows.column_names if chunk.rows[name].null_count < len(chunk.rows))
        empty |= {
            (name, table, column) for table, columns in filled.items() for column in system.tables[table].columns if column not in columns
        }
    assert empty == expected_empty


@pytest.mark.parametrize("name", sorted(all_systems()))
def test_both_sides_declare_the_same_columns(name: str) -> None:
    assert (STAGING / name / f"_{name}__sources.yml").read_text() == dbt_source(all_systems()[name])


def test_what_is_spoiled_is_refused_and_nothing_else_is(simulated: Path, loaded: Warehouse) -> None:
    incidents = json.loads((simulated / "truth" / "incidents.json").read_text())
    broken = {(one["system"], one["table"], one["file"], one["row_number"]) for one in incidents if one["kind"] not in NOT_BROKEN}
    stamps = {stamp_of(one["file"]): one["file"] for one in incidents}
    refused = set()
    for system, table, extracted_at, number in loaded.rows(
        """
        select quarantine.source, quarantine.table_name, ledger.extracted_at, quarantine.row_number
        from sources.quarantine as quarantine inner join sources.load_ledger as ledger using (batch_id)
        """
    ):
        refused.add((system, table, f"{extracted_at:%Y%m%dT%H%M%SZ}", number))
    assert stamps
    assert refused == {(system, table, stamp_of(file), number) for system, table, file, number in broken}
    assert len(refused) >= 10


def stamp_of(file: str) -> str:
    return file.rsplit("_", 1)[1].split(".")[0]


def test_every_row_is_accounted_for_and_repeats_load_nothing(loaded: Warehouse) -> None:
    ((rows_in, accounted, duplicates),) = loaded.rows(
        "select sum(rows_in), sum(rows_loaded + rows_duplicate + rows_quarantined + rows_erased), sum(rows_duplicate) from sources.load_ledger"
    )
    assert rows_in == accounted
    assert duplicates > 0
    tables = loaded.rows("select distinct source, table_name from sources.load_ledger")
    loaded_rows = sum(loaded.rows(f"select count(*) from sources.{system}__{table}")[0][0] for system, table in tables)
    assert loaded_rows == loaded.rows("select sum(rows_loaded) from sources.load_ledger")[0][0]


def test_history_is_what_was_pulled_before_the_first_day(loaded: Warehouse) -> None:
    rows = loaded.rows("select distinct extracted_at from sources.load_ledger where is_history")
    assert rows == [(datetime(2026, 3, 11, 23),)]
    ((newest,),) = loaded.rows("select max(extracted_at) from sources.load_ledger")
    assert newest - rows[0][0] > timedelta(days=3)


def test_a_contract_that_names_an_unknown_column_is_refused(tmp_path: Path) -> None:
    system = all_systems()["articles"]
    table = system.tables["articles"]
    (tmp_path / "articles").mkdir()
    wrong = {**table.model_dump(by_alias=True, exclude_defaults=True), "key": ["number"]}
    (tmp_path / "articles" / "source.yaml").write_text(
        yaml.safe_dump({"system": "articles", "description": system.description, "tables": {"articles": wrong}})
    )
    with pytest.raises(ValueError, match=r"names number as key or cursor"):
        all_systems(tmp_path)
