"""kill -9 at each stage boundary, then a re-run: the same bytes as a night that nobody disturbed."""

import os
import signal
from datetime import date

import pytest

from dagster_project.faults import POINTS
from dagster_project.settings import Settings
from tests.children import exit_code_of
from tests.runs.test_same_input_same_bytes import DECISIONS, digest_of

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("nine nights")]

TENTH = date(2026, 3, 10)


def run_in_child(settings: Settings, point: str | None) -> int:
    """Run the tenth day in a process of its own; the exit code, negative for a signal."""
    return exit_code_of(build_tenth, settings, point)


def build_tenth(settings: Settings, point: str | None) -> None:
    os.environ.pop("DEARLY_KILL_AT", None)
    if point:
        os.environ["DEARLY_KILL_AT"] = point
    from dagster_project.runs import run_days

    run_days(settings, [TENTH])


def test_a_night_killed_at_every_boundary_ends_as_an_undisturbed_one(nine_nights: Settings, copy_of, tenth_night, rows) -> None:
    undisturbed, killed = copy_of(nine_nights, "undisturbed"), copy_of(nine_nights, "killed")
    tenth_night(undisturbed)
    tenth_night(killed)
    assert run_in_child(undisturbed, None) == 0
    # One night, killed again and again, each time a boundary later: every re-run is itself killed.
    for point in POINTS:
        assert run_in_child(killed, point) == -signal.SIGKILL, point
    assert run_in_child(killed, None) == 0
    for folder in ("exports", "published", "content", "landing"):
        assert digest_of(killed.store / folder) == digest_of(undisturbed.store / folder), folder
    assert rows(killed, DECISIONS) == rows(undisturbed, DECISIONS)
    for table in ("sources.load_ledger", "sources.quarantine", "sources.shopify__orders", "campaigns.export_log"):
        assert rows(killed, f"select * from {table} order by all") == rows(undisturbed, f"select * from {table} order by all"), table


def test_a_store_left_half_made_would_be_seen(nine_nights: Settings, copy_of, tenth_night) -> None:
    """The control: a run that is killed and not run again differs from a finished one."""
    half = copy_of(nine_nights, "half")
    tenth_night(half)
    before = digest_of(half.store / "exports")
    assert run_in_child(half, "manifested") == -signal.SIGKILL
    assert digest_of(half.store / "exports") != before
