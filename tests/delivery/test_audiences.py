"""An audience that tripled overnight holds delivery; a segment that was written or deleted since the day before did not."""

from datetime import date, datetime, timedelta

import pytest

from dagster_project.delivery.audiences import judge_audiences
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.sources.guards import holding
from dagster_project.warehouse import Warehouse

BEFORE = datetime(2026, 3, 9, 23)
DAYS = (BEFORE, BEFORE + timedelta(days=1))


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
    warehouse, shop = Warehouse(bare.warehouse), load_shop(bare.shop_folder)
    with warehouse.connect() as connection:
        connection.execute("create schema if not exists segments")
        connection.execute("create table segments.segment_flags (as_of timestamp, customer_id varchar, fresh boolean)")
        connection.execute("create table segments.customer_segments (as_of timestamp, customer_id varchar, segment varchar)")
        connection.execute("insert into sources.built_days values (?)", [BEFORE])
        for as_of, flag, members in zip(DAYS, (flag_before, flag_today), (before, today), strict=True):
            if flag:
                connection.execute(f"insert into segments.segment_flags select ?, 'c' || range, {flag} from range(100)", [as_of])
            connection.execute("insert into segments.customer_segments select ?, 'c' || range, 'fresh' from range(?)", [as_of, members])
    judge_audiences(warehouse, shop, shop.moment(date(2026, 3, 10)))
    found = holding(warehouse, DAYS[1])
    assert [one.partition(":")[0] for one in found] == (["audience fresh"] if held else [])
