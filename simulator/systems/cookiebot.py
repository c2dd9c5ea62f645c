"""Cookiebot's consent log (CSV): one row per answer to the banner, times in UTC."""

import numpy as np

from simulator.browsing import DEVICES
from simulator.clock import DAY, NEVER, local_texts, stream
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.names import COUNTRIES
from simulator.shop import Shop
from simulator.systems.ga4 import pseudo_ids

CONSENTS = Table(
    "cookiebot",
    "consents",
    "csv",
    columns=("Key", "Consent date", "necessary", "preferences", "statistics", "marketing", "URL", "Country", "user_pseudo_id"),
    breaks=(
        set_to("missing id", "Key", ""),
        set_to("unparsable date", "Consent date", "01/13/26 26:00"),
        set_to("unknown answer", "marketing", "perhaps"),
    ),
)


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `cookiebot/consents`: each web browser answers at its first visit, a few answer anew later."""
    browsing = shop.browsing
    first = np.full(len(browsing.browser_code), NEVER)
    np.minimum.at(first, browsing.session_browser, browsing.session_start)
    web = np.array([DEVICES[number][3] == "WEB" for number in browsing.browser_device])
    browsers = np.flatnonzero((first < shop.clock.end) & web)
    rng = stream(shop.seed, "cookiebot")
    again = browsers[rng.random(len(browsers)) < 0.03]
    browser = np.concatenate((browsers, again))
    at = np.concatenate((first[browsers] + 3, first[again] + rng.integers(DAY, 40 * DAY, len(again))))
    answers = rng.random((len(browser), 3)) < (0.75, 0.93, 0.55)
    keys = rng.integers(0, 1 << 60, len(browser))
    ids, people = pseudo_ids(shop), shop.people
    owner = browsing.browser_owner[browser]
    country = people.column("country")[np.where(owner >= 0, owner, browser % len(people))]

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = local_texts(at[items], "UTC")
        return [
            {
                "Key": f"{keys[number]:015x}-cb",
                "Consent date": str(texts[place]),
                "necessary": "true",
                "preferences": str(bool(answers[number, 0])).lower(),
                "statistics": str(bool(answers[number, 1])).lower(),
                "marketing": str(bool(answers[number, 2])).lower(),
                "URL": "https://shop.example/",
                "Country": COUNTRIES[country[number]]["name"],
                "user_pseudo_id": ids[browser[number]],
            }
            for place, number in enumerate(items)
        ]

    extracts.put(CONSENTS, np.arange(len(browser)), at, render)
