"""Answers to mails come when mails have gone: of such a table no number of rows is unusual, and none holds the next mail."""

import math
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dagster_project.measurement.report.health import note_of
from dagster_project.settings import SHOPS
from dagster_project.shop import load_shop
from dagster_project.sources.contract import all_systems
from dagster_project.sources.guards import TableExtracts, passed_message, volume_complaints
from dagster_project.sources.ledger import Batch

SHOP = load_shop(SHOPS / "small")
MOMENT = SHOP.moment(date(2026, 3, 9))


def nights(system: str, table: str, *rows: int) -> TableExtracts:
    """Extracts of a night each, the last one the moment's."""
    batches = [
        Batch(
            f"b{n}", system, table, MOMENT.known_by - timedelta(days=len(rows) - 1 - n), False, "", count, count, 0, 0, 0, MOMENT.known_by
        )
        for n, count in enumerate(rows)
    ]
    return TableExtracts(f"{system}.{table}", all_systems()[system].tables[table], batches, [], {})


@pytest.mark.parametrize("rows", [(0, 1, 1, 690), (700, 600, 650, 3)])
@pytest.mark.parametrize(("system", "table"), [("klaviyo", "events"), ("mailchimp", "activity")])
def test_neither_a_burst_nor_the_quiet_after_it_holds_delivery(system: str, table: str, rows: tuple[int, ...]) -> None:
    extracts = nights(system, table, *rows)
    assert list(volume_complaints(SHOP, extracts, MOMENT, rows[-1])) == []
    assert passed_message(SHOP, extracts, MOMENT) == f"came; {rows[-1]} rows, in bursts by their nature: no number is unusual"
    tonight: Any = SimpleNamespace(rows_in=rows[-1])
    assert note_of(extracts.table, tonight, 1.0, SHOP.guards.rows_compared_from) == "comes in bursts"


@pytest.mark.parametrize(("rows", "word"), [((0, 1, 1, 690), "swelled"), ((700, 600, 650, 3), "pull it again")])
def test_orders_that_come_so_do(rows: tuple[int, ...], word: str) -> None:
    (complaint,) = volume_complaints(SHOP, nights("shopify", "orders", *rows), MOMENT, rows[-1])
    assert word in complaint
    assert not math.isinf(SHOP.guards.rows_at_most)
