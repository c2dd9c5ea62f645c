"""The profile feed: who may be written to with what a tool may personalise by, each by the permission that it needs when the file is written."""

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa
import pytest

from dagster_project.delivery.feeds import Day, newest_gate, profile_feed
from dagster_project.settings import Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

AS_OF = datetime(2026, 3, 10, 23)
TRAITS = ("favourite_category", "churn_probability", "clv_365d_amount", "best_send_hour")
SCORED = """
update scores.customer_scores set churn_probability = 0.12345, clv_365d_amount = 97.5, best_send_hour = 18 where as_of = ?
"""


def feed_of(settings: Settings) -> pa.Table:
    shop = load_shop(settings.shop_folder)
    warehouse, moment = Warehouse(settings.warehouse), shop.moment(AS_OF.date())
    return profile_feed(Day(warehouse, shop, settings, moment, newest_gate(warehouse, moment))).rows


@pytest.fixture
def scored(backfilled: Settings, copy_of: Callable[..., Settings]) -> Settings:
    """A store with scores: in a shop as small as this every model abstains."""
    settings = copy_of(backfilled)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute(SCORED, [AS_OF])
    return settings


def test_a_tool_gets_contact_segments_favourites_and_scores(scored: Settings) -> None:
    rows = feed_of(scored).to_pylist()
    profiled = {
        customer
        for (customer,) in Warehouse(scored.warehouse).rows(
            "select customer_id from profile.current_permissions where channel = 'email' and purpose = 'profiling' and is_permitted"
        )
    }
    told = [row for row in rows if row["external_id"] in profiled]
    silent = [row for row in rows if row["external_id"] not in profiled]
    assert (len(told) > 5, len(silent) > 0) == (True, True)
    assert {(row["churn_probability"], row["clv_365d_amount"], row["best_send_hour"]) for row in told} == {(0.12, 100.0, 18)}
    assert {row["favourite_category"] for row in told} > {None}
    assert {row[name] for row in silent for name in TRAITS} == {None}
    assert all(row["email"] and row["language"] for row in rows)


def test_who_takes_profiling_back_after_the_decision_has_no_traits(scored: Settings) -> None:
    (customer, *_) = [row["external_id"] for row in feed_of(scored).to_pylist() if row["churn_probability"]]
    with Warehouse(scored.warehouse).transaction() as connection:
        connection.execute(
            "update profile.fct_consents set state = 'withdrawn' where purpose = 'profiling' and customer_id = ?", [customer]
        )
    by_customer = {row["external_id"]: row for row in feed_of(scored).to_pylist()}
    assert {by_customer[customer][name] for name in TRAITS} == {None}
    assert [row for row in by_customer.values() if row["churn_probability"]]


@pytest.mark.parametrize(("then", "now"), [(True, True), (True, False), (False, True)])
def test_a_number_leaves_only_with_consent_to_text_messages_then_and_now(
    backfilled: Settings, copy_of: Callable[..., Settings], then: bool, now: bool
) -> None:
    settings = copy_of(backfilled)
    warehouse = Warehouse(settings.warehouse)
    in_feed = {row["external_id"] for row in feed_of(settings).to_pylist()}
    known = warehouse.rows("select customer_id from profile.current_customers where as_of = ? and phone_e164 is not null", [AS_OF])
    customer = min(one for (one,) in known if one in in_feed)
    with warehouse.transaction() as connection:
        for table, is_said in (("customer_permissions", then), ("fct_consents", now)):
            if is_said:
                connection.execute(
                    f"""
                    insert into profile.{table} by name
                    select * replace ('sms' as channel) from profile.{table}
                    where customer_id = ? and channel = 'email' and purpose = 'marketing'
                    """,
                    [customer],
                )
    sent = {row["external_id"] for row in feed_of(settings).to_pylist() if row["phone_e164"]}
    assert sent == ({customer} if then and now else set())


def test_what_comes_next_is_what_was_decided(backfilled: Settings, rows: Callable[..., list[tuple[object, ...]]]) -> None:
    decided = rows(
        backfilled, "select customer_id, campaign from campaigns.campaign_decisions where as_of = ? and decision = 'send'", AS_OF
    )
    sent = [(row["external_id"], row["next_campaign"]) for row in feed_of(backfilled).to_pylist() if row["next_campaign"]]
    assert sent
    assert set(sent) <= set(decided)


def test_the_file_has_them_too(backfilled: Settings) -> None:
    (path,) = (backfilled.exports / "generic" / "profiles").glob("run=20260310*/*full*.csv")
    assert {"region", "next_question", "churn_probability", "next_product"} <= set(path.read_text().splitlines()[0].split(","))


def test_the_control_group_is_whom_the_arbiter_holds_out(backfilled: Settings, rows: Callable[..., list[tuple[object, ...]]]) -> None:
    decided = rows(backfilled, "select customer_id, reason = 'global holdout', reason = 'all gates open' from campaigns.campaign_decisions")
    marked = {row["external_id"]: row["is_held_out"] for row in feed_of(backfilled).to_pylist()}
    held_out = {customer for customer, is_held_out, _ in decided if is_held_out} & marked.keys()
    sent_to = {customer for customer, _, is_sent_to in decided if is_sent_to} & marked.keys()
    assert (len(held_out) > 0, len(sent_to) > 0) == (True, True)
    assert {marked[customer] for customer in held_out} == {True}
    assert {marked[customer] for customer in sent_to} == {False}
