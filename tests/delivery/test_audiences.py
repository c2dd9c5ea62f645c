"""An audience that tripled overnight holds delivery until it is as usual again; a segment that was written or deleted since the day before did not."""

from datetime import date, datetime, timedelta

import pytest

from dagster_project.delivery.audiences import judge_audiences
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.sources.guards import holding
from dagster_project.warehouse import Warehouse

BEFORE = datetime(2026, 3, 9, 23)
DAYS = (BEFORE, BEFORE + timedelta(days=1))


def build_day(settings: Settings, as_of: datetime, flag: str | None, members: int, delivered: bool) -> None:
    """A built day on which a segment has so many members; delivered, or held."""
    with Warehouse(settings.warehouse).connect() as connection:
        connection.execute("create schema if not exists segments")
        connection.execute("create table if not exists segments.segment_flags (as_of timestamp, customer_id varchar, fresh boolean)")
        connection.execute("create table if not exists segments.customer_segments (as_of timestamp, customer_id varchar, segment varchar)")
        if flag:
            connection.execute(f"insert into segments.segment_flags select ?, 'c' || range, {flag} from range(100)", [as_of])
        connection.execute("insert into segments.customer_segments select ?, 'c' || range, 'fresh' from range(?)", [as_of, members])
        connection.execute("insert into sources.built_days values (?)", [as_of])
        if delivered:
            connection.execute(
                "insert into campaigns.export_log (as_of, destination, feed) values (?, 'generic', 'segment_fresh')", [as_of]
            )


def held_on(settings: Settings, day: date) -> list[str]:
    """What holds the day, once its audiences are judged."""
    warehouse, shop = Warehouse(settings.warehouse), load_shop(settings.shop_folder)
    judge_audiences(warehouse, shop, shop.moment(day))
    return [one.partition(":")[0] for one in holding(warehouse, shop.moment(day).as_of)]


@pytest.mark.parametrize(
    ("flag_before", "before", "flag_today", "today", "held"),
    [
        ("false", 0, "true", 99, True),
        ("true", 99, "false", 0, True),
        ("null", 0, "true", 99, False),  # written since
        ("true", 99, "null", 0, False),  # deleted since
        ("true", 99, None, 0, True),  # nobody has flags any more: not the segment's doing
        ("true", 40, "true", 99, False),
    ],
)
def test_an_audience_is_held_by_people_and_not_by_its_author(
    bare: Settings, flag_before: str, before: int, flag_today: str | None, today: int, held: bool
) -> None:
    build_day(bare, DAYS[0], flag_before, before, delivered=True)
    build_day(bare, DAYS[1], flag_today, today, delivered=False)
    assert held_on(bare, date(2026, 3, 10)) == (["audience fresh"] if held else [])


def test_a_delivered_day_whose_second_run_is_held_is_no_measure(bare: Settings) -> None:
    """Its list is the second run's, which no tool has."""
    build_day(bare, DAYS[0], "true", 99, delivered=True)
    build_day(bare, DAYS[1], "true", 300, delivered=True)
    build_day(bare, BEFORE + timedelta(days=2), "true", 300, delivered=False)
    day = date(2026, 3, 11)
    assert held_on(bare, day) == []
    with Warehouse(bare.warehouse).transaction() as connection:
        connection.execute("insert into sources.guards values (?, 'audience fresh', true, 'tripled', null)", [DAYS[1]])
    assert held_on(bare, day) == ["audience fresh"]


def test_what_was_held_is_held_the_next_night_too(bare: Settings) -> None:
    """A held day is no measure: no tool has its list. However long it goes on, nothing leaves unseen."""
    build_day(bare, BEFORE, "true", 99, delivered=True)
    for night in range(1, 10):
        build_day(bare, BEFORE + timedelta(days=night), "true", 300, delivered=False)
        assert held_on(bare, date(2026, 3, 9) + timedelta(days=night)) == ["audience fresh"]
    build_day(bare, BEFORE + timedelta(days=10), "true", 99, delivered=True)
    assert held_on(bare, date(2026, 3, 19)) == []


def test_after_a_week_without_a_day_nothing_is_compared(bare: Settings) -> None:
    build_day(bare, BEFORE, "true", 99, delivered=True)
    build_day(bare, BEFORE + timedelta(days=8), "true", 300, delivered=False)
    assert held_on(bare, date(2026, 3, 17)) == []
