"""A daily table's night without an extract holds delivery, but not where history that was extracted later covers it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.moments import Moment
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.contract import load_system
from dagster_project.sources.guards import Entry, Landed, complaints
from dagster_project.warehouse import Warehouse

END = datetime(2025, 5, 6, 4)
NIGHT = Moment(END, END + timedelta(hours=6))


@pytest.mark.parametrize(
    ("extracted_at", "is_history", "holds"),
    [
        (datetime(2026, 11, 29), True, False),  # a stranger's database, drafted long after its last order
        (datetime(2026, 11, 29), False, True),
        (datetime(2025, 5, 1), True, True),
    ],
)
def test_history_covers_the_nights_before_its_extraction(extracted_at: datetime, is_history: bool, holds: bool, tmp_path: Path) -> None:
    entry = Entry("shopify", "orders", "b1", extracted_at, is_history, 8, 8, 0, 0)
    landed = Landed("shopify.orders", load_system("shopify").tables["orders"], [entry], [], {})
    said = list(complaints(Warehouse(tmp_path / "warehouse.duckdb"), load_shop(SHOPS / "small"), landed, NIGHT))
    assert [one.startswith("no extract of shopify.orders came") for one in said] == ([True] if holds else [])
