"""The checks of a source table speak of the run's nights: an old row that waits in quarantine, or a column told once, is no alarm of tonight."""

from datetime import date, datetime

import dagster as dg
import pytest

from dagster_project.lease import hold
from dagster_project.runs import instance_of
from dagster_project.settings import SHOPS, Settings
from dagster_project.shop import load_shop
from dagster_project.sources.lateness import night_of
from dagster_project.warehouse import Warehouse

pytestmark = pytest.mark.whole


def test_an_old_row_in_quarantine_is_told_and_does_not_fail_the_check(small_settings, build_stages) -> None:
    settings = small_settings()
    build_stages(settings, ["sources"], date(2026, 3, 5))
    warehouse = Warehouse(settings.warehouse)
    with warehouse.transaction() as connection:
        connection.execute("delete from sources.broken_rules")
        connection.execute("delete from sources.quarantine")
        for at, batch in (("2026-03-06 05:00", "old"), ("2026-03-11 05:00", "new")):
            connection.execute(
                "insert into sources.load_ledger (source, table_name, batch_id, extracted_at, is_history, path, rows_in, rows_loaded, "
                "rows_duplicate, rows_quarantined, rows_erased, known_at) values "
                f"('shopify', 'orders', '{batch}', timestamp '{at}', false, '', 1, 0, 0, 1, 0, timestamp '{at}')"
            )
            connection.execute(
                "insert into sources.quarantine (source, table_name, batch_id, reason) values ('shopify', 'orders', ?, 'is missing')",
                [batch],
            )
        connection.execute("insert into sources.broken_rules values ('shopify', 'orders', 'old', 'id', 'is missing', false, 1, [1], [''])")
        connection.execute("insert into sources.differences values ('shopify', 'orders', 'old', 'new_column', 'token', 'token is new')")
    build_stages(settings, ["sources"], date(2026, 3, 5))
    assert checks(settings) == {"contract": (False, 2), "as_declared": (False, 0)}
    build_stages(settings, ["sources"], date(2026, 3, 8))
    assert checks(settings) == {"contract": (True, 2), "as_declared": (True, 1)}


def checks(settings: Settings) -> dict[str, tuple[bool, int]]:
    """Whether each check of the orders passed when last judged, and the number it tells beside."""
    found = {}
    with hold(settings.store, "a test"), instance_of(settings) as instance:
        for name, number in (("contract", "rows that wait in quarantine"), ("as_declared", "told of other nights")):
            key = dg.AssetCheckKey(dg.AssetKey(["sources", "shopify__orders"]), name)
            record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
            assert record.event and record.event.dagster_event
            evaluated = record.event.dagster_event.asset_check_evaluation_data
            found[name] = (evaluated.passed, int(evaluated.metadata[number].value))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("extracted_at", "known_at", "night"),
    [
        ("2026-03-10 05:00", "2026-03-10 05:00", "2026-03-09 23:00"),
        ("2026-03-10 05:00", "2026-03-11 05:00:01", "2026-03-09 23:00"),
        ("2026-03-10 12:00", "2026-03-10 12:00", "2026-03-10 23:00"),
        ("2026-03-10 12:00", "2026-03-12 05:00:01", "2026-03-12 23:00"),
    ],
    ids=["in the night", "in the night, late", "by day", "by day, late"],
)
def test_an_extract_is_of_one_night(extracted_at: str, known_at: str, night: str) -> None:
    found = night_of(load_shop(SHOPS / "small"), datetime.fromisoformat(extracted_at), datetime.fromisoformat(known_at))
    assert found.as_of == datetime.fromisoformat(night)
