"""Writes a demo shop: the vendors' extracts, and the truth apart from them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from simulator.dirt import Row
from simulator.extracts import Extracts
from simulator.shop import Shop, draw_shop
from simulator.systems import (
    accounts,
    articles,
    consent,
    cookiebot,
    enrichment,
    ga4,
    hubspot,
    klaviyo_campaigns,
    klaviyo_events,
    klaviyo_profiles,
    pos,
    shopify_apps,
    shopify_catalogue,
    shopify_checkouts,
    shopify_customers,
    shopify_orders,
)
from simulator.truth import write_truth

# The longest first, so that two processes end at about the same time.
SYSTEMS = (
    shopify_orders,
    ga4,
    klaviyo_events,
    klaviyo_campaigns,
    hubspot,
    consent,
    shopify_checkouts,
    shopify_customers,
    shopify_apps,
    shopify_catalogue,
    klaviyo_profiles,
    cookiebot,
    accounts,
    pos,
    enrichment,
    articles,
)


def generate(
    out: Path,
    customers: int = 5000,
    months: int = 24,
    days: int = 14,
    seed: int = 7,
    last_day: date = date(2026, 3, 14),
    processes: int = 1,
) -> None:
    """Writes `out/extracts/<system>/<table>/…` and `out/truth/…`; the same arguments write the same bytes.

    `customers` are real people, `months` the span that ends with `last_day`, `days` how many of its last days come as
    daily extracts. With several `processes` this one is forked, so it should have no threads of its own. Raises ValueError
    for arguments that leave no room, FileExistsError when `out` holds extracts.
    """
    if (out / "extracts").exists():
        raise FileExistsError(f"{out / 'extracts'} exists: give an empty folder")
    shop = draw_shop(customers, months, days, seed, last_day)
    incidents = [row for written in write_systems(shop, out / "extracts", seed, processes) for row in written]
    write_truth(shop, incidents, out / "truth")


def write_systems(shop: Shop, root: Path, seed: int, processes: int) -> Iterator[list[Row]]:
    """The incidents of each system, in the order of SYSTEMS. A system draws from streams of its own, so the bytes are those of one after another."""
    global _write
    # Known by name here, and so to each fork: a shop is too large to be sent.
    _write = partial(write_system, shop, root, seed)
    if processes == 1:
        yield from map(_write, range(len(SYSTEMS)))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        yield from pool.map(_written, range(len(SYSTEMS)))


def write_system(shop: Shop, root: Path, seed: int, number: int) -> list[Row]:
    extracts = Extracts(root, shop.clock, seed)
    SYSTEMS[number].write(shop, extracts)
    return extracts.incidents


def _written(number: int) -> list[Row]:
    return _write(number)


_write: Callable[[int], list[Row]]
