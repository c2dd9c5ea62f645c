"""The store's files apart from its tables: what DuckDB leaves beside its own, folders' names, lines of texts."""

from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.privacy.artefacts import files_of
from dagster_project.privacy.erasing import rewrite_artefacts
from dagster_project.privacy.person import Person
from dagster_project.privacy.rows import rebuild
from dagster_project.privacy.searching import Search
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.shop import load_shop
from dagster_project.sources.identifiers import Identifier
from dagster_project.warehouse import Warehouse

CUSTOMER = "c0123456789abcdef0123"
ANN = Person(frozenset({Identifier("email", "ann@x.org"), Identifier("customer_id", CUSTOMER)}))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty store of a small shop, below a folder with an apostrophe in its name."""
    return replace(load({}, shop=str(SHOPS / "small")), home=tmp_path / "ann's")


def put(settings: Settings, name: str, content: bytes) -> Path:
    path = settings.store / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_a_killed_run_spilled_is_looked_into_and_goes_with_the_old_file(settings: Settings) -> None:
    spilled = put(settings, "warehouse.duckdb.tmp/duckdb_temp_storage_DEFAULT-0.tmp", b"\0ann@x.org\0")
    assert spilled in list(files_of(settings, load_shop(settings.shop_folder)))
    log = put(settings, ".warehouse.duckdb.tmp.wal", b"of a copy that was killed")
    warehouse = Warehouse(settings.warehouse)
    warehouse.create()
    with warehouse.transaction() as connection:
        connection.execute("create table kept as select 1 as one")
    rebuild(warehouse)
    assert warehouse.rows("from kept") == [(1,)]
    assert not spilled.parent.exists()
    assert not log.exists()


def test_what_was_written_to_be_looked_at_goes_whatever_it_is(settings: Settings) -> None:
    drawn = put(settings, "explained/shopify_1_hubspot_2.svg", b"<svg>ann@x.org</svg>")
    mail = put(settings, f"previews/winback__first__{CUSTOMER}/mail.txt", b"Hello Ann")
    called = put(settings, "notes/ann@x.org.bin", b"")
    other = put(settings, "report/index.html", b"<p>joann@x.org</p>")
    search = Search(ANN, settings.store)
    rewrite_artefacts(settings, load_shop(settings.shop_folder), search)
    assert not drawn.exists()
    assert not mail.parent.exists()
    assert not called.parent.exists()
    assert other.exists()
    assert not any(search.file(path) for path in files_of(settings, load_shop(settings.shop_folder)))
