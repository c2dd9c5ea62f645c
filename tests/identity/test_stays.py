"""Which customer a record belongs to, and since when."""

import random
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.identity.attaching import attach
from dagster_project.identity.link_lists import Decision, Decisions, add_decision, check_whole, read_decisions
from dagster_project.identity.statements import SHOP_RULES
from dagster_project.identity.stays import History, history, pseudonym

KEY = "a key"


def day(n: int) -> datetime:
    return datetime(2026, 1, n)


def records(**known_at: int) -> pa.Table:
    names = {name.replace("_", ":", 1): day(n) for name, n in known_at.items()}
    return pa.table({"record_id": list(names), "known_at": pa.array(list(names.values()), pa.timestamp("us"))})


def edges(*rows: tuple[object, ...]) -> pa.Table:
    """Exact edges: record, record, the day it is known, and the day it ends where it does."""
    ends = [day(int(str(row[3]))) if len(row) > 3 else None for row in rows]
    return pa.table(
        {
            "record_a": pa.array([row[0] for row in rows], pa.string()),
            "record_b": pa.array([row[1] for row in rows], pa.string()),
            "rule": pa.array(["same e-mail"] * len(rows), pa.string()),
            "match_probability": pa.array([1.0] * len(rows), pa.float64()),
            "known_at": pa.array([day(int(str(row[2]))) for row in rows], pa.timestamp("us")),
            "known_until": pa.array(ends, pa.timestamp("us")),
            "match_weight": pa.nulls(len(rows), pa.float64()),
        }
    )


def found(people: pa.Table, links: pa.Table, decisions: Sequence[Decision] = (), closes: int = 10) -> History:
    """The history with a close at the end of each of the first days."""
    moments = [day(n) for n in range(1, closes + 1)]
    return history(people, links, SHOP_RULES, moments, Decisions(decisions, lambda one: datetime.combine(one, time())), KEY)


def stays(people: pa.Table, links: pa.Table, key: str = KEY) -> pa.Table:
    return found(people, links).stays


def decision(verdict: str, one: str, other: str, from_day: int) -> Decision:
    return Decision(date(2026, 1, from_day), verdict, one, other, "Ann", "she said so")


def summary(table: pa.Table) -> list[tuple[str, str, int, int | None]]:
    names = {pseudonym(KEY, name): name for name in ("crm:1", "crm:2", "till:1", "shop:1", "shop:2")}
    return [
        (
            f"{r['source']}:{r['source_customer_id']}",
            names[r["customer_id"]],
            r["valid_from"].day,
            r["valid_to"].day if r["valid_to"] else None,
        )
        for r in table.to_pylist()
    ]


def test_a_record_alone_is_its_own_customer() -> None:
    assert summary(stays(records(crm_1=1), edges())) == [("crm:1", "crm:1", 1, None)]


def test_a_later_record_joins_the_anchor_from_the_day_it_is_known() -> None:
    linked = stays(records(crm_1=1, shop_1=3), edges(("crm:1", "shop:1", 3)))
    assert summary(linked) == [("crm:1", "crm:1", 1, None), ("shop:1", "crm:1", 3, None)]


def test_two_customers_who_turn_out_one_end_one_stay_and_begin_another() -> None:
    linked = stays(records(crm_1=1, shop_1=2), edges(("crm:1", "shop:1", 5)))
    assert summary(linked) == [("crm:1", "crm:1", 1, None), ("shop:1", "shop:1", 2, 5), ("shop:1", "crm:1", 5, None)]


def test_the_earlier_anchor_wins_whichever_side_of_the_edge_it_stands_on() -> None:
    one = stays(records(crm_1=2, shop_1=1), edges(("crm:1", "shop:1", 2)))
    other = stays(records(crm_1=2, shop_1=1), edges(("shop:1", "crm:1", 2)))
    assert summary(one) == summary(other) == [("crm:1", "shop:1", 2, None), ("shop:1", "shop:1", 1, None)]


def test_the_order_of_rows_changes_nothing() -> None:
    people = records(crm_1=1, crm_2=2, shop_1=3, shop_2=4, till_1=5)
    found = edges(("crm:1", "shop:1", 6), ("crm:2", "shop:2", 6), ("shop:1", "till:1", 6), ("crm:2", "till:1", 7))
    expected = stays(people, found, KEY)
    chance = random.Random(1)
    for _ in range(20):
        shuffled = people.take(chance.sample(range(5), 5)), found.take(chance.sample(range(4), 4))
        assert stays(*shuffled, KEY).equals(expected)


def test_another_key_gives_other_ids() -> None:
    assert pseudonym("one", "crm:1") != pseudonym("two", "crm:1")


def test_later_records_and_edges_change_no_earlier_stay() -> None:
    """A day built alone must equal the same day of a backfill: what is believed at a close depends on what was known by then."""
    people = records(crm_1=1, crm_2=2, shop_1=3, shop_2=4, till_1=5)
    rows = [("crm:1", "shop:1", 6), ("crm:2", "shop:2", 4, 7), ("shop:1", "till:1", 6), ("crm:2", "till:1", 7)]
    whole = summary(stays(people, edges(*rows)))
    for last in range(1, 9):
        early = people.filter(pa.array([at.day <= last for at in people["known_at"].to_pylist()]))
        known = [(*row[:3], *(end for end in row[3:] if end <= last)) for row in rows if row[2] <= last]
        believed = {(record, customer, start) for record, customer, start, end in whole if start <= last and (end is None or end > last)}
        assert {stay[:3] for stay in summary(found(early, edges(*known), closes=last).stays) if stay[3] is None} == believed


def test_what_stops_linking_splits_the_customer_and_the_log_says_so() -> None:
    split = found(records(crm_1=1, shop_1=3), edges(("crm:1", "shop:1", 3, 6)))
    assert summary(split.stays) == [("crm:1", "crm:1", 1, None), ("shop:1", "crm:1", 3, 6), ("shop:1", "shop:1", 6, None)]
    (line,) = split.merge_log.to_pylist()
    assert (line["happened_at"].day, line["kind"], line["records"]) == (6, "split", 1)
    assert (line["from_customer_id"], line["to_customer_id"]) == (pseudonym(KEY, "crm:1"), pseudonym(KEY, "shop:1"))


def test_an_unlink_holds_from_its_day_on_and_a_later_link_takes_it_back() -> None:
    people, links = records(crm_1=1, shop_1=2), edges(("crm:1", "shop:1", 2))
    decisions = [decision("unlink", "shop:1", "crm:1", 4), decision("link", "crm:1", "shop:1", 7)]
    assert summary(found(people, links, decisions).stays) == [
        ("crm:1", "crm:1", 1, None),
        ("shop:1", "crm:1", 2, 4),
        ("shop:1", "shop:1", 4, 7),
        ("shop:1", "crm:1", 7, None),
    ]
    log = found(people, links, decisions).merge_log.to_pylist()
    assert [(line["kind"], line["because"]) for line in log] == [
        ("split", "unlinked by Ann: she said so"),
        ("merged", "linked by Ann: she said so"),
    ]


def test_a_link_joins_what_nothing_else_joins() -> None:
    joined = found(records(crm_1=1, shop_1=2), edges(), [decision("link", "crm:1", "shop:1", 3)])
    assert summary(joined.stays) == [("crm:1", "crm:1", 1, None), ("shop:1", "shop:1", 2, 3), ("shop:1", "crm:1", 3, None)]


def test_decisions_are_a_file_that_reads_back(tmp_path: Path) -> None:
    one, other = decision("unlink", "crm:1", "shop:1", 4), Decision(date(2026, 1, 5), "link", "crm:2", "shop:2", "Ann, CRM", 'said "yes"')
    add_decision(tmp_path, one)
    add_decision(tmp_path, other)
    assert read_decisions(tmp_path) == [one, other]
    (tmp_path / "identity" / "decisions.csv").write_text("day,verdict,record_a,record_b,by,why\n2026-01-04,perhaps,crm:1,shop:1,,\n")
    with pytest.raises(ValueError, match=r"decisions.csv:2: 'perhaps' is neither link nor unlink"):
        read_decisions(tmp_path)


def test_a_file_that_a_spreadsheet_or_an_editor_wrote_takes_another_line(tmp_path: Path) -> None:
    one = Decision(date(2026, 1, 1), "link", "crm:1", "shop:1", "Ann", "the same")
    path = add_decision(tmp_path, one)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n"))
    other = Decision(date(2026, 1, 2), "unlink", "crm:1", "shop:1", "Ben", "not the same")
    add_decision(tmp_path, other)
    assert read_decisions(tmp_path) == [one, other]


def test_links_around_an_unlink_are_refused_with_the_two_records() -> None:
    chain = [decision("link", "crm:1", "shop:1", 1), decision("link", "shop:1", "till:1", 1), decision("unlink", "crm:1", "till:1", 2)]
    with pytest.raises(ValueError, match="crm:1 and till:1 are unlinked"):
        check_whole(chain)
    check_whole([*chain, decision("unlink", "shop:1", "till:1", 2)])


def ties(*rows: tuple[str, str, int]) -> pa.Table:
    return pa.table(
        {
            "visitor": pa.array([visitor for visitor, _, _ in rows], pa.string()),
            "record_id": pa.array([record for _, record, _ in rows], pa.string()),
            "rule": pa.array(["signed in there"] * len(rows), pa.string()),
            "match_probability": pa.array([1.0] * len(rows), pa.float64()),
            "known_at": pa.array([day(n) for _, _, n in rows], pa.timestamp("us")),
        }
    )


def test_a_browser_is_a_customers_from_the_sign_in_on() -> None:
    persons = stays(records(shop_1=1), edges())
    assert summary(attach(persons, ties(("web:b", "shop:1", 3)))) == [("web:b", "shop:1", 3, None)]


def test_a_browser_without_ties_has_no_row() -> None:
    assert attach(stays(records(shop_1=1), edges()), ties()).num_rows == 0


def test_a_browser_that_two_people_use_is_nobodys_until_they_turn_out_one() -> None:
    two = ties(("web:b", "shop:1", 3), ("web:b", "shop:2", 5))
    assert summary(attach(stays(records(shop_1=1, shop_2=2), edges()), two)) == [("web:b", "shop:1", 3, 5)]
    persons = stays(records(shop_1=1, shop_2=2), edges(("shop:1", "shop:2", 8)))
    assert summary(attach(persons, two)) == [("web:b", "shop:1", 3, 5), ("web:b", "shop:1", 8, None)]


def test_a_browser_follows_its_record_to_another_customer() -> None:
    persons = stays(records(crm_1=1, shop_1=2), edges(("crm:1", "shop:1", 6)))
    assert summary(attach(persons, ties(("web:b", "shop:1", 3)))) == [("web:b", "shop:1", 3, 6), ("web:b", "crm:1", 6, None)]
