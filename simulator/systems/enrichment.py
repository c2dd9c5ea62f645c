"""Bought-in knowledge about persons (CSV, by e-mail): region, urbanity, household, interests, values, income band."""

import numpy as np

from simulator.clock import DAY, local_texts, stream
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.shop import Shop

PERSONS = Table(
    "enrichment",
    "persons",
    "csv",
    columns=(
        "email",
        "region",
        "urbanity",
        "household_size",
        "has_children",
        "interests",
        "values",
        "social_activity",
        "income_band",
        "updated_at",
    ),
    breaks=(
        set_to("missing id", "email", ""),
        set_to("unparsable date", "updated_at", "Q1 2026"),
        set_to("negative quantity", "household_size", "-3"),
    ),
    quiet=True,
    late=False,
)
BANDS = ("under 20k", "20k-40k", "40k-60k", "60k-100k", "over 100k")


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `enrichment/persons`: about 60 % of the people, delivered once a week."""
    people, clock = shop.people, shop.clock
    rng = stream(shop.seed, "enrichment")
    known = np.flatnonzero(rng.random(len(people)) < 0.6)
    week = 7 * DAY
    arrived = people.column("arrived_at")[known]
    at = clock.opening + ((arrived - clock.opening) // week + 1) * week - 20 * 3600
    social = np.array(["low", "medium", "high"], dtype=object)[rng.choice(3, len(known), p=(0.4, 0.4, 0.2))]
    income = np.clip(people.column("price_level")[known] + rng.integers(0, 3, len(known)), 0, 4)
    wrong = rng.random(len(known)) < 0.04
    emails, about = people.column("email"), people.frame.to_dict("records")

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        texts = local_texts(at[items], unit="D")
        rows = []
        for place, number in enumerate(items):
            real = about[known[number]]
            rows.append(
                {
                    "email": emails[known[number]],
                    "region": real["region"],
                    "urbanity": "suburban" if wrong[number] else real["urbanity"],
                    "household_size": int(real["household_size"]),
                    "has_children": str(bool(real["has_children"])).lower(),
                    "interests": real["interests"],
                    "values": real["values"],
                    "social_activity": social[number],
                    "income_band": BANDS[income[number]],
                    "updated_at": str(texts[place]),
                }
            )
        return rows

    extracts.put(PERSONS, np.arange(len(known)), at, render)
