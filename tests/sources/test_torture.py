"""What breaks readers: naughty strings in every text column, hostile CSV, files cut anywhere. Exact, or quarantined with a reason; never a crash.

DEARLY_TORTURE=whole takes every table of every system; without it a table of each format.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.sources.contract import Column, Table, all_systems
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.reading import read_chunks
from tests.sources.samples import WHOLE, Store, content, good_rows

DATA = Path(__file__).parents[1] / "data"
NAUGHTY: list[str] = json.loads((DATA / "naughty_strings.json").read_text(encoding="utf-8"))
NAUGHTY += [
    "a\x00b",
    "\x1a",
    "1e400",
    "x" * 2_000_000,
    "е-mail@exаmple.org",
    "A@EXAMPLE.ORG",
    "\ufeff",
    "=1+1",
    "\r",
    "a\rb\nc\r\nd",
    '"',
    '""',
    "\\N",
]
# Each format, with and without rules on its texts.
TABLES = [("hubspot", "contacts"), ("ga4", "events"), ("shopify", "customers"), ("shopify", "products"), ("articles", "articles")]
if WHOLE:
    TABLES = [(name, table) for name, system in all_systems().items() for table in system.tables]
FIRST, SECOND = "20260102T050000Z", "20260103T050000Z"


@pytest.mark.parametrize(("system", "table"), TABLES)
def test_every_naughty_string_in_every_text_column_comes_back_exact_or_waits_with_a_reason(tmp_path: Path, system: str, table: str) -> None:
    store = Store(tmp_path, system, table)
    texts = [name for name, column in store.table.columns.items() if column.type == "text"]
    sample = good_rows(system, table, len(NAUGHTY))
    expected: dict[int, dict[str, str]] = {}
    for number, (row, naughty) in enumerate(zip(sample, NAUGHTY, strict=True), start=1):
        row.update({store.table.headers[name]: naughty for name in texts})
        expected[number] = dict.fromkeys(texts, naughty)
    store.write(FIRST, content(store.table, sample))
    (batch,) = store.load()
    assert batch.rows_in == len(NAUGHTY)
    assert store.is_whole()
    names = ", ".join(f'"{name}"' for name in texts)
    kept = {row[0]: row[1:] for row in store.rows(f"select _row_number, {names} from {store.raw}")} if texts else {}
    waiting = dict(store.rows("select row_number, reason from sources.quarantine"))
    assert len(kept) + len(waiting) + batch.rows_duplicate >= len(NAUGHTY) or not texts
    # An empty field of a CSV says nothing, which raw tables write as null.
    blank = store.table.format == "csv"
    for number, values in kept.items():
        stated = tuple((expected[number][name] or None) if blank else expected[number][name] for name in texts)
        assert values == stated, NAUGHTY[number - 1][:40]
    assert all(waiting.values())
    closed = any(column.values or column.holds or column.currency for name, column in store.table.columns.items() if name in texts)
    truths = {truth.column for truth in store.table.rules} & set(texts)
    if not closed and not truths:
        assert set(waiting.values()) <= {"is missing"}, "a table of free texts refuses only the empty string where one is required"


SPECTRUM = sorted(path.stem.removeprefix("csvs_") for path in (DATA / "csv_spectrum").glob("csvs_*.csv"))


@pytest.mark.parametrize("name", SPECTRUM)
def test_the_csv_torture_set_is_read_as_its_authors_mean_it(name: str) -> None:
    path = DATA / "csv_spectrum" / f"csvs_{name}.csv"
    wanted: list[dict[str, Any]] = json.loads((DATA / "csv_spectrum" / f"json_{name}.json").read_text(encoding="utf-8"))
    table = Table(format="csv", key=[next(iter(wanted[0]))], description="as it comes", columns={key: Column() for key in wanted[0]})
    (chunk,) = read_chunks(path, table)
    assert chunk.unreadable == []
    rows = chunk.rows.select(list(wanted[0])).to_pylist()
    assert rows == [{key: value or None for key, value in row.items()} for row in wanted]


def cuts(size: int) -> list[int]:
    return sorted({max(1, size * n // 21) for n in range(1, 21)})


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("system", "table"), TABLES)
def test_a_file_cut_at_any_of_twenty_places_is_refused_whole_and_the_state_before_stays(
    tmp_path: Path, system: str, table: str, packed: bool
) -> None:
    store = Store(tmp_path, system, table)
    if packed and store.table.format == "parquet":
        pytest.skip("Parquet is packed already")
    first, rows = store.good(6), store.good(46)[6:]
    store.write(FIRST, content(store.table, first))
    assert [batch.rows_loaded for batch in store.load()] == [len({json.dumps(row) for row in first})]
    before = store.rows(f"select * from {store.raw} order by all")
    whole = store.write_gz(SECOND, content(store.table, rows)) if packed else store.write(SECOND, content(store.table, rows))
    content_of_whole = whole.read_bytes()
    # A cut right behind a line leaves a whole, shorter file: only the source's own count can tell.
    whole.with_name(f"{whole.name}.manifest.json").write_text(json.dumps({"rows": len(rows)}))
    for cut in cuts(len(content_of_whole)):
        whole.write_bytes(content_of_whole[:cut])
        assert store.load() == [], cut
        assert whole.name in store.refused
    assert store.rows(f"select * from {store.raw} order by all") == before
    assert store.rows("select count(*) from sources.load_ledger") == [(1,)]
    whole.write_bytes(content_of_whole)
    assert [batch.rows_in for batch in store.load()] == [len(rows)]
    assert store.refused == ""


def test_a_cut_that_leaves_whole_lines_passes_without_the_sources_count(tmp_path: Path) -> None:
    """The control: this is the cut that nothing in the file shows."""
    store = Store(tmp_path, "hubspot", "contacts")
    lines = content(store.table, store.good(6)).splitlines(keepends=True)
    path = store.write(FIRST, b"".join(lines[:4]))
    assert [batch.rows_in for batch in store.load()] == [3]
    path.with_name(f"{path.name}.manifest.json").write_text(json.dumps({"rows": 6}))
    other = store.write(SECOND, b"".join(lines[:5]))
    other.with_name(f"{other.name}.manifest.json").write_text(json.dumps({"rows": 6}))
    assert store.load() == []
    assert "4 rows came, the source counted 6" in store.refused


def test_a_csv_that_does_not_end_like_the_others_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, "hubspot", "contacts")
    store.write(FIRST, content(store.table, store.good(3)))
    store.load()
    cut = content(store.table, store.good(6)[3:]).rstrip(b"\r\n")
    path = store.write(SECOND, cut)
    assert store.load() == []
    assert path.name in store.refused and "does not end" in store.refused


def test_a_row_with_a_stray_quote_waits_and_its_neighbours_go_on(tmp_path: Path) -> None:
    store = Store(tmp_path, "hubspot", "contacts")
    lines = content(store.table, store.good(3)).splitlines(keepends=True)
    lines[2] = b'1002,"An"na' + b"," * 26 + b"\r\n"
    store.write(FIRST, b"".join(lines))
    (batch,) = store.load()
    assert (batch.rows_loaded, batch.rows_quarantined) == (2, 1)
    ((reason, text),) = store.rows("select reason, row_json from sources.quarantine")
    assert reason.startswith("is not CSV")
    assert "An" in text


def test_an_empty_csv_has_not_even_a_header() -> None:
    table = Table(format="csv", key=["a"], description="as it comes", columns={"a": Column()})
    with pytest.raises(UnreadableExtract, match="empty"):
        list(read_chunks(Path("/dev/null"), table))
