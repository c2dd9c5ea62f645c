"""A late row, a correction and a refund change no day before they were known, and every day from then on."""

import pytest

from dagster_project.settings import Settings

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

# An order's net amount as each built day knew it (known on the day → counted from that day's moment on).
NET_BY_DAY = """
with customers as (select customer_id from identity.customer_links where source = 'shopify' and source_customer_id = ? and valid_to is null)
select strftime(as_of, '%d')::integer as day, orders_count, net_cents
from features.order_features join customers using (customer_id) order by as_of
"""
FACTS = """
select strftime(known_at, '%m-%d %H') as known, strftime(superseded_at, '%m-%d %H') as superseded, net_amount::varchar
from profile.fct_orders where order_id = ? order by known_at
"""


def by_day(rows, settings: Settings, account: str) -> dict[int, tuple[int, float]]:
    return {day: (orders, cents) for day, orders, cents in rows(settings, NET_BY_DAY, account)}


def test_a_late_order_counts_from_the_day_it_came(backfilled: Settings, rows) -> None:
    """Order 5003 of 3 March comes with the extract of 5 March (pulled on the 6th at 05:00 UTC, the close of the 5th)."""
    orders = {day: count for day, (count, _) in by_day(rows, backfilled, "7023").items()}
    before = orders.get(3, 0)
    assert orders.get(4, 0) == before
    assert orders[5] == before + 1


def test_without_the_second_time_the_late_order_would_count_too_early(backfilled: Settings, rows) -> None:
    """The control: features that looked at occurred_at alone would have it on the day it happened, and the check above would be red."""
    leaky = """
    select count(*) from profile.fct_orders where order_id = '5003' and occurred_at < timestamp '2026-03-03 23:00' and superseded_at is null
    """
    known = leaky + " and known_at <= timestamp '2026-03-04 05:00'"
    assert rows(backfilled, leaky) == [(1,)]
    assert rows(backfilled, known) == [(0,)]


def test_a_correction_makes_a_new_version_and_leaves_the_old_days(backfilled: Settings, rows) -> None:
    versions = rows(backfilled, FACTS, "5002")
    assert [version[:2] for version in versions] == [("03-03 05", "03-05 05"), ("03-05 05", None)]
    cents = {day: cents for day, (_, cents) in by_day(rows, backfilled, "7022").items()}
    assert cents[2] == cents[3]
    ((price,),) = rows(
        backfilled, "select (unit_price * 100)::double from profile.fct_order_items where order_item_id = '5002:50021' limit 1"
    )
    assert cents[4] == pytest.approx(cents[3] - price)


def test_a_refund_counts_on_its_own_day(backfilled: Settings, rows) -> None:
    cents = {day: cents for day, (_, cents) in by_day(rows, backfilled, "7021").items()}
    ((refund,),) = rows(
        backfilled, "select (net_amount * 100)::double from profile.fct_returns where return_id = '611' and superseded_at is null"
    )
    assert cents[1] == cents[5]
    assert cents[6] == pytest.approx(cents[5] - refund)


def test_a_cancelled_order_gives_everything_back(backfilled: Settings, rows) -> None:
    ((left,),) = rows(
        backfilled,
        """
        select sum(orders.net_amount) - sum(returns.net_amount) from profile.fct_orders as orders
        join profile.fct_returns as returns using (order_id)
        where order_id = '5004' and orders.superseded_at is null and returns.superseded_at is null
        """,
    )
    assert left == 0


def test_two_customers_who_turn_out_to_be_one_are_two_until_then(backfilled: Settings, rows) -> None:
    """Contact 490 takes account 7499's address on 5 March: the later anchor's records move, the past stays as it was believed."""
    stays = rows(
        backfilled,
        """
        select source_customer_id, customer_id, rule, strftime(valid_from, '%m-%d'), strftime(valid_to, '%m-%d') from identity.customer_links
        where source_customer_id in ('490', '7490', '7499') order by 1, valid_from
        """,
    )
    ended = [stay for stay in stays if stay[4] == "03-06"]
    present = {stay[1] for stay in stays if stay[4] is None}
    assert ended
    assert len(present) == 1
    assert {stay[1] for stay in stays} - present == {stay[1] for stay in ended}


def test_facts_follow_their_record_from_customer_to_customer(backfilled: Settings, rows) -> None:
    overlapping = rows(
        backfilled,
        """
        select one.order_id from profile.fct_orders as one join profile.fct_orders as other
            on one.order_id = other.order_id and one.known_at < other.known_at
            and coalesce(one.superseded_at, timestamp '2999-01-01') > other.known_at
        """,
    )
    assert overlapping == []
