"""A daily table's night without an extract holds delivery, but not where history that was extracted later covers it; so does one whose every
row was refused."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.moments import Moment
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.contract import load_system
from dagster_project.sources.guards import TableExtracts, complaints
from dagster_project.sources.ledger import Batch
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
    batch = Batch("shopify", "orders", "b1", extracted_at, is_history, "landing/b1.jsonl", 8, 8, 0, 0, 0, extracted_at)
    extracts = TableExtracts("shopify.orders", load_system("shopify").tables["orders"], [batch], [], {})
    said = list(complaints(Warehouse(tmp_path / "warehouse.duckdb"), load_shop(SHOPS / "small"), extracts, NIGHT))
    assert [one.startswith("no extract of shopify.orders came") for one in said] == ([True] if holds else [])


@pytest.mark.parametrize(
    ("loaded", "duplicate", "quarantined", "holds"),
    [
        (0, 0, 8, True),
        (0, 0, 7, True),  # the eighth is of somebody who was erased
        (0, 0, 0, False),
        (0, 1, 7, False),
    ],
)
def test_a_night_whose_every_row_was_refused_holds_delivery(
    loaded: int, duplicate: int, quarantined: int, holds: bool, tmp_path: Path
) -> None:
    counts = (8, loaded, duplicate, quarantined, 8 - loaded - duplicate - quarantined)
    extracted_at = END + timedelta(hours=5)
    night = Batch("shopify", "orders", "b1", extracted_at, False, "landing/b1.jsonl", *counts, extracted_at)
    extracts = TableExtracts("shopify.orders", load_system("shopify").tables["orders"], [night], [], {})
    said = list(complaints(Warehouse(tmp_path / "warehouse.duckdb"), load_shop(SHOPS / "small"), extracts, NIGHT))
    refused = [f"every one of the {quarantined} rows of shopify.orders was refused" in one for one in said]
    assert refused == ([True] if holds else [])
