"""A segment that is no more: who had its members is told, once, that everybody has left."""

import json
from pathlib import Path

import pytest

from dagster_project.delivery import assets
from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("nine nights")]


def latest(feed: Path) -> Path:
    return feed / json.loads((feed / "latest.json").read_text())["run"]


def rows_of(run: Path, kind: str) -> list[str]:
    return [line for path in run.glob(f"*__{kind}__*.csv") for line in path.read_text().splitlines()[1:]]


def test_a_deleted_segment_is_emptied_once(nine_nights: Settings, copy_of, tenth_night, build, days, monkeypatch) -> None:
    settings = copy_of(nine_nights)
    feed = settings.exports / "generic" / "segment_lapsing_buyers"
    members = rows_of(latest(feed), "full")
    assert members
    tenth_night(settings)
    described = assets.segment_descriptions
    monkeypatch.setattr(
        assets, "segment_descriptions", lambda *asked: {n: t for n, t in described(*asked).items() if n != "lapsing_buyers"}
    )
    build(settings, [days[9]])
    last = latest(feed)
    assert "20260310T" in last.name
    assert rows_of(last, "full") == []
    assert len(rows_of(last, "removed")) == len(members)
    told = {path: path.read_bytes() for path in feed.rglob("*") if path.is_file()}
    build(settings, [days[9]])
    assert {path: path.read_bytes() for path in feed.rglob("*") if path.is_file()} == told, "the same night again tells the same"
