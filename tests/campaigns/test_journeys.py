"""Journeys that carts begin, night by night: the models of the decisions over small tables."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project.campaigns.campaign import load_campaigns
from dagster_project.campaigns.steps import steps_of
from dagster_project.delivery.assets import CHOSEN, CONTACTED
from dagster_project.settings import SHOPS, TEMPLATES
from dagster_project.shop import Shop, load_shop
from dagster_project.stated_shop import state_shop
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

TABLES = """
create schema profile; create schema segments;
create table profile.fct_carts (
    cart_id varchar, customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp, completed_at timestamp,
    items varchar, url varchar, currency varchar, total_amount decimal(18, 2)
);
create table profile.fct_orders (customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp);
create table profile.dim_customers (
    customer_id varchar, email varchar, email_status varchar, timezone varchar, valid_from timestamp, valid_to timestamp, phone_e164 varchar,
    first_name varchar, last_name varchar, country varchar, region varchar, city varchar, language varchar, membership_tier varchar
);
create schema features;
create table features.customer_features (as_of timestamp, customer_id varchar, favourite_category varchar);
create table profile.customer_permissions (as_of timestamp, customer_id varchar, channel varchar, purpose varchar, is_permitted boolean, is_soft_opt_in boolean);
create table profile.customer_suppressions (as_of timestamp, customer_id varchar, channel varchar);
create table segments.customer_segments (as_of timestamp, customer_id varchar, segment varchar);
"""
Decision = tuple[date, str, str, datetime]


class SmallShop:
    """A store of the tables that decisions read, of a shop with cart recovery and no holdouts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop: Shop = load_shop(SHOPS / "demo").model_copy(update={"holdout": 0.0})
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.warehouse.create()
        (recovery,) = [one for one in load_campaigns(TEMPLATES / "campaigns") if one.slug == "cart_recovery"]
        with self.warehouse.transaction() as connection:
            connection.execute(TABLES)
        state_shop(self.warehouse, self.shop)
        self.warehouse.replace("campaigns.campaign_steps", steps_of([recovery.model_copy(update={"holdout": 0.0})]))

    def customer(self, name: str, timezone: str | None = None) -> None:
        self._insert("profile.dim_customers", name, f"{name}@shop.example", "valid", timezone, datetime(2026, 1, 1), None, *[None] * 8)

    def cart(self, name: str, left_at: datetime, cart_id: str = "", completed_at: datetime | None = None) -> None:
        items = f'[{{"sku": "{cart_id}"}}]'
        self._insert(
            "profile.fct_carts", cart_id or f"{name} {left_at}", name, left_at, left_at, None, completed_at, items, None, "CHF", None
        )

    def nights(self, days: Sequence[date]) -> list[Decision]:
        """Decide the nights after these days: day, step, reason and the cart's moment, of each decision."""
        for day in days:
            moment = self.shop.moment(day)
            self.warehouse.write_run_days([moment], [])
            with self.warehouse.transaction() as connection:
                permitted = "insert into profile.customer_permissions select ?, customer_id, 'email', 'marketing', true, customer_id = 'buyer' from profile.dim_customers"
                connection.execute(permitted, [moment.as_of])
            self.build("campaign_decisions")
            with self.warehouse.transaction() as connection:
                connection.register("chosen", connection.execute(CHOSEN, [moment.as_of, ["cart_recovery"]]).to_arrow_table())
                connection.execute(CONTACTED)
        decided = self.warehouse.rows("select as_of, step, reason, began_at from campaigns.campaign_decisions order by all")
        return [(day_after(as_of), step, reason, began_at) for as_of, step, reason, began_at in decided]

    def shown(self, column: str) -> list[tuple[str, Any]]:
        """What the mails of the newest night show, by customer."""
        self.build("recipients")
        return self.warehouse.rows(f"select customer_id, {column} from campaigns.recipients order by customer_id")

    def build(self, model: str) -> None:
        arguments = ["run", "--select", model]
        dbt_build.invoke(self.warehouse.path, 2, self.folder / "target", arguments, dbt_build.parse().manifest.deepcopy())

    def _insert(self, table: str, *values: Any) -> None:
        with self.warehouse.transaction() as connection:
            connection.execute(f"insert into {table} values ({', '.join('?' * len(values))})", list(values))


def day_after(as_of: datetime) -> date:
    return (as_of + timedelta(hours=2)).date()


@pytest.fixture
def small_shop(tmp_path: Path) -> SmallShop:
    return SmallShop(tmp_path)


def march(first: int, last: int) -> list[date]:
    return [date(2026, 3, day) for day in range(first, last + 1)]


def test_a_second_cart_two_days_later_waits_for_the_first_ones_journey_and_begins_its_own(small_shop: SmallShop) -> None:
    first, second = datetime(2026, 3, 2, 9), datetime(2026, 3, 4, 9)
    small_shop.customer("ann")
    small_shop.cart("ann", first)
    small_shop.cart("ann", second)
    assert small_shop.nights(march(2, 5)) == [
        (date(2026, 3, 3), "reminder", "all gates open", first),
        (date(2026, 3, 4), "similar", "all gates open", first),
        (date(2026, 3, 5), "code", "all gates open", first),
        (date(2026, 3, 6), "reminder", "cap reached", second),
    ]


def test_of_two_carts_of_one_moment_the_mail_shows_the_one_that_began_the_journey(small_shop: SmallShop) -> None:
    left_at = datetime(2026, 3, 2, 9)
    small_shop.customer("ann")
    small_shop.customer("bob")
    for name, bought in (("ann", "a"), ("bob", "b")):
        for cart_id in ("a", "b"):
            small_shop.cart(name, left_at, f"{name} {cart_id}", left_at + timedelta(hours=1) if cart_id == bought else None)
    small_shop.nights(march(2, 2))
    decided = "select customer_id, reason from campaigns.campaign_decisions order by all"
    assert small_shop.warehouse.rows(decided) == [("ann", "left the audience"), ("bob", "all gates open")]
    assert small_shop.shown("cart_items") == [("bob", '[{"sku": "bob a"}]')]


def test_a_cart_of_the_first_hour_of_a_long_day_is_not_forgotten(small_shop: SmallShop) -> None:
    """The day the clocks go back has 25 hours."""
    left_at = datetime(2026, 10, 24, 22, 30)
    small_shop.customer("ann")
    small_shop.cart("ann", left_at)
    assert small_shop.nights([date(2026, 10, 25)]) == [(date(2026, 10, 26), "reminder", "all gates open", left_at)]


def test_nobody_is_to_be_sent_to_before_the_mail_is_made(small_shop: SmallShop) -> None:
    """The shop's hour is 10, its files come at 5:00 UTC, six hours after its day ends."""
    for name, timezone in (("home", None), ("tokyo", "Asia/Tokyo"), ("kiritimati", "Pacific/Kiritimati"), ("denver", "America/Denver")):
        small_shop.customer(name, timezone)
        small_shop.cart(name, datetime(2026, 3, 2, 9))
    small_shop.nights(march(2, 2))
    assert small_shop.shown("send_at") == [
        ("denver", datetime(2026, 3, 3, 17)),
        ("home", datetime(2026, 3, 3, 9)),
        ("kiritimati", datetime(2026, 3, 3, 20)),
        ("tokyo", datetime(2026, 3, 4, 1)),
    ]


def test_a_night_not_built_takes_no_step_away_and_the_steps_stay_in_order(small_shop: SmallShop) -> None:
    left_at = datetime(2026, 3, 2, 9)
    small_shop.customer("ann")
    small_shop.cart("ann", left_at)
    assert small_shop.nights(march(3, 6)) == [
        (date(2026, 3, 4 + number), step, "all gates open", left_at) for number, step in enumerate(["reminder", "similar", "code"])
    ]


def test_a_mail_knows_what_permits_it_and_in_what_its_cart_is_priced(small_shop: SmallShop) -> None:
    for name in ("ann", "buyer"):
        small_shop.customer(name)
        small_shop.cart(name, datetime(2026, 3, 2, 9))
    small_shop.nights(march(2, 2))
    assert small_shop.shown("concat_ws(' ', permission, cart_currency)") == [("ann", "consent CHF"), ("buyer", "purchase CHF")]
