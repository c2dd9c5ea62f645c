"""What counts as past is what was delivered: a held night's decisions, people held back and days built again change nothing in it."""

from collections.abc import Callable
from datetime import date

import pytest

from dagster_project.measurement.report import write_report
from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("nine nights")]

Rows = Callable[..., list[tuple[object, ...]]]
NINTH, TENTH = "timestamp '2026-03-09 23:00'", "timestamp '2026-03-10 23:00'"
HISTORY = "select * from campaigns.contact_history order by all"
SENT = "select customer_id, step from campaigns.campaign_decisions where as_of = {} and decision = 'send'"


def test_what_was_decided_in_a_held_night_is_decided_again(nine_nights: Settings, copy_of, build, days: list[date], rows: Rows) -> None:
    delivered, held = copy_of(nine_nights, "delivered"), copy_of(nine_nights, "held")
    # As the ninth night would have left the store with its delivery held.
    with Warehouse(held.warehouse).transaction() as connection:
        for table in ("contact_history", "export_log"):
            connection.execute(f"delete from campaigns.{table} where as_of = {NINTH}")
    ninth = set(rows(nine_nights, SENT.format(NINTH)))
    assert ninth
    for settings in (delivered, held):
        build(settings, [days[9]], accept=["extract hubspot.contacts"], accepted_by="a test")
    assert ninth & set(rows(held, SENT.format(TENTH)))
    assert not ninth & set(rows(delivered, SENT.format(TENTH)))


def test_a_held_night_enters_nobody(nine_nights: Settings, copy_of, build, days: list[date], rows: Rows, monkeypatch) -> None:
    from dagster_project.delivery import assets

    settings = copy_of(nine_nights)
    before = rows(settings, HISTORY)
    monkeypatch.setattr(assets, "holding", lambda *_: ["held by a test"])
    build(settings, [days[9]])
    assert rows(settings, SENT.format(TENTH))
    assert rows(settings, HISTORY) == before


def test_a_day_built_again_under_other_rules_leaves_what_was_sent(
    nine_nights: Settings, copy_of, build, days: list[date], rows: Rows
) -> None:
    settings = copy_of(nine_nights)
    before = rows(settings, HISTORY)
    path = settings.shop_folder / "shop.yaml"
    path.write_text(path.read_text().replace("holdout: 0.05", "holdout: 0.9"))
    build(settings, [days[4]])
    decided = "select decision, count(*) from campaigns.campaign_decisions where as_of = timestamp '2026-03-05 23:00' group by all"
    assert dict(rows(settings, decided)) != dict(rows(nine_nights, decided))
    assert before
    assert rows(settings, HISTORY) == before


def test_an_older_store_knows_what_it_delivered(nine_nights: Settings, copy_of, rows: Rows) -> None:
    settings = copy_of(nine_nights)
    before = rows(settings, HISTORY)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute("drop table campaigns.contact_history; drop view campaigns.delivered_decisions; drop table campaigns.held_back")
    write_report(settings)
    assert rows(settings, HISTORY) == before
    decided = [rows(settings, f"select * from campaigns.{table} order by all") for table in ("delivered_decisions", "campaign_decisions")]
    assert decided[0] == decided[1]
