"""A day built again after later ones is what it was, moves nothing, and a day that has become empty is empty."""

import pytest

from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse
from tests.runs.test_same_input_same_bytes import DECISIONS, digest_of

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]


def test_a_rebuild_of_day_five_equals_day_five_and_touches_nothing_else(backfilled: Settings, copy_of, build, days, rows) -> None:
    settings = copy_of(backfilled)
    exports, published = digest_of(settings.exports), digest_of(settings.published)
    decisions = rows(settings, DECISIONS)
    build(settings, [days[4]])
    assert digest_of(settings.exports) == exports
    assert digest_of(settings.published) == published
    assert rows(settings, DECISIONS) == decisions
    rebuilt = digest_of(settings.store / "rebuilds")
    assert rebuilt
    assert {name: digest for name, digest in exports.items() if "run=20260305T" in name} == rebuilt


def test_the_rebuild_check_sees_a_wrong_day(backfilled: Settings, copy_of, build, days, rows) -> None:
    """The control: with what was delivered before day five gone, the rebuilt day five is another."""
    settings = copy_of(backfilled)
    decisions = rows(settings, DECISIONS)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute("delete from campaigns.contact_history where as_of < timestamp '2026-03-05'")
    build(settings, [days[4]])
    day_five = "2026-03-05"
    assert [row for row in rows(settings, DECISIONS) if str(row[0]).startswith(day_five)] != [
        row for row in decisions if str(row[0]).startswith(day_five)
    ]


def test_a_day_rebuilt_with_no_rows_leaves_none(backfilled: Settings, copy_of, build, days, rows) -> None:
    settings = copy_of(backfilled)
    count = "select count(*) from segments.customer_segments where as_of = timestamp '2026-03-05 23:00'"
    assert rows(settings, count) > [(0,)]
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute("delete from sources.hubspot__contacts")
    build(settings, [days[4]])
    assert rows(settings, count) == [(0,)]
    ((others,),) = rows(settings, "select count(*) from segments.customer_segments where as_of <> timestamp '2026-03-05 23:00'")
    assert others > 0
