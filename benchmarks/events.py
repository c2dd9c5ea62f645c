"""Millions of events through the whole chain once: raw rows as they landed -> profile -> features -> segments, from nothing.

    python -m benchmarks.events [--events 7100000] [--customers N] [--days D] [--models N] [--json]

The events are made inside DuckDB by hash, as a web analytics export has them (JSON), with an order for every fifty; the clock starts when they lie in
the store, and stops when the segments do. Seconds by the wall and of the processor, the most memory the process held, and the limit it was given
(DEARLY_MEMORY, in MB). With `--models`, one model is built at a time, and the dearest are listed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.days import Size, add_customers, add_day, build, gigabytes_at_most, open_shop
from dagster_project.settings import memory_megabytes

EVENTS_AN_ORDER = 50


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=7_100_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=150, help="how long it took the events to happen")
    parser.add_argument("--models", type=int, default=0, metavar="N", help="the N dearest models")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    a_day = asked.events // asked.days
    size = Size(asked.customers, asked.days, a_day // EVENTS_AN_ORDER, a_day)
    with tempfile.TemporaryDirectory() as folder:
        store = open_shop(Path(folder) / "home")
        with store.warehouse.connect() as connection:
            add_customers(connection, size)
            add_day(connection, size, (-size.days, 0), "h")
        made = gigabytes_at_most()
        print(
            f"{a_day * size.days:,} events of {size.customers:,} customers in {size.days} days are in the store",
            file=sys.stderr,
            flush=True,
        )
        night = build(store, -1, threads=1 if asked.models else 2)
        rows = store.warehouse.rows(
            "select (select count(*) from profile.fct_web_events), (select count(*) from features.customer_features), "
            "(select count(*) from segments.segment_flags)"
        )
        found = {
            "events": rows[0][0],
            "customers_with_features": rows[0][1],
            "customers_with_segments": rows[0][2],
            "wall_seconds": round(night.wall, 1),
            "processor_seconds": round(night.processor, 1),
            "most_memory_gb": round(gigabytes_at_most(), 2),
            "most_memory_gb_before": round(made, 2),
            "limit_gb": round(memory_megabytes() / 1000, 2),
            "store_gb": round(store.settings.warehouse.stat().st_size / 1e9, 2),
        }
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<24} {value:>12,}")
    for model in sorted(night.by_model, key=night.by_model.__getitem__, reverse=True)[: asked.models]:
        print(f"{night.by_model[model]:>8.2f}  {model}")


if __name__ == "__main__":
    main()
