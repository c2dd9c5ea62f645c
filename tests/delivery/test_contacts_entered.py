"""Who is entered as mailed or held out: of both who passes the gate, and of those mailed whom one of the campaign's tools could take."""

from datetime import date

import pyarrow as pa
import pytest

from dagster_project.delivery.assets import log_contacts
from dagster_project.delivery.exports import ExportRun
from dagster_project.delivery.feeds import Day, Feed, Gate
from dagster_project.resources import Store
from dagster_project.settings import Settings

PEOPLE = {"ann": "send", "bob": "send", "cleo": "send", "dan": "holdout", "eve": "holdout"}


@pytest.fixture
def day(bare: Settings) -> Day:
    """A day on which bob and eve have taken their consent back between decision and delivery."""
    store = Store.of(bare)
    store.open()
    moment = store.shop.moment(date(2026, 3, 1))
    with store.warehouse.transaction() as connection:
        connection.execute("create table campaigns.campaign_decisions as select * from campaigns.contact_history")
        for customer, decision in PEOPLE.items():
            connection.execute(
                "insert into campaigns.campaign_decisions values (?, 'win_back', 'hello', 'a', ?, ?, ?)",
                [moment.as_of, customer, decision, moment.as_of],
            )
    gate = Gate(frozenset({"ann", "cleo", "dan"}), frozenset(), None)
    return Day(store.warehouse, store.shop, store.settings, moment, gate)


def entered(day: Day, **refused: set[str]) -> set[str]:
    """Who is in the history after a delivery to these tools, each with whom it could not take."""
    feed = Feed("win_back", "campaign", "Mails.", day.moment.as_of, pa.table({"external_id": list(PEOPLE)}), "external_id")
    runs = [(feed, tool, ExportRun("run", None, 3, True, frozenset(people))) for tool, people in refused.items()]
    with day.warehouse.transaction() as connection:
        log_contacts(connection, day, runs)
    return {customer for (customer,) in day.warehouse.rows("select customer_id from campaigns.contact_history")}


def test_mailed_and_held_out_pass_the_same_gate(day: Day) -> None:
    assert entered(day, generic=set()) == {"ann", "cleo", "dan"}


def test_whom_no_tool_could_take_is_not_mailed_and_whom_one_took_is(day: Day) -> None:
    assert entered(day, klaviyo={"ann", "cleo"}, mailchimp={"cleo"}) == {"ann", "dan"}


def test_a_campaign_that_goes_nowhere_enters_nobody(day: Day) -> None:
    assert entered(day) == set()


def test_a_second_run_leaves_whom_the_first_one_mailed(day: Day) -> None:
    assert entered(day, generic=set()) == {"ann", "cleo", "dan"}
    assert entered(day, generic={"ann"}) == {"ann", "cleo", "dan"}
    ((rows,),) = day.warehouse.rows("select count(*) from campaigns.contact_history")
    assert rows == 3


def test_whom_a_second_run_mails_is_held_out_no_more_and_whom_the_first_mailed_stays_mailed(day: Day) -> None:
    entered(day, generic=set())
    with day.warehouse.transaction() as connection:
        connection.execute("update campaigns.campaign_decisions set decision = case customer_id when 'dan' then 'send' else 'holdout' end")
    entered(day, generic=set())
    decided = day.warehouse.rows("select customer_id, decision from campaigns.contact_history order by customer_id")
    assert decided == [("ann", "send"), ("cleo", "send"), ("dan", "send")]
