"""A small simulated shop with every system, from extracts to features, against the truth that the simulator wrote apart."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dagster_project.settings import SHOPS, Settings, load
from simulator import generate

pytestmark = pytest.mark.whole

LAST_DAY = date(2026, 3, 14)
STAGES = ("sources", "staging", "identity", "profile", "features")
Ask = Callable[[str], list[tuple[Any, ...]]]

# Truth's records with the customer that each is linked to now: person_id, customer_id, system. A guest's order is a record of its address.
RECORDS = """
with truth as (
    select person_id, system, source_record_id as record from '{truth}/people.parquet' where "table" not in ('orders', 'receipts')
    union all
    select people.person_id, 'shopify' as system, orders.source_customer_id as record
    from '{truth}/people.parquet' as people
    inner join staging.stg_shopify__orders as orders on people."table" = 'orders' and people.source_record_id = orders.order_id
    where orders.source_customer_id like 'guest:%'
)
select distinct truth.person_id, links.customer_id, truth.system, truth.record
from truth inner join identity.customer_links as links
    on truth.system = links.source and truth.record = links.source_customer_id and links.valid_to is null
"""


def demo_like(folder: Path) -> Path:
    """A shop with every system of the demo shop and three daily pulls."""
    demo = yaml.safe_load((SHOPS / "demo" / "shop.yaml").read_text())
    for source in demo["sources"].values():
        source["history_until"] = datetime(2026, 3, 11, 23)
    (folder / "tiny").mkdir(parents=True)
    small = {**demo, "name": "tiny", "first_day": date(2026, 3, 12), "models": [], "generator": None}
    (folder / "tiny" / "shop.yaml").write_text(yaml.safe_dump(small))
    (folder / "tiny" / "brand.yaml").write_bytes((SHOPS / "demo" / "brand.yaml").read_bytes())
    return folder / "tiny"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, build_stages: Callable[..., Settings]) -> Settings:
    """The shop's last day, built up to the features with every data test of the models on the way."""
    folder = tmp_path_factory.mktemp("simulated")
    settings = load({"DEARLY_HOME": str(folder / "home")}, shop=str(demo_like(folder / "shops")))
    generate(settings.store / "raw", customers=300, months=6, days=3, seed=7)
    return build_stages(settings, STAGES, LAST_DAY)


@pytest.fixture(scope="module")
def ask(built: Settings) -> Iterator[Ask]:
    """Ask the store, with the truth's files at {truth} and its records as `records`."""
    truth = built.store / "raw" / "truth"
    with duckdb.connect(built.warehouse, read_only=True) as connection:
        connection.execute(f"create temp table records as {RECORDS.format(truth=truth)}")
        yield lambda sql: connection.execute(sql.format(truth=truth)).fetchall()


def test_few_people_are_split_and_hardly_any_are_mixed(ask: Ask) -> None:
    ((people, whole, mixed, customers),) = ask(
        """
        select
            (select count(distinct person_id) from records),
            (select count(*) from (select person_id from records group by 1 having count(distinct customer_id) = 1)),
            (select count(*) from (select customer_id from records group by 1 having count(distinct person_id) > 1)),
            (select count(distinct customer_id) from records)
        """
    )
    assert people > 250
    assert whole / people > 0.85
    assert mixed / customers < 0.02


def test_guests_are_linked_by_the_address_of_their_order(ask: Ask) -> None:
    ((guests, linked),) = ask(
        """
        select count(*), count(*) filter (where exists (
            select 1 from records as others
            where others.customer_id = records.customer_id and others.person_id = records.person_id and others.record not like 'guest:%'
        ))
        from records where record like 'guest:%'
        """
    )
    assert guests > 10
    assert linked / guests > 0.6


def test_a_browser_is_that_of_whoever_signed_in_in_it_and_of_nobody_else(ask: Ask) -> None:
    rows = ask(
        """
        with
        browsers as (
            select user_pseudo_id, min(person_id) as person_id, count(distinct person_id) as people from '{truth}/browsers.parquet' group by 1
        ),
        owners as (select customer_id, min(person_id) as person_id from records group by 1 having count(distinct person_id) = 1)
        select browsers.people, count(*), count(links.customer_id), count(*) filter (where owners.person_id <> browsers.person_id)
        from browsers
        left join identity.customer_links as links
            on links.source = 'ga4' and links.source_customer_id = browsers.user_pseudo_id and links.valid_to is null
        left join owners on links.customer_id = owners.customer_id
        group by 1 order by 1
        """
    )
    found = {people: (count, linked, wrong) for people, count, linked, wrong in rows}
    assert found[0][0] > 50
    assert found[0][1] == 0
    assert found[1][1] / found[1][0] > 0.5
    assert found[1][2] <= 0.01 * found[1][1]


def test_a_page_opened_seconds_after_a_click_in_a_mail_is_the_clickers(ask: Ask) -> None:
    ((ties, right, alone),) = ask(
        """
        with
        people as (select system || ':' || source_record_id as record_id, person_id from '{truth}/people.parquet'),
        ties as (select * from identity.browser_users where rule = 'clicked a mail there')
        select
            count(*),
            count(*) filter (where exists (
                select 1 from '{truth}/browsers.parquet' as browsers
                where browsers.user_pseudo_id = ties.browser_id and browsers.person_id = people.person_id
            )),
            count(*) filter (where ties.browser_id not in (select browser_id from identity.browser_users where rule <> 'clicked a mail there'))
        from ties left join people on ties.record_id = people.record_id
        """
    )
    assert ties > 10
    assert right == ties
    assert alone > 0


def test_a_persons_first_visit_is_theirs_though_they_were_unknown_then(ask: Ask) -> None:
    """Views before the first sign-in of a browser that one person uses belong to that person now, and to nobody as it was known then."""
    ((before, theirs),) = ask(
        """
        with signed as (
            select browser_id, min(occurred_at) as at from profile.fct_web_events
            where login_id is not null and superseded_at is null group by browser_id
        ),
        owned as (
            select source_customer_id as browser_id, customer_id from identity.customer_links where source = 'ga4' and valid_to is null
        )
        select count(*), count(*) filter (where events.customer_id = owned.customer_id)
        from profile.fct_web_events as events
        inner join signed on events.browser_id = signed.browser_id and events.occurred_at < signed.at
        inner join owned on events.browser_id = owned.browser_id
        where events.superseded_at is null and events.login_id is null
        """
    )
    assert before > 50
    assert theirs == before


def test_every_field_of_a_customer_says_which_record_it_is_from(ask: Ask) -> None:
    ((fields, same),) = ask(
        """
        select count(*), count(*) filter (where fields.value is not distinct from customers.email)
        from profile.customer_fields as fields inner join profile.current_customers as customers using (as_of, customer_id)
        where fields.field = 'email'
        """
    )
    assert fields > 200
    assert same == fields
    assert ask("select count(*) from profile.customer_fields where source is null or stated_at is null") == [(0,)]
    asked = dict(ask("select field, count(*) from profile.next_questions group by 1"))
    assert set(asked) <= {"email", "birth_date", "interests", "preferences", "postal_code", "language", "phone_e164"}
    ((unasked,),) = ask(
        """
        select count(*) from profile.current_customers as customers
        where birth_year is null and customer_id not in (select customer_id from profile.next_questions)
        """
    )
    assert unasked == 0


def test_an_unidentified_browser_is_no_customer(ask: Ask) -> None:
    assert ask("select count(*) from identity.customer_links where customer_id is null") == [(0,)]
    ((anonymous, customers),) = ask(
        """
        select
            (select count(*) from profile.fct_web_events where customer_id is null and superseded_at is null),
            (select count(distinct customer_id) from profile.dim_customers where valid_to is null)
        """
    )
    assert anonymous > 1000
    assert customers < 300 * 1.3


def test_an_event_before_the_sign_in_is_somebodys_only_from_then_on(ask: Ask) -> None:
    ((before, overlapping),) = ask(
        """
        select count(*), count(*) filter (where nobody.superseded_at is distinct from somebody.known_at)
        from profile.fct_web_events as nobody inner join profile.fct_web_events as somebody using (web_event_id)
        where nobody.customer_id is null and somebody.customer_id is not null and nobody.known_at < somebody.known_at
            and somebody.superseded_at is null
        """
    )
    assert before > 100
    assert overlapping == 0


def test_nobody_is_permitted_who_did_not_consent(ask: Ask) -> None:
    rows = ask(
        """
        with owners as (select customer_id, min(person_id) as person_id from records group by 1 having count(distinct person_id) = 1)
        select permissions.purpose, consents.given_at_last_pull, count(*)
        from owners
        inner join '{truth}/consents.parquet' as consents using (person_id)
        inner join profile.current_permissions as permissions
            on owners.customer_id = permissions.customer_id and consents.channel = permissions.channel and permissions.is_permitted
            and permissions.purpose = case when consents.purpose like 'marketing_%' then 'marketing'
                when consents.purpose = 'third_party_sharing' then 'third_party' else consents.purpose end
        -- A withdrawal that no extract has brought yet nobody can know of.
        where consents.until_at is null or consents.given_at_last_pull or consents.until_at in (
            select cast(interaction_date as timestamptz) at time zone 'UTC' from sources.consent__receipts where transaction_type = 'WITHDRAWN'
        )
        group by all
        """
    )
    permitted = {(purpose, given): count for purpose, given, count in rows}
    assert [key for key in permitted if not key[1]] == []
    assert permitted["marketing", True] > 100
    assert permitted["profiling", True] > 100


def test_whoever_bounced_for_good_is_suppressed(ask: Ask) -> None:
    ((bounced, suppressed),) = ask(
        """
        with bounced as (
            select distinct customer_id from profile.fct_email_events
            where event = 'bounced' and bounce_type = 'hard' and customer_id is not null and superseded_at is null
        )
        select count(*), count(*) filter (where customer_id in (select customer_id from profile.customer_suppressions)) from bounced
        """
    )
    assert bounced > 0
    assert suppressed == bounced


def test_store_purchases_sum_to_the_penny_and_the_tills_card_is_nobodys(ask: Ask) -> None:
    ((ours, theirs),) = ask(
        """
        select
            (select sum(net_amount) from profile.fct_orders where channel = 'store' and superseded_at is null),
            (select sum(cast(total as decimal(18, 2))) from sources.pos__receipts)
        """
    )
    assert ours == theirs > 0
    assert ask("select count(*) from sources.pos__receipts where loyalty_card = 'LC00000000'")[0][0] > 0
    assert ask("select count(*) from identity.customer_links where source_customer_id = 'LC00000000'") == [(0,)]


def test_online_orders_sum_to_the_truth(ask: Ask) -> None:
    ((ours, theirs),) = ask(
        """
        with known as (select order_id, net_amount from profile.fct_orders where source = 'shopify' and superseded_at is null)
        select
            (select sum(net_amount) from known)
            - (select sum(net_amount) from profile.fct_returns where superseded_at is null and order_id in (select order_id from known)),
            (select sum(net_cents) from '{truth}/purchases.parquet' where source_record_id in (select order_id from known)) / 100.0
        """
    )
    assert float(ours) == pytest.approx(float(theirs), abs=0.005)


def test_a_cart_is_left_until_it_is_completed(ask: Ask) -> None:
    ((completed, as_left),) = ask(
        """
        select count(*), count(*) filter (where exists (
            select 1 from profile.fct_carts as left_then
            where left_then.cart_id = carts.cart_id and left_then.completed_at is null and left_then.known_at < carts.completed_at
        ))
        from profile.fct_carts as carts
        where carts.completed_at is not null and carts.superseded_at is null
        """
    )
    assert completed > 5
    assert as_left > completed // 2


def test_past_mailings_keep_the_groups_that_were_drawn(ask: Ask) -> None:
    ((assigned, held_out, variants),) = ask(
        """
        select count(*), count(*) filter (where is_holdout), count(distinct variant) from profile.fct_past_mailings where superseded_at is null
        """
    )
    assert 0.05 < held_out / assigned < 0.15
    assert variants == 2


def test_features_are_only_of_those_who_permit_profiling(ask: Ask) -> None:
    for table in ("customer_features", "order_features", "web_features", "email_features", "affinity_features"):
        ((rows, unpermitted),) = ask(
            f"""
            select count(*), count(*) filter (where not exists (
                select 1 from profile.customer_permissions as permissions
                where permissions.as_of = features.as_of and permissions.customer_id = features.customer_id
                    and permissions.channel = 'email' and permissions.purpose = 'profiling' and permissions.is_permitted
            ))
            from features.{table} as features
            """
        )
        assert rows > 50
        assert unpermitted == 0


def test_web_and_email_features_are_what_plain_sql_over_the_facts_says(ask: Ask) -> None:
    wrong = ask(
        """
        with
        expected as (
            select
                customer_id,
                count(distinct session_id) filter (where occurred_at >= timestamp '2026-02-12 23:00') as sessions,
                count(*) filter (where event = 'view_item' and occurred_at >= timestamp '2026-03-07 23:00') as views
            from profile.fct_web_events
            where occurred_at < timestamp '2026-03-14 23:00' and superseded_at is null and customer_id is not null
            group by customer_id
        )
        select features.customer_id from features.web_features as features inner join expected using (customer_id)
        where features.sessions_30d_count <> expected.sessions or features.product_views_7d_count <> expected.views
        """
    )
    assert wrong == []
    ((opened, wrong_hours),) = ask(
        "select count(*) filter (where emails_opened_90d_count > 0), count(*) filter (where usual_open_hour not between 0 and 23) "
        "from features.email_features"
    )
    assert opened > 30
    assert wrong_hours == 0


def test_an_order_of_which_nothing_was_kept_is_no_kept_one(ask: Ask) -> None:
    ((differing, all_back, customers),) = ask(
        """
        with
        orders as (
            select orders.customer_id, orders.net_amount > coalesce(sum(returns.net_amount), 0) as is_kept
            from profile.fct_orders as orders
            left join profile.fct_returns as returns
                on orders.order_id = returns.order_id and returns.occurred_at < timestamp '2026-03-14 23:00' and returns.superseded_at is null
            where orders.occurred_at < timestamp '2026-03-14 23:00' and orders.superseded_at is null and orders.net_amount > 0
            group by orders.order_id, orders.customer_id, orders.net_amount
        ),
        expected as (select customer_id, count(*) filter (where is_kept) as kept, count(*) as orders from orders group by customer_id)
        select
            count(*) filter (where features.kept_orders_count <> coalesce(expected.kept, 0)),
            count(*) filter (where features.kept_orders_count < features.orders_count),
            count(*)
        from features.customer_features as features left join expected using (customer_id)
        where features.as_of = timestamp '2026-03-14 23:00'
        """
    )
    assert differing == 0
    assert 0 < all_back < customers / 2


def test_the_favourite_category_is_the_true_one_twice_as_often_as_the_shops_own(ask: Ask) -> None:
    ((known, right, most_liked),) = ask(
        """
        with
        owners as (select customer_id, min(person_id) as person_id from records group by 1 having count(distinct person_id) = 1),
        compared as (
            select features.favourite_category as found, customers.favourite_category as true_one
            from features.affinity_features as features
            inner join owners using (customer_id)
            inner join '{truth}/customers.parquet' as customers using (person_id)
        )
        select
            count(*),
            count(*) filter (where found = true_one),
            (select max(people) from (select count(*) as people from compared group by true_one))
        from compared
        """
    )
    assert known > 50
    assert right > 2 * most_liked
