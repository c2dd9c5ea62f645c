"""The arbiter's chain on ten days of the small shop: one decision and one reason a person, sticky groups, caps and consent kept."""

import pytest

from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]


def test_every_decision_has_a_reason_and_every_reason_its_decision(backfilled: Settings, rows) -> None:
    found = set(rows(backfilled, "select distinct decision, reason from campaigns.campaign_decisions"))
    assert ("send", "all gates open") in found
    assert ("excluded", "no consent") in found
    assert ("holdout", "campaign holdout") in found
    assert all(reason for _, reason in found)


def test_nobody_is_sent_to_without_consent_on_that_day(backfilled: Settings, rows) -> None:
    sql = """
    select count(*) from campaigns.campaign_decisions as decisions
    left join profile.customer_permissions as permissions
        on decisions.as_of = permissions.as_of and decisions.customer_id = permissions.customer_id
        and channel = 'email' and purpose = 'marketing'
    where decision = 'send' and not coalesce(is_permitted, false)
    """
    assert rows(backfilled, sql) == [(0,)]


def test_the_consent_check_sees_a_decision_without_consent(backfilled: Settings, copy_of, rows) -> None:
    """The control: one permission taken away after the fact, and the check above counts it."""
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute(
            """
            update profile.customer_permissions set is_permitted = false
            where customer_id = (select min(customer_id) from campaigns.campaign_decisions where decision = 'send')
            """
        )
    with pytest.raises(AssertionError):
        test_nobody_is_sent_to_without_consent_on_that_day(settings, rows)


def test_the_second_step_comes_three_days_after_the_first_to_who_is_still_meant(backfilled: Settings, rows) -> None:
    sql = """
    select first.decision, second.decision, date_diff('hour', first.as_of, second.as_of) as hours
    from campaigns.campaign_decisions as second
    join campaigns.campaign_decisions as first using (campaign, customer_id, began_at)
    where first.step = 'hello' and second.step = 'offer' and first.decision in ('send', 'holdout') and second.decision in ('send', 'holdout')
    """
    pairs = rows(backfilled, sql)
    assert len(pairs) > 20
    assert {(one, other) for one, other, _ in pairs} <= {("send", "send"), ("holdout", "holdout")}
    assert min(hours for *_, hours in pairs) == 72


def test_who_bought_meanwhile_is_left_out_with_that_reason(backfilled: Settings, rows) -> None:
    sql = "select count(*) from campaigns.campaign_decisions where step = 'offer' and reason = 'left the audience'"
    assert rows(backfilled, sql)[0][0] > 0


def test_variant_and_holdout_stay_with_the_customer(backfilled: Settings, rows) -> None:
    sql = """
    select count(*) from (
        select customer_id from campaigns.campaign_decisions group by customer_id
        having count(distinct variant) > 1 or count(distinct reason) filter (where decision = 'holdout') > 1
    )
    """
    assert rows(backfilled, sql) == [(0,)]


def test_nobody_gets_more_mails_than_the_cap(backfilled: Settings, rows) -> None:
    sql = """
    select max(mails) from (
        select one.customer_id, one.as_of, count(*) as mails
        from campaigns.campaign_decisions as one join campaigns.campaign_decisions as other
            on one.customer_id = other.customer_id and other.as_of <= one.as_of and other.as_of > one.as_of - interval 7 day
        where one.decision = 'send' and other.decision = 'send' group by all
    )
    """
    ((most,),) = rows(backfilled, sql)
    assert 1 <= most <= 2


def test_segment_history_says_who_was_in_since_when(backfilled: Settings, rows) -> None:
    """Every day in a segment lies within exactly one stay, and no stay holds a day out of it."""
    sql = """
    select
        (select count(*) from segments.customer_segments),
        (select count(*) from segments.customer_segments as days join segments.segment_history as stays using (customer_id, segment)
         where days.as_of >= stays.entered_at and (stays.exited_at is null or days.as_of < stays.exited_at))
    """
    ((days, covered),) = rows(backfilled, sql)
    assert days > 500
    assert days == covered
    ((exited,),) = rows(backfilled, "select count(*) from segments.segment_history where exited_at is not null")
    assert exited > 0
    newest = "select count(*) from segments.customer_segments where as_of = (select max(as_of) from segments.segment_flags)"
    assert rows(backfilled, "select count(*) from segments.segment_history where exited_at is null") == rows(backfilled, newest)


def test_results_of_the_campaign_count_what_followed(backfilled: Settings, rows) -> None:
    ((sent, decided),) = rows(
        backfilled,
        """
        select (select sum(sent) from measurement.campaign_results where campaign = 'win_back'),
               (select count(*) from campaigns.campaign_decisions where decision = 'send' and as_of < timestamp '2026-03-10 23:00')
        """,
    )
    assert sent == decided
    found = rows(
        backfilled,
        "select lift_low, lift, lift_high, measured, sent, roi from measurement.campaign_results where lift is not null and campaign = 'win_back'",
    )
    assert found, "the mails of the first days are more than a week old"
    for low, lift, high, measured, sent, roi in found:
        assert low <= lift <= high
        assert 0 < measured <= sent
        # Only mails whose week is over have brought anything yet, so only they are charged.
        assert roi == pytest.approx((lift - 0.002) / 0.002, rel=0.001, abs=0.1)
    assert any(measured < sent for *_, measured, sent, _ in found)


def test_who_is_held_out_has_passed_every_gate_that_a_mailed_one_has(backfilled: Settings, rows) -> None:
    sql = """
    select decisions.decision, count(*), count(members.customer_id) from campaigns.campaign_decisions as decisions
    left join segments.customer_segments as members
        on decisions.as_of = members.as_of and decisions.customer_id = members.customer_id and members.segment = 'lapsing_buyers'
    where campaign = 'win_back' and decision <> 'excluded' group by all
    """
    found = {decision: (decided, meant) for decision, decided, meant in rows(backfilled, sql)}
    assert found.keys() == {"send", "holdout"}
    assert all(decided == meant > 0 for decided, meant in found.values())
