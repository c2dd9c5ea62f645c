"""The same input gives the same bytes: twice, one by one against a backfill, with one and with two threads."""

import filecmp
import hashlib
from pathlib import Path

import pytest

from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

DECISIONS = "select * from campaigns.campaign_decisions order by as_of, campaign, step, customer_id"
FEATURES = "select * from features.order_features order by as_of, customer_id"


def digest_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("folder", ["exports", "published", "content", "landing"])
def test_one_by_one_on_one_thread_equals_one_backfill_on_two(backfilled: Settings, day_by_day: Settings, folder: str) -> None:
    one, other = digest_of(backfilled.store / folder), digest_of(day_by_day.store / folder)
    assert one
    assert one == other


@pytest.mark.parametrize("sql", [DECISIONS, FEATURES])
def test_decisions_and_features_are_equal_row_by_row(backfilled: Settings, day_by_day: Settings, rows, sql: str) -> None:
    one = rows(backfilled, sql)
    assert len(one) > 100
    assert one == rows(day_by_day, sql)


def test_a_second_run_of_a_day_writes_nothing(backfilled: Settings, copy_of, build, days) -> None:
    again = copy_of(backfilled)
    before = {path: path.stat().st_mtime_ns for path in (again.store / "exports").rglob("*") if path.is_file()}
    build(again, [days[-1]])
    after = {path: path.stat().st_mtime_ns for path in (again.store / "exports").rglob("*") if path.is_file()}
    assert before == after


def test_the_comparison_sees_a_changed_byte(backfilled: Settings, tmp_path: Path) -> None:
    """The control: a difference of one character in one export is found."""
    original = next(path for path in sorted((backfilled.store / "exports").rglob("*full*.csv")) if path.stat().st_size > 100)
    changed = tmp_path / original.name
    changed.write_bytes(original.read_bytes().replace(b"e", b"E", 1))
    assert not filecmp.cmp(original, changed, shallow=False)
