"""Consent to profiling and to text messages is read once more at delivery, and what was made by either goes with it."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.campaigns.brand import load_brand
from dagster_project.campaigns.campaign import Campaign, load_campaigns
from dagster_project.campaigns.offers import offer_for
from dagster_project.delivery.destinations import destination_named
from dagster_project.delivery.exports import write_export
from dagster_project.delivery.feeds import Day, Feed, campaign_feed, codes_feed, newest_gate, profile_feed, segment_feeds
from dagster_project.settings import TEMPLATES, Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

# Five customers of one day. All but eve were profiled; since then bob took back profiling, cem text messages, dan all mail.
PEOPLE = """
create schema profile; create schema features; create schema segments;
create table people as select * from (values ('ann'), ('bob'), ('cem'), ('dan'), ('eve')) as people (customer_id);
create table profile.current_permissions as
select customer_id, channel, purpose, timestamp '2026-03-10 20:00' as known_at,
    not (customer_id in ('bob', 'eve') and purpose = 'profiling' or customer_id = 'cem' and channel = 'sms' or customer_id = 'dan') as is_permitted
from people cross join (values ('email', 'marketing'), ('email', 'profiling'), ('sms', 'marketing')) as asked (channel, purpose);
create table features.customer_features as select timestamp '2026-03-10 23:00' as as_of, * from people where customer_id <> 'eve';
create table campaigns.customer_traits as select *, 0.5 as churn_probability from features.customer_features;
create table segments.customer_segments as select *, 'fresh' as segment from features.customer_features;
create table campaigns.mailable_customers as
select timestamp '2026-03-10 23:00' as as_of, customer_id, customer_id || '@example.org' as email, '+4930100' as phone_e164,
    case when customer_id <> 'eve' then 'fresh' end as segments, customer_id = 'ann' as is_held_out, 'win_back' as next_campaign, 'hello' as next_step
from people;
create table campaigns.recipients as
select as_of, 'win_back' as campaign, 'offer' as step, 'a' as variant, customer_id, email, 'A' as first_name, 'B' as last_name, 'en' as language,
    as_of as send_at
from campaigns.mailable_customers;
create table campaigns.campaign_content as
select as_of, campaign, step, customer_id, 'm_' || customer_id as content_id, 'S' as subject, 'P' as preheader, 'mails.parquet' as path
from campaigns.recipients;
create table campaigns.campaign_decisions as
select as_of, campaign, step, customer_id, 'send' as decision, 'all gates open' as reason from campaigns.recipients
union all select timestamp '2026-03-10 23:00', 'win_back', 'offer', 'fay', 'holdout', 'campaign holdout';
"""
AT_DELIVERY = (("bob", "no consent to profiling at delivery"), ("dan", "no consent at delivery"))


@pytest.fixture
def day(bare: Settings) -> Day:
    warehouse, shop = Warehouse(bare.warehouse), load_shop(bare.shop_folder)
    with warehouse.transaction() as connection:
        connection.execute(PEOPLE)
    moment = shop.moment(date(2026, 3, 10))
    return Day(warehouse, shop, bare, moment, newest_gate(warehouse, moment))


@pytest.fixture
def campaign() -> Campaign:
    return next(one for one in load_campaigns(TEMPLATES / "campaigns") if one.slug == "win_back")


def mails_of(day: Day, campaign: Campaign) -> Feed:
    return campaign_feed(day, campaign, load_brand(day.settings.shop_folder).sender)


def ids(feed: Feed) -> list[str]:
    return feed.rows["external_id"].to_pylist()


def test_a_segment_and_a_mail_go_with_the_consent_to_profiling(day: Day, campaign: Campaign) -> None:
    """Eve never gave it: she is in no segment, and what she is sent was made without."""
    (segment,), mails = segment_feeds(day, {"fresh": "Fresh."}), mails_of(day, campaign)
    assert (ids(segment), segment.held_back) == (["ann", "cem"], AT_DELIVERY)
    assert (ids(mails), mails.held_back) == (["ann", "cem", "eve"], AT_DELIVERY)


def test_a_code_goes_with_its_mail(day: Day, campaign: Campaign) -> None:
    key = day.shop.pseudonym_key(day.settings.pseudonym_key)
    codes = {one: offer_for(campaign, one, date(2026, 3, 10), key)["code"] for one in ("ann", "bob", "cem", "dan", "eve")}
    texts = {"content_id": [f"m_{one}" for one in codes], "text": list(codes.values())}
    pq.write_table(pa.table(texts), day.settings.store / "mails.parquet")
    given = codes_feed(day, campaign, mails_of(day, campaign)).rows["code"].to_pylist()
    assert sorted(given) == sorted(codes[one] for one in ("ann", "cem", "eve"))


def test_the_profile_feed_keeps_the_person_without_what_profiling_made(day: Day) -> None:
    rows = {row["external_id"]: row for row in profile_feed(day).rows.to_pylist()}
    made = {one: (row["segments"], row["next_campaign"], row["next_step"], row["churn_probability"]) for one, row in rows.items()}
    assert made == {
        "ann": ("fresh", "win_back", "hello", 0.5),
        "bob": (None, None, None, None),
        "cem": ("fresh", "win_back", "hello", 0.5),
        "eve": (None, "win_back", "hello", None),
    }


def test_a_number_goes_with_the_consent_to_text_messages(day: Day) -> None:
    numbers = {row["external_id"]: row["phone_e164"] for row in profile_feed(day).rows.to_pylist()}
    assert numbers == {"ann": "+4930100", "bob": "+4930100", "cem": None, "eve": "+4930100"}


def test_the_control_group_is_marked_and_the_tool_is_told_what_for(day: Day, tmp_path: Path) -> None:
    for feed in (profile_feed(day), *segment_feeds(day, {"fresh": "Fresh."})):
        marks = {row["external_id"]: row["is_held_out"] for row in feed.rows.to_pylist()}
        assert {one for one, is_held_out in marks.items() if is_held_out} == {"ann"}
        for name, column in (("generic", "is_held_out"), ("mailchimp", "HELD_OUT")):
            run = write_export(tmp_path, destination_named(name), feed, None, moves_latest=True)
            page = (tmp_path / name / feed.name / run.run / "README.html").read_text()
            assert f"Where <code>{column}</code> is true" in page


def test_who_was_held_back_is_not_counted_as_sent_to(day: Day, campaign: Campaign, tmp_path: Path) -> None:
    feed = mails_of(day, campaign)
    assert feed.totals == {"sent to": 3, "holdout: campaign holdout": 1}
    run = write_export(tmp_path, destination_named("generic"), replace(feed, content=None), None, moves_latest=True)
    page = (tmp_path / "generic" / "win_back" / run.run / "README.html").read_text()
    counted = re.findall(r"<tr><td>([^<]*)</td><td class=\"n\">(\d+)</td></tr>", page)
    assert dict(counted) == {
        "sent to": "3",
        "holdout: campaign holdout": "1",
        "held back after the decision: no consent at delivery": "1",
        "held back after the decision: no consent to profiling at delivery": "1",
    }
