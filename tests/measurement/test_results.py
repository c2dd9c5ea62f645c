"""What is measured of a mail is what came back of this mail, of the person as they are known now."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from dagster_project.settings import Settings
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

Rows = Callable[..., list[tuple[object, ...]]]
# Somebody who got both mails of the win-back.
TWICE = """
select customer_id, min(as_of) as first_at, max(as_of) as second_at from campaigns.contact_history
where decision = 'send' group by customer_id having count(distinct step) = 2 and max(as_of) < timestamp '2026-03-10 23:00' order by all limit 1
"""
COUNTED = "select step, coalesce(sum(delivered), 0), coalesce(sum(clicks), 0) from measurement.campaign_results where campaign = 'win_back' group by 1"


def click(settings: Settings, customer: str, at: datetime, campaign: str) -> None:
    values = {"customer_id": customer, "campaign": campaign, "occurred_at": at, "known_at": at}
    with Warehouse(settings.warehouse).transaction() as connection:
        for event in ("received", "clicked"):
            row = values | {"event": event}
            names = ", ".join(row)
            connection.execute(f"insert into profile.fct_email_events ({names}) values ({', '.join('?' * len(row))})", list(row.values()))


def test_a_click_belongs_to_the_mail_before_it(backfilled: Settings, copy_of, build_stages, days: list[date], rows: Rows) -> None:
    settings = copy_of(backfilled)
    ((customer, first, second),) = rows(settings, TWICE)
    click(settings, str(customer), first + timedelta(hours=20), "win_back")  # type: ignore[operator]
    build_stages(settings, ["measurement"], days[9])
    assert dict((step, (received, clicks)) for step, received, clicks in rows(settings, COUNTED)) == {"hello": (1, 1), "offer": (0, 0)}
    click(settings, str(customer), second + timedelta(hours=20), "win_back")  # type: ignore[operator]
    build_stages(settings, ["measurement"], days[9])
    assert dict((step, (received, clicks)) for step, received, clicks in rows(settings, COUNTED)) == {"hello": (1, 1), "offer": (1, 1)}


def test_our_own_mails_that_come_back_as_a_tools_mailing_are_counted_once(
    backfilled: Settings, copy_of, build_stages, days: list[date], rows: Rows
) -> None:
    settings = copy_of(backfilled)
    ((customer, first, _),) = rows(settings, TWICE)
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute(
            """
            insert into profile.fct_past_mailings by name
            select 'm1' as past_mailing_id, 'klaviyo' as source, ? as customer_id, ?::timestamp as occurred_at, ?::timestamp as known_at,
                ?::timestamp as contacted_at, 'win_back' as campaign, 'Win back' as campaign_name, 'a' as variant, false as is_holdout
            """,
            [customer, first, first, first],
        )
    before = rows(settings, "select campaign, step, sum(sent) from measurement.campaign_results group by all order by all")
    click(settings, str(customer), first + timedelta(hours=20), "win_back")  # type: ignore[operator]
    build_stages(settings, ["measurement"], days[9])
    assert rows(settings, "select campaign, step, sum(sent) from measurement.campaign_results group by all order by all") == before
    assert ("hello", 1, 1) in rows(settings, COUNTED)


def test_who_became_another_customer_since_is_found_with_what_they_bought(
    backfilled: Settings, copy_of, build_stages, days: list[date], rows: Rows
) -> None:
    """A guest is mailed and merges into the customer that another record had made before: the order is theirs."""
    settings = copy_of(backfilled)
    ((customer, first, _),) = rows(settings, TWICE)
    ((source, record),) = rows(
        settings, "select source, source_customer_id from identity.customer_links where customer_id = ? order by all limit 1", customer
    )
    with Warehouse(settings.warehouse).transaction() as connection:
        connection.execute("update campaigns.contact_history set customer_id = 'c_guest' where customer_id = ?", [customer])
        connection.execute(
            """
            insert into identity.customer_links by name
            select 'c_guest' as customer_id, ? as source, ? as source_customer_id, 'first record' as rule, ?::timestamp as valid_from,
                ?::timestamp as valid_to
            """,
            [source, record, first - timedelta(days=1), first + timedelta(hours=1)],  # type: ignore[operator]
        )
    build_stages(settings, ["measurement"], days[9])
    contacts = rows(
        settings, "select count(*) from measurement.campaign_contacts where campaign = 'win_back' and customer_id = ?", customer
    )
    assert contacts == [(2,)]
