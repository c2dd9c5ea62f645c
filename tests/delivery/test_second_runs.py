"""A day that is delivered twice: who takes every run's changes has, after each, everybody whom that run holds and nobody else."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.delivery.assets import deliver_feed, given_runs, log_exports
from dagster_project.delivery.feeds import Feed
from dagster_project.resources import Store
from dagster_project.settings import Settings

# The days and the people of a list as its runs found them.
RUNS = [(1, "ab"), (2, "abx"), (2, "abc"), (2, "abc"), (3, "abcd"), (3, "d"), (3, "abcd"), (4, "abcd"), (5, "e"), (5, "")]


@pytest.fixture
def store(bare: Settings) -> Store:
    opened = Store.of(bare)
    opened.open()
    return opened


def deliver(store: Store, day: int, people: str) -> Path:
    """One run of a segment list, each letter a person."""
    moment = store.shop.moment(date(2026, 3, day))
    feed = Feed(
        "segment_fresh",
        "segment list",
        "Fresh.",
        moment.as_of,
        pa.table({"external_id": pa.array(list(people), pa.string())}),
        "external_id",
    )
    given = given_runs(store, moment).get(("generic", feed.name))
    run = deliver_feed(store, feed, "generic", given, rebuild=False)
    with store.warehouse.transaction() as connection:
        log_exports(connection, moment, [(feed, "generic", run)])
    return store.settings.exports / "generic" / "segment_fresh" / run.run


def people_of(run: Path, kind: str) -> set[str]:
    return {line for path in run.glob(f"*__{kind}__*.csv") for line in path.read_text().splitlines()[1:]}


def test_the_changes_of_every_run_add_up_to_everybody(store: Store) -> None:
    taken: set[str] = set()
    seen: list[Path] = []
    for day, people in RUNS:
        run = deliver(store, day, people)
        if run not in seen:
            taken = taken | (people_of(run, "added") if seen else people_of(run, "full"))
            taken = taken - people_of(run, "removed")
            seen.append(run)
        assert taken == people_of(run, "full") == set(people)
    assert len(seen) == len(RUNS) - 1, "the same day with the same people is the same run"


def test_the_same_rows_again_write_nothing(store: Store) -> None:
    for day, people in RUNS:
        run = deliver(store, day, people)
        files = {path: path.stat().st_mtime_ns for path in run.iterdir()}
        assert deliver(store, day, people) == run
        assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == files


def test_a_run_whose_base_was_taken_away_is_written_whole(store: Store) -> None:
    first, _ = deliver(store, 1, "ab"), deliver(store, 2, "abc")
    shutil.rmtree(first)
    again = deliver(store, 2, "abc")
    assert (people_of(again, "full"), people_of(again, "added")) == (set("abc"), set())
    shutil.rmtree(again)
    assert people_of(deliver(store, 3, "abcd"), "full") == set("abcd")
