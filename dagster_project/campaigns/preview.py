"""A mail as one would see it, without asking any server: pictures drawn here, one colour scheme chosen, links inert."""

import hashlib
import html as entities
import re
from typing import Literal
from urllib.parse import quote

from dagster_project.campaigns.campaign import UNSUBSCRIBE_TAGS

# Ground and ink of the drawn pictures.
_TONES = (
    ("#E8DCCB", "#6B4A2B"),
    ("#DCE8DA", "#3C6144"),
    ("#EADCE8", "#6A3A66"),
    ("#DAE4EC", "#34566E"),
    ("#F1E2D8", "#8A4A32"),
    ("#E9E6D3", "#67612E"),
)

# What a category looks like, by words that shops use for it: tone, and one line drawn on a field of 100 × 100.
_SHAPES: tuple[tuple[str, int, str], ...] = (
    (
        "coffee|kaffee|espresso",
        0,
        "M28 44h36v16a16 16 0 0 1-16 16h-4a16 16 0 0 1-16-16zM64 48h5a8 8 0 0 1 0 16h-5M38 34c0-5 4-5 4-10M50 34c0-5 4-5 4-10",
    ),
    ("tea|tee", 1, "M50 78V46M50 58c-18 0-24-12-24-26 16 0 24 10 24 26zM50 48c0-14 8-22 24-22 0 14-8 22-24 22z"),
    (
        "pet|dog|cat|hund|katze|tier",
        4,
        "M35 64a15 12 0 1 0 30 0a15 12 0 1 0-30 0M23 47a6 7 0 1 0 12 0a6 7 0 1 0-12 0M36 34a6 7 0 1 0 12 0a6 7 0 1 0-12 0"
        "M52 34a6 7 0 1 0 12 0a6 7 0 1 0-12 0M65 47a6 7 0 1 0 12 0a6 7 0 1 0-12 0",
    ),
    ("skin|cosmetic|beauty|care|haut|kosmetik|pflege", 2, "M34 42h32v36H34zM44 42v-8h12v8M44 34h-6M50 34v-8h12M34 56h32"),
    (
        "kitchen|cook|küche|koch",
        3,
        "M26 46h48v18a10 10 0 0 1-10 10H36a10 10 0 0 1-10-10zM18 52h8M74 52h8M30 46c0-6 4-10 10-10h20c6 0 10 4 10 10M50 36v-6",
    ),
    (
        "stationery|book|paper|papeterie|papier|buch|bücher",
        5,
        "M50 36v40M50 36c-8-6-16-7-26-6v38c10-1 18 0 26 8 8-8 16-9 26-8V30c-10-1-18 0-26 6z",
    ),
    ("cloth|fashion|kleid|mode|wear", 2, "M38 26l-16 10 6 12 8-4v32h28V44l8 4 6-12-16-10c-4 8-20 8-24 0z"),
    ("sweet|choc|snack|süß|schoko", 0, "M30 28h40v46H30zM50 28v46M30 43h40M30 59h40"),
    (
        "garden|plant|garten|pflanze",
        1,
        "M36 56h28l-4 22H40zM50 56V36M50 44c-10 0-14-6-14-14 9 0 14 6 14 14zM50 40c0-8 5-14 14-14 0 8-5 14-14 14z",
    ),
    ("home|house|textil|haushalt|wohn", 3, "M26 50l24-22 24 22M33 46v30h34V46M45 76V60h10v16"),
    ("outdoor|sport|camp|wander", 1, "M18 76l24-44 14 26 8-14 18 32zM62 30a6 6 0 1 0 12 0a6 6 0 1 0-12 0"),
)
_PEN = 'fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"'
_GROUND = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="504" height="504"'

_IMAGE = re.compile(r"<img\b[^>]*>")


def picture(title: str, category: str) -> str:
    """A data: address of a drawn picture for a product: the category's shape, else the title's first letter; same input, same picture."""
    shape = next(((tone, line) for words, tone, line in _SHAPES if re.search(rf"\b(?:{words})", category, re.IGNORECASE)), None)
    if shape:
        (ground, ink), line = _TONES[shape[0]], shape[1]
        inner = f'<path transform="translate(17 17) scale(0.66)" {_PEN} d="{line}"/>'
    else:
        ground, ink = _TONES[hashlib.sha256((category or title).encode()).digest()[0] % len(_TONES)]
        letter = entities.escape(next((c.upper() for c in title if c.isalnum()), "•"))
        inner = f'<text x="50" y="66" font-family="Georgia, serif" font-size="46" text-anchor="middle" fill="currentColor">{letter}</text>'
    drawn = f'{_GROUND} color="{ink}"><rect width="100" height="100" fill="{ground}"/>{inner}</svg>'
    return "data:image/svg+xml," + quote(drawn, safe=" =:/'")


def preview_html(html: str, scheme: Literal["light", "dark"] = "light") -> str:
    """The mail for a page of ours: every picture drawn in place, the scheme fixed whatever the reader's system prefers, the tool's
    unsubscribe tag a dead link. Needs no network; never to be sent."""
    shown = _IMAGE.sub(_drawn, html)
    shown = shown.replace("(prefers-color-scheme: dark)", "all" if scheme == "dark" else "not all")
    for tag in sorted(UNSUBSCRIBE_TAGS.values(), key=len, reverse=True):
        shown = shown.replace(f'href="{tag}"', 'href="#"')
    return shown


def _drawn(image: re.Match[str]) -> str:
    def attribute(name: str) -> str:
        found = re.search(rf'\b{name}="([^"]*)"', image.group())
        return entities.unescape(found.group(1)) if found else ""

    return re.sub(r'\bsrc="[^"]*"', lambda _: f'src="{picture(attribute("alt"), attribute("data-category"))}"', image.group())
