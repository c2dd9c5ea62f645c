"""The whole demo shop as drawn, before any system writes it down."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from simulator.baskets import Purchases, fill_baskets
from simulator.behaviour import STORE, Life, draw_life, draw_visits, join_visits
from simulator.browsing import Browsing, draw_browsing
from simulator.campaigns import Campaign, Sends, plan_campaigns, send_campaigns
from simulator.carts import Carts, draw_carts
from simulator.catalogue import Catalogue, build_catalogue
from simulator.clock import Clock, stream
from simulator.consent import Consents, draw_consents
from simulator.people import People, build_people
from simulator.records import Records, draw_records, reachable_from


@dataclass(frozen=True)
class Shop:
    """Everything that truly happened, in the order in which the parts depend on each other.

    `owners` is the shop's customer record of each purchase, -1 for guests and store purchases.
    """

    seed: int
    clock: Clock
    catalogue: Catalogue
    people: People
    life: Life
    records: dict[str, Records]
    consents: Consents
    campaigns: tuple[Campaign, ...]
    sends: Sends
    purchases: Purchases
    owners: np.ndarray
    carts: Carts
    browsing: Browsing


def draw_shop(customers: int, months: int, days: int, seed: int, last_day: date) -> Shop:
    """Draws a shop; the same arguments draw the same shop.

    Raises ValueError when the arguments leave no room for people or history.
    """
    if customers < 50:
        raise ValueError("a demo shop needs at least 50 customers")
    clock = Clock(last_day, months, days)
    catalogue = build_catalogue(clock, seed)
    people = build_people(clock, catalogue, seed, customers)
    life = draw_life(clock, people, seed)
    records = draw_records(clock, people, life, seed)
    campaigns = plan_campaigns(clock)
    sends, consents, caused = send_campaigns(
        clock, campaigns, people, life, draw_consents(clock, people, seed), reachable_from(people, records["klaviyo"]), seed
    )
    visits = join_visits([draw_visits(clock, people, life, seed), caused])
    purchases = fill_baskets(clock, people, catalogue, visits, tuple(campaign.code for campaign in campaigns), seed)
    accounts = records["shopify"]
    owners = order_owners(purchases, accounts, seed)
    carts = draw_carts(clock, people, catalogue, purchases, life, seed)
    browsing = draw_browsing(clock, people, catalogue, life, accounts, owners, purchases, carts, sends, campaigns, seed)
    return Shop(seed, clock, catalogue, people, life, records, consents, campaigns, sends, purchases, owners, carts, browsing)


def order_owners(purchases: Purchases, accounts: Records, seed: int) -> np.ndarray:
    """The customer record each purchase was made with: -1 for guests, store purchases and people without an account."""
    visits = purchases.visits
    owner = accounts.owner_at(visits.person, visits.at, stream(seed, "order owners").random(len(visits.person)))
    return np.where(purchases.guest | (visits.channel == STORE), -1, owner)
