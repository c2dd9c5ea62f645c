"""Checkouts that were begun and left: some became an order hours later, most did not."""

from dataclasses import dataclass

import numpy as np

from simulator.baskets import Purchases, draw_products, draw_variants
from simulator.behaviour import STORE, Life, draw_moments
from simulator.catalogue import Catalogue
from simulator.clock import DAY, NEVER, Clock, local_days, stream
from simulator.people import People


@dataclass(frozen=True)
class Carts:
    """One entry per checkout that was begun and left; `line_*` its lines. `completed_at` is the order's moment or `NEVER`.

    `order` is the number of the purchase it became, or -1.
    """

    person: np.ndarray
    at: np.ndarray
    completed_at: np.ndarray
    order: np.ndarray
    line_cart: np.ndarray
    line_variant: np.ndarray
    line_quantity: np.ndarray
    first_line: np.ndarray


def draw_carts(
    clock: Clock, people: People, catalogue: Catalogue, purchases: Purchases, life: Life, seed: int, window_days: int = 180
) -> Carts:
    """Left carts of the last `window_days` days: some became an order hours later, most did not."""
    rng = stream(seed, "carts")
    begin = max(clock.start, clock.end - window_days * DAY)
    recent = np.flatnonzero(
        (purchases.visits.at >= begin + 3 * DAY) & (purchases.visits.at < clock.end) & (purchases.visits.channel != STORE)
    )
    recovered = recent[rng.random(len(recent)) < 0.11]
    lead = rng.integers(1800, 50 * 3600, len(recovered))
    rate = people.column("web_rate") * 0.13 * (0.4 + people.column("discount_love"))
    active = (life.drops_at > begin) & (people.column("arrived_at") < clock.end)
    counts = rng.poisson(rate * active * (clock.end - begin) / (30 * DAY))
    who = np.repeat(np.arange(len(people)), counts)
    open_from = np.maximum(people.column("arrived_at")[who], begin)
    open_until = np.maximum(np.minimum(life.drops_at[who], clock.end), open_from + 3600)
    day = local_days(open_from + (rng.random(len(who)) * (open_until - open_from)).astype(np.int64))
    at = np.maximum(draw_moments(people, who, day, rng), open_from + 60)
    keep = at < clock.end
    who, at = who[keep], at[keep]

    person = np.concatenate((purchases.visits.person[recovered], who))
    begun = np.maximum(purchases.visits.at[recovered] - lead, people.column("arrived_at")[purchases.visits.person[recovered]] + 60)
    moment = np.concatenate((begun, at))
    completed = np.concatenate((purchases.visits.at[recovered], np.full(len(who), NEVER)))
    became = np.concatenate((recovered, np.full(len(who), -1)))
    sort = np.lexsort((person, moment))
    person, moment, completed, became = person[sort], moment[sort], completed[sort], became[sort]

    count = len(person)
    lines = 1 + rng.poisson(0.7, count)
    cart = np.repeat(np.arange(count), lines)
    product = draw_products(people, catalogue, person[cart], moment[cart], np.full(len(cart), -1), rng.random(len(cart)))
    variant = draw_variants(people, catalogue, person[cart], product, rng.random(len(cart)))
    quantity = np.minimum(rng.geometric(0.85, len(cart)), 4)
    # A recovered cart holds what was bought.
    own = np.flatnonzero(became[cart] < 0)
    last_line = np.append(purchases.first_line[1:], len(purchases.line_order))
    bought = np.flatnonzero(became >= 0)
    sizes = last_line[became[bought]] - purchases.first_line[became[bought]]
    bought_cart = np.repeat(bought, sizes)
    starts = (
        np.repeat(purchases.first_line[became[bought]] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
        if len(bought)
        else np.array([], dtype=np.int64)
    )
    bought_line = starts + np.arange(len(bought_cart))
    cart = np.concatenate((cart[own], bought_cart))
    variant = np.concatenate((variant[own], purchases.line_variant[bought_line]))
    quantity = np.concatenate((quantity[own], purchases.line_quantity[bought_line]))
    _, kept = np.unique(cart * len(catalogue.variant_sku) + variant, return_index=True)
    cart, variant, quantity = cart[kept], variant[kept], quantity[kept]
    return Carts(person, moment, completed, became, cart, variant, quantity, np.searchsorted(cart, np.arange(count)))
