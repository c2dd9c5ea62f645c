"""Which customer a record belongs to, and since when."""

import random
from datetime import datetime

import pyarrow as pa

from dagster_project.identity.stays import attach, pseudonym, stays

KEY = "a key"


def day(n: int) -> datetime:
    return datetime(2026, 1, n)


def records(**known_at: int) -> pa.Table:
    names = {name.replace("_", ":", 1): day(n) for name, n in known_at.items()}
    return pa.table({"record_id": list(names), "known_at": pa.array(list(names.values()), pa.timestamp("us"))})


def edges(*rows: tuple[str, str, int]) -> pa.Table:
    return pa.table(
        {
            "record_a": pa.array([a for a, _, _ in rows], pa.string()),
            "record_b": pa.array([b for _, b, _ in rows], pa.string()),
            "rule": pa.array(["same e-mail"] * len(rows), pa.string()),
            "match_probability": pa.array([1.0] * len(rows), pa.float64()),
            "known_at": pa.array([day(n) for _, _, n in rows], pa.timestamp("us")),
        }
    )


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
    assert summary(stays(records(crm_1=1), edges(), KEY)) == [("crm:1", "crm:1", 1, None)]


def test_a_later_record_joins_the_anchor_from_the_day_it_is_known() -> None:
    linked = stays(records(crm_1=1, shop_1=3), edges(("crm:1", "shop:1", 3)), KEY)
    assert summary(linked) == [("crm:1", "crm:1", 1, None), ("shop:1", "crm:1", 3, None)]


def test_two_customers_who_turn_out_one_end_one_stay_and_begin_another() -> None:
    linked = stays(records(crm_1=1, shop_1=2), edges(("crm:1", "shop:1", 5)), KEY)
    assert summary(linked) == [("crm:1", "crm:1", 1, None), ("shop:1", "shop:1", 2, 5), ("shop:1", "crm:1", 5, None)]


def test_the_earlier_anchor_wins_whichever_side_of_the_edge_it_stands_on() -> None:
    one = stays(records(crm_1=2, shop_1=1), edges(("crm:1", "shop:1", 2)), KEY)
    other = stays(records(crm_1=2, shop_1=1), edges(("shop:1", "crm:1", 2)), KEY)
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
    persons = stays(records(shop_1=1), edges(), KEY)
    assert summary(attach(persons, ties(("web:b", "shop:1", 3)))) == [("web:b", "shop:1", 3, None)]


def test_a_browser_without_ties_has_no_row() -> None:
    assert attach(stays(records(shop_1=1), edges(), KEY), ties()).num_rows == 0


def test_a_browser_that_two_people_use_is_nobodys_until_they_turn_out_one() -> None:
    two = ties(("web:b", "shop:1", 3), ("web:b", "shop:2", 5))
    assert summary(attach(stays(records(shop_1=1, shop_2=2), edges(), KEY), two)) == [("web:b", "shop:1", 3, 5)]
    persons = stays(records(shop_1=1, shop_2=2), edges(("shop:1", "shop:2", 8)), KEY)
    assert summary(attach(persons, two)) == [("web:b", "shop:1", 3, 5), ("web:b", "shop:1", 8, None)]


def test_a_browser_follows_its_record_to_another_customer() -> None:
    persons = stays(records(crm_1=1, shop_1=2), edges(("crm:1", "shop:1", 6)), KEY)
    assert summary(attach(persons, ties(("web:b", "shop:1", 3)))) == [("web:b", "shop:1", 3, 6), ("web:b", "crm:1", 6, None)]
