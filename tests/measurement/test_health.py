"""The data-health page of a night."""

from dagster_project.measurement.report.health import read_health
from dagster_project.measurement.report.reading import newest_day
from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse


def test_history_that_came_in_the_night_is_shown(bare: Settings) -> None:
    """A stranger's first run loads everything as history in one night; history of earlier nights is no measure of a usual one."""
    with Warehouse(bare.warehouse).connect() as connection:
        connection.execute("insert into sources.built_days values (timestamp '2026-03-09 23:00')")
        connection.execute(
            "insert into sources.load_ledger (source, table_name, batch_id, extracted_at, known_at, is_history, rows_in, rows_loaded, "
            "rows_duplicate, rows_quarantined, rows_erased) values "
            "('shopify', 'orders', 'old', timestamp '2026-02-28 23:00', timestamp '2026-02-28 23:00', true, 700, 700, 0, 0, 0), "
            "('shopify', 'orders', 'new', timestamp '2026-03-10 05:00', timestamp '2026-03-10 05:00', true, 20, 18, 1, 1, 0)"
        )
    with newest_day(bare, "test") as reading:
        (orders,) = [one for one in read_health(reading).tables if one.table == "orders"]
    assert orders.night is not None
    assert (orders.night.rows_in, orders.night.loaded, orders.night.quarantined) == (20, 18, 1)
    assert orders.usual is None
