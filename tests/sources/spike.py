"""A process of its own: a usual extract of web events, then one of ten times as many, loaded with as much memory as it is given.

    python tests/sources/spike.py <folder> <rows of a usual extract> <address space in MB>

Prints what came and the most memory it had, as JSON.
"""

import json
import resource
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from dagster_project.moments import end_of_day
from dagster_project.settings import SHOPS
from dagster_project.shop import SourceSystem, load_shop
from dagster_project.sources.guards import holding, judge_extracts
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.warehouse import Warehouse

# As GA4 exports them: some hundreds of bytes an event, most of them in nested columns.
EVENTS = """
copy (
    select
        '20260101' as event_date, epoch_us(timestamp '{at}') + number as event_timestamp, 'view_item' as event_name,
        json_array(
            json_object('key', 'ga_session_id', 'value', json_object('int_value', number)),
            json_object('key', 'page_location', 'value', json_object('string_value', repeat('https://shop.example/', 8)))
        ) as event_params,
        case when number % 3 = 0 then 'u' || number % 5000 end as user_id, 'p' || number % 90000 as user_pseudo_id,
        json_object('category', 'mobile', 'os', 'iOS') as device, json_object('country', 'Germany') as geo, null::varchar as traffic_source, 'WEB' as platform,
        null::varchar as ecommerce, json_array(json_object('item_id', 'S' || number % 700)) as items
    from range({rows}) as numbers (number)
) to '{path}' (format parquet)
"""
NIGHT = datetime(2026, 1, 2, 5)


def main(folder: Path, usual: int) -> None:
    shop = load_shop(SHOPS / "small").model_copy(update={"sources": {"ga4": SourceSystem(path=str(folder / "extracts"))}, "folder": folder})
    warehouse = Warehouse(folder / "store" / "warehouse.duckdb")
    warehouse.create()
    extracts = folder / "extracts" / "events"
    extracts.mkdir(parents=True)
    for night, rows in ((0, usual), (1, usual), (2, 10 * usual)):
        at = NIGHT + timedelta(days=night)
        with duckdb.connect(config={"threads": 1}) as connection:
            path = extracts / f"events_{at:%Y%m%dT%H%M%SZ}.parquet"
            connection.execute(EVENTS.format(at=at - timedelta(hours=9), rows=rows, path=path))
        started = time.process_time()
        load_shop_extracts(warehouse, shop, folder / "store")
        seconds = time.process_time() - started
    moment = end_of_day((NIGHT + timedelta(days=1)).date(), shop.zone, shop.close_after_hours)
    judge_extracts(warehouse, shop, [moment])
    entries = warehouse.rows("select rows_in, rows_loaded from sources.load_ledger order by extracted_at")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"entries": entries, "held": holding(warehouse, moment.as_of), "seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]) << 20, int(sys.argv[3]) << 20))
    main(Path(sys.argv[1]), int(sys.argv[2]))
