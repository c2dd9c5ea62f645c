"""Split UCI Online Retail into extracts: `python shops/online_retail/make_extracts.py ORIGINAL.parquet [FOLDER]`. Same file, same bytes.

Rows and values stay as they came, in their order; only the file is cut: one history file, then one file for each of the last fourteen days,
pulled at six in the morning after (Europe/London). A day without a line has a file without one, as a nightly pull would.
"""

import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIRST, LAST = date(2011, 8, 18), date(2011, 8, 31)
ZONE = ZoneInfo("Europe/London")


def stamp(day: date, hour: int) -> str:
    """An hour of London's clock in UTC, as names of extracts have it."""
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def make(original: Path, folder: Path) -> None:
    lines = pq.read_table(original)
    lines = lines.replace_schema_metadata(None)
    days = pc.cast(pc.floor_temporal(lines["InvoiceDate"], unit="day"), pa.date32())
    write(lines.filter(pc.less(days, FIRST)), folder / f"lines_{stamp(FIRST, 0)}.parquet")
    for place in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=place)
        write(lines.filter(pc.equal(days, day)), folder / f"lines_{stamp(day + timedelta(days=1), 6)}.parquet")


def write(lines: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(lines, path, compression="zstd", compression_level=19, store_schema=False)


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "extracts" / "online_retail" / "lines")
