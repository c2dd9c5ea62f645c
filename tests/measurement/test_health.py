"""The data-health page of a night."""

from datetime import date, datetime

from dagster_project.measurement.report import write_health
from dagster_project.measurement.report.health import read_health
from dagster_project.measurement.report.reading import newest_day
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.sources.guards import judge_extracts
from dagster_project.transform.assets import note_warnings
from dagster_project.transform.dbt_build import parse
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


LEDGER = """
insert into sources.load_ledger (source, table_name, batch_id, extracted_at, known_at, is_history, rows_in, rows_loaded, rows_duplicate,
    rows_quarantined, rows_erased)
values ('shopify', ?, ?, ?, ?, false, ?, ?, ?, ?, 0)
"""
DAY, NIGHT = datetime(2026, 3, 9, 5), datetime(2026, 3, 10, 5)


def came(
    settings: Settings, *batches: tuple[str, str, datetime, int], refused: int = 0, repeated: int = 0, known_at: datetime | None = None
) -> None:
    """The store of the day that the newer night ends, with batches of shopify's tables (table, batch, extracted at, rows)."""
    with Warehouse(settings.warehouse).connect() as connection:
        connection.execute("delete from sources.built_days; insert into sources.built_days values (timestamp '2026-03-09 23:00')")
        for table, batch, at, rows in batches:
            connection.execute(LEDGER, [table, batch, at, known_at or at, rows, rows - refused - repeated, repeated, refused])


def test_every_extract_of_the_night_counts_also_one_that_was_pulled_at_daytime_or_late(bare: Settings) -> None:
    """Two in one night, one pulled by day after the night before had closed, one that came too late for the night before; and not the next night's."""
    came(bare, ("orders", "a0", DAY, 70), ("orders", "a2", NIGHT, 60), ("orders", "a3", datetime(2026, 3, 9, 12), 1))
    came(bare, ("orders", "a1", datetime(2026, 3, 10, 3), 10), refused=10)
    came(bare, ("orders", "a4", datetime(2026, 3, 8, 5), 2), known_at=datetime(2026, 3, 9, 5, 0, 1))
    came(bare, ("orders", "a5", datetime(2026, 3, 9, 13), 4), refused=4, known_at=datetime(2026, 3, 10, 5, 0, 1))
    with Warehouse(bare.warehouse).connect() as connection:
        connection.execute(
            "insert into sources.quarantine (source, table_name, batch_id, reason) values "
            "('shopify', 'orders', 'a1', 'is missing'), ('shopify', 'orders', 'a5', 'is missing')"
        )
    with newest_day(bare, "test") as reading:
        health = read_health(reading)
    (orders,) = [one for one in health.tables if one.table == "orders"]
    assert orders.night is not None
    # The fifth was pulled in a night of its own, and belongs to it although it came late.
    assert (orders.night.rows_in, orders.night.quarantined, orders.night.batches) == (71, 10, ("a3", "a1", "a2"))
    assert orders.rows == (2, 70, 71)
    assert health.later == {"shopify.orders": 4}
    assert [rows for *_, rows in health.waiting] == [1]
    page = write_health(bare).read_text()
    assert "4 rows that came after this night had closed (shopify.orders 4)" in page


def test_a_number_of_rows_that_nobody_judged_says_so(bare: Settings) -> None:
    came(bare, ("orders", "a0", DAY, 4), ("customers", "b0", DAY, 1414))
    came(bare, ("orders", "a1", NIGHT, 1), repeated=1)
    shop = load_shop(bare.shop_folder)
    judge_extracts(Warehouse(bare.warehouse), shop, [shop.moment(date(2026, 3, 9))])
    with newest_day(bare, "test") as reading:
        health = read_health(reading)
    notes = {one.table: one.note for one in health.tables}
    assert notes["orders"] == "too few to judge"
    assert notes["customers"] == "nothing came; it need not come every night"
    (message,) = [message for guard, _, message, _ in health.guards if guard == "extract shopify.orders"]
    assert message == "came; 1 row, a usual night 4: too few to judge their number"


def test_what_was_told_on_another_night_is_not_told_again_but_counted(bare: Settings) -> None:
    came(bare, ("orders", "a0", DAY, 4), ("orders", "a1", NIGHT, 1))
    with Warehouse(bare.warehouse).connect() as connection:
        for batch, column in (("a0", "note"), ("a1", "token")):
            connection.execute(
                "insert into sources.differences values ('shopify', 'orders', ?, 'new_column', ?, ?)", [batch, column, f"{column} is new"]
            )
        connection.execute(
            "insert into sources.refused_extracts values ('shopify', 'orders', timestamp '2026-03-10 05:00', 'o.csv', '/far/away/o.csv: it is cut off')"
        )
    with newest_day(bare, "test") as reading:
        health = read_health(reading)
    assert [message for *_, message in health.different] == ["token is new"]
    assert health.told_before == [("shopify", "orders", 1)]
    assert health.refused == [("shopify", "orders", "o.csv", "it is cut off")]
    assert "/far/away" not in write_health(bare).read_text()


def test_a_test_that_warned_is_on_the_page_until_it_warns_no_more(bare: Settings) -> None:
    warehouse, as_of = Warehouse(bare.warehouse), datetime(2026, 3, 9, 23)
    with warehouse.connect() as connection:
        connection.execute("insert into sources.built_days values (timestamp '2026-03-09 23:00')")
    nodes = parse().nodes["nodes"]
    test = next(name for name in nodes if name.startswith("test.") and "one_birth_date" in name)
    for status, rows in (("warn", 2), ("warn", 1), ("pass", 0)):
        note_warnings(warehouse, as_of, [{"node_info": {"unique_id": test}, "status": status, "num_failures": rows}], nodes)
        page = write_health(bare).read_text()
        assert ("No customer&#39;s records state two different birth dates" in page) == (status == "warn")
        assert ("No test warned." in page) == (status == "pass")


def test_a_list_that_is_cut_says_how_much_more_there_is(bare: Settings) -> None:
    came(bare, ("orders", "a0", DAY, 14), refused=14)
    with Warehouse(bare.warehouse).connect() as connection:
        connection.execute(
            "insert into sources.quarantine (source, table_name, batch_id, reason) select 'shopify', 'orders', 'a0', 'reason ' || n from range(14) r(n)"
        )
    assert "and 2 more" in write_health(bare).read_text()
