"""Past days are counted in the shop's days: across a change of clocks too they are days that were scored."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.moments import day_of
from dagster_project.scores.drift import realised_by
from dagster_project.scores.training_days import plans_of
from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, load_shop
from dagster_project.warehouse import Warehouse
from ml.planning import Plan

FIRST_ORDER = datetime(2022, 1, 3)
# Mondays about the changes of 2025-10-26 and 2026-03-29, and between.
MONDAYS = [
    date(2025, 10, 20),
    date(2025, 10, 27),
    date(2025, 12, 1),
    date(2026, 3, 23),
    date(2026, 3, 30),
    date(2026, 5, 4),
    date(2026, 7, 6),
]


@pytest.fixture
def shop() -> Shop:
    return load_shop(SHOPS / "small").model_copy(update={"zone": "Europe/Berlin", "models": ("churn", "purchase", "vip")})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    found = Warehouse(tmp_path / "warehouse.duckdb")
    found.create()
    found.replace("staging.stg_till__orders", pa.table({"occurred_at": [FIRST_ORDER], "source_customer_id": ["c1"]}))
    return found


def horizons_of(planned: Plan) -> list[tuple[datetime, int]]:
    """Each of a plan's moments with what follows it: the newest day of each horizon, and the days of a year ago with a year."""
    newest = [(max(day for day in planned.days if day + timedelta(days=horizon) <= planned.as_of), horizon) for horizon in planned.horizons]
    return newest + ([(planned.season.coming, 364)] if planned.season else [])


@pytest.mark.parametrize("monday", MONDAYS)
def test_every_past_moment_of_a_training_is_the_end_of_a_shops_monday_and_its_horizon_has_closed(
    monday: date, shop: Shop, warehouse: Warehouse
) -> None:
    moment = shop.moment(monday)
    for planned in plans_of(warehouse, moment, shop).values():
        assert planned.backtest_day
        for as_of in planned.snapshot_days:
            day = day_of(as_of, shop.zone)
            assert as_of == shop.moment(day).as_of
            assert day.weekday() == monday.weekday()
        for as_of, horizon in horizons_of(planned):
            assert timedelta(days=horizon) <= moment.as_of - as_of <= timedelta(days=horizon + 14)
        assert planned.backtest_day + timedelta(days=planned.backtest_horizons[0]) <= moment.as_of


@pytest.mark.parametrize("monday", MONDAYS)
def test_what_came_true_is_seen_on_every_training_day(monday: date, shop: Shop, warehouse: Warehouse) -> None:
    """Scores are of the ends of the shop's days, labels of the planned days: they must be the same moments."""
    as_of = shop.moment(monday).as_of
    scored = [shop.moment(monday - timedelta(days=days)).as_of for days in range(130)]
    scores = {"as_of": scored, "customer_id": ["c1"] * 130, "churn_probability": [0.5] * 130, "purchase_30d_probability": [0.5] * 130}
    labels = [
        {"as_of": day, "customer_id": "c1", "horizon_days": horizon, "label_until": day + timedelta(days=horizon), "orders_count": 1}
        for name, horizon in (("churn", 91), ("purchase", 30))
        for day in plans_of(warehouse, shop.moment(monday), shop)[name].days
    ]
    warehouse.replace("scores.customer_scores", pa.table(scores))
    warehouse.replace("features.training_labels", pa.Table.from_pylist(labels))
    assert set(realised_by(warehouse, as_of)["model"].to_pylist()) == {"churn", "purchase"}
