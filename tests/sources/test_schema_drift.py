"""Schema drift: every case in every source system ends as its contract declares, says which file and column, and never fills a column with nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.shop import SourceSystem
from dagster_project.sources.contract import Drift, all_systems
from dagster_project.sources.drift import Drifting, UnreadableExtract, place_columns
from dagster_project.sources.mapping import mapped, with_headers
from dagster_project.sources.reading import read_chunks
from dagster_project.sources.suites import Judge
from tests.sources.samples import WHOLE, Store, content

# One table of each system, its first; all of them in the whole torture.
TABLES = [
    (name, table) for name, system in sorted(all_systems().items()) for table in (system.tables if WHOLE else list(system.tables)[:1])
]
CSV = [one for one in TABLES if all_systems()[one[0]].tables[one[1]].format == "csv"]
TEXT = [one for one in TABLES if all_systems()[one[0]].tables[one[1]].format != "parquet"]
FIRST, SECOND = "20260102T050000Z", "20260103T050000Z"


def store_of(tmp_path: Path, system: str, table: str) -> Store:
    """A store that has had one good extract: what comes next is compared with it."""
    store = Store(tmp_path, system, table)
    store.write(FIRST, content(store.table, store.good()))
    assert [batch.rows_loaded for batch in store.load()] == [6]
    assert store.differences() == []
    return store


def renumbered(store: Store) -> list[dict[str, Any]]:
    """The next night's rows: other keys, so that none is a duplicate."""
    rows = store.good(12)[6:]
    key = store.table.headers[store.table.key[0]]
    if len({str(row[key]) for row in rows}) == 1:
        rows = [{**row, store.table.headers[store.table.key[-1]]: f"9{n}"} for n, row in enumerate(rows)]
    return rows


def required(store: Store) -> str:
    return named(name for name, column in store.table.columns.items() if column.required)


def optional(store: Store) -> str:
    return named(
        name for name, column in store.table.columns.items() if not column.required and not column.sparse and not column.number_within
    )


def named(columns: Iterator[str]) -> str:
    return next(columns, "") or pytest.skip("the table has no such column")


def without(rows: list[dict[str, Any]], header: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != header} for row in rows]


@pytest.mark.parametrize(("system", "table"), TABLES)
def test_a_new_column_is_told_and_the_rows_go_on(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    path = store.write(SECOND, content(store.table, [{**row, "Loyalty points": "5"} for row in renumbered(store)]))
    assert [batch.rows_loaded for batch in store.load()] == [6]
    assert store.differences() == [("new_column", "Loyalty points")]
    assert path.exists()


@pytest.mark.parametrize(("system", "table"), TABLES)
@pytest.mark.parametrize("which", [required, optional], ids=["required", "optional"])
def test_a_missing_column_stops_the_extract(tmp_path: Path, system: str, table: str, which: Callable[[Store], str]) -> None:
    store = store_of(tmp_path, system, table)
    header = store.table.headers[which(store)]
    path = store.write(SECOND, content(store.table, without(renumbered(store), header)))
    assert store.load() == []
    assert repr(header) in store.refused and path.name in store.refused and "missing" in store.refused
    assert store.rows(f"select count(*) from {store.raw}") == [(6,)]


@pytest.mark.parametrize(
    ("system", "table", "mark", "none"),
    [
        ("sales", "customers", "deleted_at", None),
        ("sales", "consents", "withdrawn_at", None),
        ("mailchimp", "members", "is_deleted", False),
    ],
)
def test_a_column_of_marks_that_vanishes_stops_the_extract_however_long_ago_one_was_set(
    tmp_path: Path, monkeypatch, system: str, table: str, mark: str, none: bool | None
) -> None:
    """Or who was deleted, or has left, could be written to again because a column is gone."""
    monkeypatch.setattr(Judge, "broken", lambda self, rows: [])
    store = Store(tmp_path, system, table)
    header, key = store.table.headers[mark], store.table.headers[store.table.key[0]]
    (marked,) = store.good(1)
    there = [{**marked, key: f"{number}", header: none} for number in range(12_000)]
    for stamp, rows in ((FIRST, [{**marked, key: "0", header: "true"}]), (SECOND, there[1:])):
        store.write(stamp, content(store.table, rows))
    assert sum(batch.rows_loaded for batch in store.load()) == 12_000
    path = store.write("20260104T050000Z", content(store.table, without(there, header)))
    assert store.load() == []
    assert repr(header) in store.refused and path.name in store.refused and "missing" in store.refused


def test_json_lines_may_leave_out_a_rare_mark_and_not_what_half_the_rows_have(tmp_path: Path) -> None:
    table = Store(tmp_path / "shop", "sales", "customers").table
    path = tmp_path / "customers.jsonl"
    path.write_text("".join(json.dumps({"customer_id": f"{number}"}) + "\n" for number in range(50)))

    def read(share: float) -> int:
        return sum(len(chunk) for chunk in read_chunks(path, table, Drifting(path, table, frozenset({"deleted_at"}), lambda _: share)))

    assert read(0.02) == 50
    with pytest.raises(UnreadableExtract, match=r"'deleted_at'.* is missing"):
        read(0.5)


def test_json_lines_without_a_rare_mark_are_not_taken_for_a_renaming(tmp_path: Path) -> None:
    """Who followed the advice, `from: [deleted_at, updated_at]`, would have everybody deleted."""
    table = Store(tmp_path / "shop", "sales", "customers").table
    path = tmp_path / "customers.jsonl"
    path.write_text("".join(json.dumps({"customer_id": f"{number}", "updated_at": "2026-01-02"}) + "\n" for number in range(50)))

    def met(share: float) -> list[str]:
        drifting = Drifting(path, table, frozenset({"deleted_at"}), lambda _: share)
        assert sum(len(chunk) for chunk in read_chunks(path, table, drifting)) == 50
        return [one.case for one in drifting.met]

    assert met(0.0001) == ["new_column"]
    with pytest.raises(UnreadableExtract, match="'deleted_at' is missing and 'updated_at' is new"):
        met(0.5)


@pytest.mark.parametrize("nights_at_once", [True, False])
def test_a_name_that_was_beside_the_missing_one_is_not_its_new_name(tmp_path: Path, nights_at_once: bool) -> None:
    store = Store(tmp_path, "sales", "customers")
    rows = [{**row, "deleted_at": "yes", "updated_at": "2026-01-02"} for row in store.good(12)]
    store.write(FIRST, content(store.table, rows[:6]))
    if not nights_at_once:
        assert [batch.rows_loaded for batch in store.load()] == [6]
    store.write(SECOND, content(store.table, without(rows[6:], "deleted_at")))
    store.load()
    assert "'deleted_at', which earlier extracts had, is missing (new are none)" in store.refused
    assert "updated_at" not in store.refused


@pytest.mark.parametrize(("system", "table"), TABLES)
def test_a_renamed_column_stops_the_extract_and_the_two_names_are_said(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    header = store.table.headers[required(store)]
    renamed = [{(f"{name}_new" if name == header else name): value for name, value in row.items()} for row in renumbered(store)]
    path = store.write(SECOND, content(store.table, renamed))
    assert store.load() == []
    assert repr(header) in store.refused and repr(f"{header}_new") in store.refused and path.name in store.refused


@pytest.mark.parametrize(("system", "table"), TABLES)
def test_a_changed_type_stops_the_extract_and_one_bad_value_costs_only_its_row(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    typed = [name for name, column in store.table.columns.items() if column.type not in ("text", "json")]
    if not typed:
        typed = [name for name, column in store.table.columns.items() if column.type == "json"]
    header = store.table.headers[named(iter(typed))]
    rows = renumbered(store)
    path = store.write(SECOND, content(store.table, [{**row, header: "gid://x/one"} for row in rows]))
    assert store.load() == []
    assert repr(header) in store.refused and path.name in store.refused
    store.write(SECOND, content(store.table, [{**rows[0], header: "gid://x/one"}, *rows[1:]]))
    assert [(batch.rows_loaded, batch.rows_quarantined) for batch in store.load()] == [(5, 1)]
    assert store.rows("select column_name, value, row_number from sources.quarantine") == [(typed[0], "gid://x/one", 1)]


@pytest.mark.parametrize(
    ("system", "table", "column"),
    [
        (s, t, c)
        for s, system in all_systems().items()
        for t, table in system.tables.items()
        for c, one in table.columns.items()
        if one.values
    ],
)
def test_a_new_value_costs_its_row(tmp_path: Path, system: str, table: str, column: str) -> None:
    store = store_of(tmp_path, system, table)
    rows = renumbered(store)
    store.write(SECOND, content(store.table, [{**rows[0], store.table.headers[column]: "99"}, *rows[1:]]))
    assert [(batch.rows_loaded, batch.rows_quarantined) for batch in store.load()] == [(5, 1)]
    assert store.rows("select column_name, value from sources.quarantine") == [(column, "99")]


@pytest.mark.parametrize(("system", "table"), [one for one in TABLES if all_systems()[one[0]].tables[one[1]].format == "jsonl"])
def test_a_text_that_became_nested_and_a_nested_one_that_became_a_text_cost_their_rows(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    rows = renumbered(store)
    text = named(name for name, column in store.table.columns.items() if column.type == "text")
    nested = next((name for name, column in store.table.columns.items() if column.type == "json"), None)
    rows[0][store.table.headers[text]] = {"value": "stated"}
    if nested:
        rows[1][store.table.headers[nested]] = "scalar"
    store.write(SECOND, content(store.table, rows))
    (batch,) = store.load()
    assert batch.rows_quarantined == (2 if nested else 1)
    refused = dict(store.rows("select row_number, column_name from sources.quarantine"))
    assert refused == ({1: text, 2: nested} if nested else {1: text})


@pytest.mark.parametrize(("system", "table"), [one for one in TABLES if all_systems()[one[0]].tables[one[1]].format == "parquet"])
def test_a_parquet_column_that_became_nested_stops_the_extract(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    text = next(name for name, column in store.table.columns.items() if column.type == "text")
    rows = [{**row, store.table.headers[text]: {"value": "stated"}} for row in renumbered(store)]
    pq.write_table(pa.Table.from_pylist(rows), store.extracts / f"{table}_{SECOND}.parquet")
    assert store.load() == []
    assert repr(store.table.headers[text]) in store.refused and "nested" in store.refused


@pytest.mark.parametrize(("system", "table"), TABLES)
def test_another_order_of_columns_changes_nothing(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    rows = renumbered(store)
    store.write(SECOND, content(store.table, [dict(reversed(row.items())) for row in rows]))
    assert [batch.rows_loaded for batch in store.load()] == [6]
    names = ", ".join(f'"{name}"' for name in store.table.columns)
    turned = store.rows(f"select {names} from {store.raw} where _known_at > timestamp '2026-01-02 12:00' order by _row_number")
    other = Store(tmp_path / "other", system, table)
    other.write(SECOND, content(store.table, rows))
    other.load()
    assert turned == other.rows(f"select {names} from {other.raw} order by _row_number")


@pytest.mark.parametrize(("system", "table"), TEXT)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_how_to_read_the_text(tmp_path: Path, system: str, table: str, encoding: str) -> None:
    store = store_of(tmp_path, system, table)
    store.write(SECOND, content(store.table, renumbered(store), encoding=encoding))
    assert [(batch.rows_loaded, batch.rows_quarantined) for batch in store.load()] == [(6, 0)]
    assert {case for case, _ in store.differences()} == {"byte_order_mark"} | ({"encoding"} if encoding != "utf-8-sig" else set())


@pytest.mark.parametrize(("system", "table"), TEXT)
def test_latin_1_costs_the_rows_that_show_it_until_it_is_declared(tmp_path: Path, system: str, table: str, monkeypatch) -> None:
    store = store_of(tmp_path, system, table)
    text = named(
        name for name in reversed(store.table.columns) if store.table.columns[name].type == "text" and not store.table.columns[name].values
    )
    rows = renumbered(store)
    rows[2][store.table.headers[text]] = "Grüße"
    latin = content(store.table, rows, encoding="latin-1")
    store.write(SECOND, latin)
    (batch,) = store.load()
    assert (batch.rows_loaded, batch.rows_quarantined) == (5, 1)
    assert store.rows("select reason from sources.quarantine") == [("is not UTF-8",)]


@pytest.mark.parametrize(("system", "table"), CSV)
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_told_by_the_header(tmp_path: Path, system: str, table: str, delimiter: str) -> None:
    store = store_of(tmp_path, system, table)
    store.write(SECOND, content(store.table, renumbered(store), delimiter=delimiter))
    assert [(batch.rows_loaded, batch.rows_quarantined) for batch in store.load()] == [(6, 0)]
    assert [case for case, _ in store.differences()] == ["delimiter"]


@pytest.mark.parametrize(("system", "table"), CSV)
def test_a_header_with_a_name_twice_stops_the_extract(tmp_path: Path, system: str, table: str) -> None:
    store = store_of(tmp_path, system, table)
    lines = content(store.table, renumbered(store)).decode().splitlines(keepends=True)
    first = lines[0].split(",")[0]
    path = store.write(SECOND, "".join([f"{first},{lines[0]}", *(f"x,{line}" for line in lines[1:])]).encode())
    assert store.load() == []
    assert repr(first.strip('"')) in store.refused and path.name in store.refused


def test_a_declared_older_name_is_read(tmp_path: Path, monkeypatch) -> None:
    from dagster_project.sources import loading

    systems = all_systems()
    contacts = systems["hubspot"].tables["contacts"]
    email = contacts.columns["email"].model_copy(update={"header": ["Email", "E-mail address"]})
    table = contacts.model_copy(update={"columns": {**contacts.columns, "email": email}})
    hubspot = systems["hubspot"].model_copy(update={"tables": {"contacts": table}})
    store = store_of(tmp_path, "hubspot", "contacts")
    rows = [{("E-mail address" if name == "Email" else name): value for name, value in row.items()} for row in renumbered(store)]
    store.write(SECOND, content(store.table, rows))
    monkeypatch.setattr(loading, "contracts_of", lambda shop: {**systems, "hubspot": hubspot})
    assert [batch.rows_loaded for batch in store.load()] == [6]
    assert store.rows(f"select count(email) from {store.raw}") == [(12,)]


def test_every_case_has_a_policy_and_the_docs_say_it() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    for case, declared in Drift.model_fields.items():
        assert f"| `{case}` | {declared.default} |" in docs, case


def test_a_column_that_would_be_filled_with_nothing_is_seen(tmp_path: Path) -> None:
    """The control: with the policy to go on, the same extract loads and the column is empty, which is what the stop prevents."""
    store = store_of(tmp_path, "hubspot", "contacts")
    table = store.table.model_copy(update={"drift": Drift(missing_optional="evolve")})
    path = store.write(SECOND, content(store.table, without(renumbered(store), "Email")))
    (chunk,) = read_chunks(path, table, Drifting(path, table, frozenset({"email"})))
    assert chunk.rows["email"].null_count == 6
    assert json.dumps(store.refused) == '""'


def test_headers_that_shop_yaml_maps_have_no_order(tmp_path: Path) -> None:
    """A drafted shop's first extracts, right by construction, were three failed checks in Dagster."""
    declared = all_systems()["hubspot"].tables["contacts"]
    turned = list(reversed(declared.headers.values()))
    for table, cases in ((declared, ["reordered"]), (with_headers(declared, dict(declared.headers), "shop.yaml"), [])):
        drifting = Drifting(tmp_path / "contacts.csv", table)
        place_columns(drifting, turned)
        assert [one.case for one in drifting.met] == cases


def test_a_table_whose_unused_columns_are_named_must_be_one(tmp_path: Path) -> None:
    system, source = all_systems()["hubspot"], SourceSystem(path="extracts", not_used={"contact": ["score"]})
    with pytest.raises(ValueError, match=r"shop.yaml names contact; source.yaml declares the tables contacts"):
        mapped(system, source, "shop.yaml")
    table = mapped(system, source.model_copy(update={"not_used": {"contacts": ["score"]}}), "shop.yaml").tables["contacts"]
    drifting = Drifting(tmp_path / "contacts.csv", table)
    place_columns(drifting, [*table.headers.values(), "score", "rating"])
    assert [(one.case, one.column) for one in drifting.met] == [("new_column", "rating")]


def test_a_column_that_shop_yaml_no_longer_names_is_missed(tmp_path: Path) -> None:
    """Its header is nobody's, so that a sentence on it says nothing."""
    named = all_systems()["sales"].tables["customers"]
    for header, said in (
        (None, "no longer says which header is 'deleted_at'"),
        ("gone", "the column 'gone', which earlier extracts had, is missing"),
    ):
        table = with_headers(named, {"customer_id": "id"} | ({"deleted_at": header} if header else {}), "shop.yaml")
        with pytest.raises(UnreadableExtract, match=f"customers.csv: .*{said}"):
            place_columns(Drifting(tmp_path / "customers.csv", table, frozenset({"deleted_at"})), ["id", "deleted_at"])
