"""Two people made one by hand, planned, built and exported; then taken back: segments, exports and deltas follow."""

import csv
import json
from datetime import date
from pathlib import Path

import pytest

from dagster_project.identity.link_lists import Decisions, read_decisions
from dagster_project.identity.linking import link_records
from dagster_project.identity.questions import decide, link_story
from dagster_project.plan import plan
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse
from ml.registry import Registry

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

SEGMENTS = (
    "select customer_id, segment from segments.customer_segments where as_of = (select max(as_of) from sources.built_days) order by all"
)
# Two customers of one segment whose records nothing links, the older first.
STRANGERS = """
select members.customer_id, min(links.source || ':' || links.source_customer_id)
from segments.customer_segments as members
inner join identity.customer_links as links on members.customer_id = links.customer_id and links.rule = 'first record'
where members.as_of = (select max(as_of) from sources.built_days) and members.segment = 'one_time_buyers'
group by members.customer_id order by min(links.valid_from), 1
"""
EXPORTED = "select destination, feed, run from campaigns.export_log where as_of = (select max(as_of) from sources.built_days) order by all"


def store_of(settings: Settings) -> Warehouse:
    return Warehouse.of(settings)


def exported(settings: Settings, kind: str) -> set[str]:
    """The customers of the newest profile feed's files of a kind (full, added, removed)."""
    feed = settings.exports / "generic" / "profiles"
    run = feed / json.loads((feed / "latest.json").read_text())["run"]
    found: set[str] = set()
    for path in sorted(run.glob(f"*__{kind}__*.csv*")):
        with path.open(newline="", encoding="utf-8-sig") as file:
            found |= {row["external_id"] for row in csv.DictReader(file)}
    return found


def lists(settings: Settings) -> dict[tuple[str, str], list[str]]:
    """Everybody in each feed of the newest day, for each destination, as the hashes of its files."""
    found: dict[tuple[str, str], list[str]] = {}
    for destination, feed, run in store_of(settings).rows(EXPORTED):
        stated = json.loads((settings.exports / destination / feed / run / "manifest.json").read_text())
        found[destination, feed] = [file["sha256"] for file in stated["files"] if file["kind"] == "full"]
    return found


def test_a_merge_by_hand_is_planned_built_exported_and_taken_back(backfilled: Settings, copy_of, build, days: list[date]) -> None:
    settings = copy_of(backfilled)
    shop = load_shop(settings.shop_folder)
    before = store_of(settings).rows(SEGMENTS)
    given = lists(settings)
    mailed = exported(settings, "full")
    (kept, one), (gone, other) = [row for row in store_of(settings).rows(STRANGERS) if row[0] in mailed][:2]

    decide(store_of(settings), shop, "link", one, gone, "a mistake", "Ann", None)
    planned = plan(settings, shop)
    assert store_of(settings).rows(SEGMENTS) == before, "a plan touches nothing"
    assert any(gone in move and kept in move for move in planned.moves)
    build(settings, [days[-1]])
    merged = store_of(settings).rows(SEGMENTS)
    assert gone not in {customer for customer, _ in merged}
    assert gone not in exported(settings, "full")
    assert gone in exported(settings, "removed")
    changes = {change.name: (change.added, change.removed) for change in planned.segments}
    for segment in {segment for _, segment in before + merged}:
        old, new = ({customer for customer, name in rows if name == segment} for rows in (before, merged))
        assert changes.get(segment, (0, 0)) == (len(new - old), len(old - new)), segment
    story = link_story(store_of(settings), settings, shop, one, other).text()
    assert f"{one} and {other} are one customer." in story
    assert "linked by Ann: a mistake" in story

    decide(store_of(settings), shop, "unlink", one, other, "they are two", "Ann", None)
    build(settings, [days[-1]])
    assert store_of(settings).rows(SEGMENTS) == before
    assert lists(settings) == given, "the same people as before the mistake"
    assert gone in exported(settings, "added"), "who was told to leave is told to come back"
    story = link_story(store_of(settings), settings, shop, one, other).text()
    assert f"Kept apart: {one} and {other} were unlinked by Ann" in story or f"Kept apart: {other} and {one} were unlinked by Ann" in story


LINKED_BY_DATA = """
select one.source || ':' || one.source_customer_id, other.source || ':' || other.source_customer_id
from identity.customer_links as one
inner join identity.customer_links as other on one.customer_id = other.customer_id and one.rule = 'first record' and other.rule = 'same e-mail'
where one.valid_to is null and other.valid_to is null order by all limit 1
"""


def relinked(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Each record's customer after linking anew, without building the rest of a day."""
    shop = load_shop(settings.shop_folder)
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlflow", shop.name)
    found = link_records(store_of(settings), shop, read_decisions(shop.folder), "a key", tmp_path, registry).customer_links
    present = [row for row in found.to_pylist() if row["valid_to"] is None]
    return {f"{row['source']}:{row['source_customer_id']}": row["customer_id"] for row in present}


def test_an_unlink_of_what_the_data_link_survives_every_run(
    backfilled: Settings, copy_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copy_of(backfilled)
    one, other = store_of(settings).rows(LINKED_BY_DATA)[0]
    assert relinked(settings, tmp_path)[one] == relinked(settings, tmp_path)[other]
    decide(store_of(settings), load_shop(settings.shop_folder), "unlink", one, other, "mother and son", "Ann", None)
    for _ in range(2):
        found = relinked(settings, tmp_path)
        assert found[one] != found[other]
    ((kind, because),) = store_of(settings).rows("select kind, because from identity.merge_log where because like 'unlinked by%'")
    assert (kind, because) == ("split", "unlinked by Ann: mother and son")
    # The control: linking that forgets the decisions has them in one customer again, and the check above is red.
    monkeypatch.setattr(Decisions, "in_force", lambda *_: {})
    with store_of(settings).transaction() as connection:
        connection.execute("drop table identity.linked_until")
    forgotten = relinked(settings, tmp_path)
    assert forgotten[one] == forgotten[other]
