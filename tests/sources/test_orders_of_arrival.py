"""Whatever the order in which extracts come, the same profiles stand at the end; and what a built day knew stays what it knew.

A sample of 30 histories and orders each; `make torture` or DEARLY_ORDERS=200 tries more.
"""

import json
import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.settings import DBT_PROJECT
from dagster_project.sources.suites import Judge
from tests.sources.samples import WHOLE, Store, good_rows

ORDERS = int(os.environ.get("DEARLY_ORDERS", 200 if WHOLE else 30))
MACROS = (
    jinja2.Environment(autoescape=False, extensions=["jinja2.ext.do"])
    .from_string((DBT_PROJECT / "macros" / "facts.sql").read_text())
    .make_module()
)
# The facts as the models have them: staging's columns, then the macro that every fact goes through.
STATED = {
    "orders": "select id, updated_at::timestamp as version_at, _known_at as known_at, _row_number as version_number, total_price as said, "
    "cancelled_at is not null as gone from sources.shopify__orders",
    "wishlists": "select id, _known_at as version_at, _known_at as known_at, _row_number as version_number, product_id as said, "
    "removed_at is not null as gone from sources.shopify__wishlists",
}
NIGHT = datetime(2026, 3, 2, 5)
KEYS = ("1", "2", "3")


@pytest.fixture(autouse=True)
def every_row_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a row's values are is not asked here, and asking costs most of a small load."""
    monkeypatch.setattr(Judge, "broken", lambda self, rows: [])


def versions(store: Store) -> str:
    return str(MACROS.versions(f"({STATED[store.name]})", "id"))  # type: ignore[attr-defined]


def current(store: Store) -> list[tuple[Any, ...]]:
    """What each key is now: the version that nothing supersedes."""
    return store.rows(f"select id, said, gone from {versions(store)} where superseded_at is null order by id") if held(store) else []


def known_by(store: Store, moment: datetime) -> list[tuple[Any, ...]]:
    """What was known by a moment."""
    if not held(store):
        return []
    sql = f"select id, said, gone from {versions(store)} where known_at <= ? and (superseded_at is null or superseded_at > ?) order by id"
    return store.warehouse.rows(sql, [moment, moment])


def held(store: Store) -> bool:
    return store.warehouse.exists(store.raw)


def night_rows(table: str, events: list[tuple[str, int, int, bool]]) -> list[dict[str, Any]]:
    """Rows of (key, hour of its last change, what it says, gone)."""
    rows = []
    for key, hour, said, gone in events:
        changed = (datetime(2026, 3, 1) + timedelta(hours=hour)).isoformat()
        row = {**good_rows("shopify", table, 1)[0], "id": int(key)}
        if table == "orders":
            row |= {"updated_at": changed, "total_price": f"{said}.00", "cancelled_at": changed if gone else None}
        else:
            row |= {"product_id": said, "removed_at": "2026-03-01T00:00:00" if gone else None}
        rows.append(row)
    return rows


@st.composite
def nights(draw: st.DrawFn) -> list[list[tuple[str, int, int, bool]]]:
    """What a source says over four nights: new rows, corrections, repeats, late and deleted ones. Of one key a later change has a later hour, or the
    hour of the one before (a mark that moves no updated_at), and a night repeats some of what earlier ones said."""
    said: list[list[tuple[str, int, int, bool]]] = []
    hours: dict[str, int] = {}
    for _ in range(4):
        night = []
        for key in draw(st.lists(st.sampled_from(KEYS), max_size=3, unique=True)):
            if key not in hours or draw(st.booleans()):
                hours[key] = max(hours.values(), default=0) + 1
            night.append((key, hours[key], draw(st.integers(1, 3)), draw(st.booleans())))
        earlier = [event for one in said for event in one]
        if earlier:
            night += draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True))
        # An extract says one thing of a version.
        said.append(list({event[:2]: event for event in night}.values()))
    return said


def newest_said(table: str, said: list[list[tuple[str, int, int, bool]]]) -> list[tuple[Any, ...]]:
    """What is true at the end, worked out without the store: the newest change of a key; without a cursor the newest extract's word on it."""
    truth: dict[str, tuple[tuple[int, int], int, bool]] = {}
    for night, events in enumerate(said):
        for place, (key, hour, value, gone) in enumerate(events):
            rank = (hour, night) if table == "orders" else (night, place)
            if key not in truth or rank >= truth[key][0]:
                truth[key] = (rank, value, gone)
    return [(key, f"{value}.00" if table == "orders" else str(value), gone) for key, (_, value, gone) in sorted(truth.items())]


def write_night(store: Store, number: int, events: list[tuple[str, int, int, bool]]) -> None:
    rows = night_rows(store.name, events)
    stamp = (NIGHT + timedelta(days=number)).strftime("%Y%m%dT%H%M%SZ")
    store.write(stamp, "".join(json.dumps(row) + "\n" for row in rows).encode())


@pytest.mark.parametrize("table", ["orders", "wishlists"])
@settings(max_examples=ORDERS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(said=nights(), order=st.permutations(range(4)), built_after=st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_order_of_arrival_changes_neither_the_present_nor_a_built_past(table: str, said, order, built_after) -> None:
    if table == "wishlists":
        # Without a cursor a row that repeats an older word is the newer word; a key is in an extract once.
        said = [list({event[0]: event for event in night}.values()) for night in said]
    folder = Path(tempfile.mkdtemp())
    try:
        store = Store(folder, "shopify", table)
        remembered: list[tuple[datetime, list[tuple[Any, ...]]]] = []
        for number, build in zip(order, built_after, strict=True):
            write_night(store, number, said[number])
            store.load()
            if build:
                as_of = (NIGHT + timedelta(days=number)).replace(hour=0) - timedelta(hours=1)
                moment = max([as_of, *(one for one, _ in remembered)])
                store.warehouse.replace_days("sources.built_days", pa.table({"as_of": pa.array([moment], pa.timestamp("us"))}), [moment])
                remembered.append((moment, known_by(store, moment + timedelta(hours=6))))
        assert store.is_whole()
        assert current(store) == newest_said(table, said)
        for moment, then in {one: then for one, then in reversed(remembered)}.items():
            first = next(known for one, known in remembered if one == moment)
            assert known_by(store, moment + timedelta(hours=6)) == first, "a built day knows what it knew"
            del then
    finally:
        shutil.rmtree(folder)


def test_an_older_extract_lifts_no_deletion_that_a_newer_one_repeated(tmp_path: Path) -> None:
    """Its updated_at has not moved, and what the newer one repeats is no row of its own: nothing that is held is newer than the older extract."""
    store = Store(tmp_path, "shopify", "orders")
    for number, night in ((0, [("1", 1, 1, True)]), (2, [("1", 1, 1, True), ("2", 2, 1, False)]), (1, [("1", 1, 1, False)])):
        write_night(store, number, night)
        store.load()
    assert current(store) == [("1", "1.00", True), ("2", "1.00", False)]


def test_what_a_newer_extract_had_refused_it_has_not_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.undo()
    store = Store(tmp_path, "shopify", "orders")
    (row,) = night_rows("orders", [("1", 1, 1, False)])
    store.write("20260304T050000Z", json.dumps(row | {"total_price": "many"}).encode())
    store.load()
    write_night(store, 0, [("1", 1, 1, False)])
    store.load()
    assert current(store) == [("1", "1.00", False)]


def test_an_extract_that_claims_an_earlier_time_is_known_after_the_built_day(tmp_path: Path) -> None:
    store = Store(tmp_path, "shopify", "orders")
    write_night(store, 1, [("1", 1, 1, False)])
    store.load()
    built = datetime(2026, 3, 2, 23)
    store.warehouse.replace_days("sources.built_days", pa.table({"as_of": pa.array([built], pa.timestamp("us"))}), [built])
    write_night(store, 0, [("2", 1, 1, False)])
    (late,) = store.load()
    assert late.extracted_at == NIGHT
    assert late.known_at == datetime(2026, 3, 3, 5, 0, 1)
    assert known_by(store, datetime(2026, 3, 3, 5)) == [("1", "1.00", False)]
    assert known_by(store, datetime(2026, 3, 4, 5)) == [("1", "1.00", False), ("2", "1.00", False)]


def test_without_the_guard_the_past_would_change(tmp_path: Path, monkeypatch) -> None:
    """The control: rows known from their extraction on would be known on a day that was built without them."""
    from dagster_project.sources import loading

    monkeypatch.setattr(loading, "known_from", lambda warehouse, shop, extract, closed: extract.extracted_at)
    store = Store(tmp_path, "shopify", "orders")
    write_night(store, 1, [("1", 1, 1, False)])
    store.load()
    built = datetime(2026, 3, 2, 23)
    store.warehouse.replace_days("sources.built_days", pa.table({"as_of": pa.array([built], pa.timestamp("us"))}), [built])
    before = known_by(store, datetime(2026, 3, 3, 5))
    write_night(store, 0, [("2", 1, 1, False)])
    store.load()
    assert known_by(store, datetime(2026, 3, 3, 5)) != before


def test_without_the_look_at_later_extracts_an_old_word_would_win(tmp_path: Path, monkeypatch) -> None:
    """The control for tables without a cursor: the late extract's word on a wish would replace the newer one."""
    from dagster_project.sources import loading

    monkeypatch.setattr(loading, "note_outdated", lambda *arguments, **named: None)
    store = Store(tmp_path, "shopify", "wishlists")
    said = [[("1", 1, 1, False)], [("1", 2, 2, False)]]
    write_night(store, 1, said[1])
    store.load()
    built = datetime(2026, 3, 2, 23)
    store.warehouse.replace_days("sources.built_days", pa.table({"as_of": pa.array([built], pa.timestamp("us"))}), [built])
    write_night(store, 0, said[0])
    store.load()
    assert current(store) != newest_said("wishlists", said)
