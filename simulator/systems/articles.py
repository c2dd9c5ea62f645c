"""The journal's articles (JSONL): two dozen short pieces about what the shop sells, in three languages."""

import numpy as np

from simulator.clock import DAY, stream, utc_texts
from simulator.dirt import Row, set_to
from simulator.extracts import Extracts, Table
from simulator.names import fold
from simulator.shelves import CATEGORIES
from simulator.shop import Shop

ARTICLES = Table(
    "articles",
    "articles",
    "jsonl",
    breaks=(set_to("missing id", "id", None), set_to("unparsable date", "published_at", "")),
    quiet=True,
    late=False,
)
TITLES = {
    "de": ("So gelingt: {}", "Fünf Fragen zu {}", "Unser Blick auf {}"),
    "en": ("A short guide to {}", "Five questions about {}", "What we love about {}"),
    "fr": ("Petit guide : {}", "Cinq questions sur {}", "À propos de {}"),
}


def write(shop: Shop, extracts: Extracts) -> None:
    """Writes `articles/articles`; the last two appear within the daily days."""
    count, clock = 24, shop.clock
    rng = stream(shop.seed, "articles")
    at = np.sort(rng.integers(clock.start, clock.opening, count))
    at[-2:] = clock.opening + np.array([DAY // 2, (clock.days - 1) * DAY + DAY // 3])
    languages = ["de" if draw < 0.5 else "en" if draw < 0.8 else "fr" for draw in rng.random(count)]
    shelf, form = rng.permutation(np.arange(count) % len(CATEGORIES)), rng.integers(0, 3, count)
    texts = utc_texts(at)

    def render(items: np.ndarray, cutoff: int) -> list[Row]:
        rows = []
        for number in items:
            category, language = CATEGORIES[shelf[number]], languages[number]
            title = TITLES[language][form[number]].format(category.name)
            slug = "-".join(fold(title).lower().replace(":", "").split())
            things = "".join(f"<li>{thing}</li>" for thing in category.things)
            rows.append(
                {
                    "id": f"A{number + 1:04d}",
                    "title": title,
                    "url": f"https://shop.example/journal/{slug}-{number + 1}",
                    "body_html": f"<h1>{title}</h1><p>{category.brands[0].replace('&', '&amp;')} &amp; Co.</p><ul>{things}</ul>",
                    "tags": [category.name, language],
                    "published_at": str(texts[number]),
                    "language": language,
                }
            )
        return rows

    extracts.put(ARTICLES, np.arange(count), at, render)
