"""Ten times a usual night's rows, with two gigabytes to load them in."""

import json
import os
import subprocess
import sys
from pathlib import Path

USUAL, LIMIT = 20_000, 2_048


def test_ten_times_the_rows_load_whole_within_two_gigabytes_and_hold_the_delivery(tmp_path: Path, record_property) -> None:
    script = Path(__file__).with_name("spike.py")
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "DEARLY_MEMORY": "450"}
    asked = [sys.executable, str(script), str(tmp_path), str(USUAL), str(LIMIT)]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    record_property("peak_mb", found["peak_mb"])
    record_property("seconds", found["seconds"])
    assert found["entries"] == [[rows, rows] for rows in (USUAL, USUAL, 10 * USUAL)]
    assert found["peak_mb"] < LIMIT
    (held,) = found["held"]
    assert held.startswith(
        f"extract ga4.events: the extract of ga4.events has {10 * USUAL} rows, a usual one {USUAL}; look at what swelled it"
    )
