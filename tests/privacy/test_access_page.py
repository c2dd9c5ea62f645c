"""What the page of an access request says of what it does not show whole."""

from pathlib import Path

from dagster_project.privacy.access import SHOWN, by_stage, called


def events(column: str) -> list[dict[str, str | int]]:
    """More rows than are shown, in the order of their ids; the newest come first of all."""
    return [{"event_id": number, column: f"2026-03-{31 - number:02d}T08:00:00"} for number in range(1, SHOWN + 3)]


def test_the_newest_rows_are_the_newest_whatever_their_ids() -> None:
    ((_, _, (table,)),) = by_stage({"profile.fct_web_events": events("occurred_at")})
    assert (len(table.rows), table.more, table.has_times) == (SHOWN, 2, True)
    assert max(at for _, at in table.rows) == "2026-03-30 08:00"
    assert min(at for _, at in table.rows) == "2026-03-06 08:00"


def test_a_table_that_does_not_say_when_claims_no_newest_rows() -> None:
    ((_, _, (table,)),) = by_stage({"sources.ga4__events": events("event_date")})
    assert (len(table.rows), table.more, table.has_times) == (SHOWN, 2, False)


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    shop, store = Path("/shops/demo"), Path("/store/demo")
    assert called(store / "raw/klaviyo/events.jsonl", shop, store) == "raw/klaviyo/events.jsonl"
    assert called(shop / "data/events.jsonl", shop, store) == "data/events.jsonl"
    assert called(Path("/elsewhere/events.jsonl"), shop, store) == "events.jsonl"
