"""Times mean the same whatever the machine's clock is set to: summer and winter time, leap days, times without an offset."""

import json
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest

from dagster_project.moments import end_of_day

ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"]
# Stated time → what staging takes it for, in UTC. Without an offset a time is UTC, as the sources' APIs say.
TIMES = {
    "2026-03-29T01:59:59+01:00": "2026-03-29 00:59:59",
    "2026-03-29T03:00:00+02:00": "2026-03-29 01:00:00",
    "2026-10-25T02:30:00+02:00": "2026-10-25 00:30:00",
    "2026-10-25T02:30:00+01:00": "2026-10-25 01:30:00",
    "2024-02-29T12:00:00Z": "2024-02-29 12:00:00",
    "2026-03-29T02:30:00": "2026-03-29 02:30:00",
    "2026-01-02": "2026-01-02 00:00:00",
}
# A process of its own, since a running one keeps its zone: what it loads, refuses and hashes, and what the casts of staging make of it.
LOAD = """
import json, sys
from pathlib import Path
from tests.sources.samples import Store, content

folder, times = Path(sys.argv[1]), json.loads(sys.argv[2])
store = Store(folder, "shopify", "orders")
rows = store.good(len(times) + 1)
for row, time in zip(rows, [*times, "2026-02-29T12:00:00Z"]):
    row |= {"created_at": time, "updated_at": time}
store.write("20260330T050000Z", content(store.table, rows))
store.load()
loaded = store.rows(f"select created_at, created_at::timestamptz::timestamp::varchar, _known_at::varchar, _row_hash from {store.raw} order by _row_number")
refused = store.rows("select row_number, column_name, value, reason from sources.quarantine order by all")
print(json.dumps([loaded, refused, store.rows("select extracted_at::varchar, known_at::varchar, batch_id from sources.load_ledger")]))
"""


def loaded_in(zone: str, folder: Path) -> str:
    environment = {**os.environ, "TZ": zone}
    asked = [sys.executable, "-c", LOAD, str(folder), json.dumps(list(TIMES))]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_the_machines_zone_changes_no_byte_of_what_is_loaded(tmp_path: Path) -> None:
    said = {zone: loaded_in(zone, tmp_path / zone.replace("/", "_")) for zone in ZONES}
    assert len(set(said.values())) == 1, said
    loaded, refused, ledger = json.loads(said["UTC"])
    assert {stated: moment for stated, moment, _, _ in loaded} == TIMES
    assert {column for _, column, _, _ in refused} <= {"created_at", "updated_at"}
    assert [number for number, _, _, _ in refused] == [len(TIMES) + 1], "2026 has no 29 February"
    assert ledger[0][:2] == ["2026-03-30 05:00:00", "2026-03-30 05:00:00"]


# A column that is written in a format of its own, read in a process of its own.
AS_WRITTEN = """
import json, pyarrow as pa
from dagster_project.sources.contract import Column, Table
from dagster_project.sources.reading.formats import as_written

table = Table.model_validate({"format": "csv", "description": "x", "key": ["at"], "columns": {"at": {"type": "timestamp", "format": "%d/%m/%Y %H:%M:%S %z"}}})
rows = pa.table({"at": ["01/03/2026 14:00:00 +0100"], "_row_number": [1]})
print(json.dumps(as_written(rows, table)["at"].to_pylist()))
"""


def test_a_time_with_an_offset_in_a_format_of_its_own_is_the_same_in_every_zone() -> None:
    said = set()
    for zone in ZONES:
        done = subprocess.run(
            [sys.executable, "-c", AS_WRITTEN], env={**os.environ, "TZ": zone}, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        said.add(done.stdout.strip())
    assert said == {'["2026-03-01 13:00:00+00"]'}


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        (date(2026, 3, 28), datetime(2026, 3, 28, 23)),
        (date(2026, 3, 29), datetime(2026, 3, 29, 22)),
        (date(2026, 10, 24), datetime(2026, 10, 24, 22)),
        (date(2026, 10, 25), datetime(2026, 10, 25, 23)),
        (date(2024, 2, 29), datetime(2024, 2, 29, 23)),
    ],
)
def test_a_day_ends_at_the_shops_midnight_also_when_the_clocks_change(day: date, ends: datetime) -> None:
    assert end_of_day(day, "Europe/Berlin", 6).as_of == ends
