"""The store's files apart from its tables: what DuckDB leaves beside its own, folders' names, lines of texts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.privacy.artefacts import files_of, rewrite, rewrite_run
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


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("rows.jsonl", '{"a":"Ann \u2028 Smith","e":"ann@x.org"}\n{"a":"Bob\x85"}\n', '{"a":"Bob\x85"}\n'),
        ("rows.csv", 'e,note\nann@x.org,"Ann\nSmith"\nbob@x.org,"a\nb"\n', 'e,note\nbob@x.org,"a\nb"\n'),
        ("rows.csv", 'note;e\r\n"Ann\r\nSmith";ann@x.org\r\nB "x";bob@x.org\r\n', 'note;e\r\nB "x";bob@x.org\r\n'),
        ("run.log", "Anna\rann@x.org\nBob", "Bob"),
        ("latin.log", "ann@x.org\nRen\udce9\n", "Ren\udce9\n"),
    ],
)
def test_a_record_goes_whole_and_the_others_stay_byte_for_byte(settings: Settings, name: str, before: str, after: str) -> None:
    path = put(settings, f"later/{name}", before.encode("utf-8", "surrogateescape"))
    rewrite(path, Search(ANN, settings.store))
    assert path.read_bytes() == after.encode("utf-8", "surrogateescape")


def test_a_run_that_is_written_anew_twice_counts_once(settings: Settings) -> None:
    refused = [{"customer_id": CUSTOMER, "reason": "too long"}, {"customer_id": "c1", "reason": "too long"}]
    manifest = {
        "destination": "generic_jsonl",
        "feed": "winback",
        "kind": "campaign",
        "description": "",
        "as_of": "2026-03-10T23:00:00Z",
        "consent_as_of": None,
        "delta_of": None,
        "schema": [{"name": "email", "type": "string"}],
        "files": [{"name": "rows__full__p0001.jsonl", "kind": "full", "rows": 3}],
        "totals": {"sent to": 5, "skip: paused": 4, "refused by generic_jsonl: too long": 2},
        "held_back": [{"customer_id": CUSTOMER, "reason": "no consent at delivery"}],
        "refused": refused,
        "left": [],
    }
    path = put(settings, "exports/run/manifest.json", json.dumps(manifest).encode())
    rows = b'{"email":"ann@x.org"}\n{"email":"bob@x.org","note":"\xe2\x80\xa8"}\n{"email":"cem@x.org"}\n'
    for _ in range(2):
        # Killed before it was written, the file is the old one, and the manifest the new one.
        file = put(settings, "exports/run/rows__full__p0001.jsonl", rows)
        rewrite_run(path.parent, Search(ANN, settings.store))
        stated = json.loads(path.read_text())
        assert stated["files"][0]["rows"] == file.read_bytes().count(b"\n") == 2
        assert stated["totals"] == {"sent to": 3, "skip: paused": 4, "refused by generic_jsonl: too long": 1}
        assert stated["refused"] == refused[1:]
