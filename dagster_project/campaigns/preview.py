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

# What a category looks like, by words that shops use for it; drawn on a field of 100 × 100.
_STROKE = 'fill="none" stroke="currentColor" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"'
_SHAPES: tuple[tuple[str, int, str], ...] = (
    ("coffee|kaffee|espresso", 0, f'<g {_STROKE}><path d="M28 44h36v16a16 16 0 0 1-16 16h-4a16 16 0 0 1-16-16z"/><path d="M64 48h5a8 8 0 0 1 0 16h-5"/><path d="M38 34c0-5 4-5 4-10M50 34c0-5 4-5 4-10"/></g>'),
    ("tea|tee", 1, f'<g {_STROKE}><path d="M50 78V46"/><path d="M50 58c-18 0-24-12-24-26 16 0 24 10 24 26z"/><path d="M50 48c0-14 8-22 24-22 0 14-8 22-24 22z"/></g>'),
    ("pet|dog|cat|hund|katze|tier", 4, '<g fill="currentColor"><ellipse cx="50" cy="64" rx="15" ry="12"/><circle cx="30" cy="48" r="6.5"/><circle cx="43" cy="37" r="7"/><circle cx="57" cy="37" r="7"/><circle cx="70" cy="48" r="6.5"/></g>'),
    ("skin|cosmetic|beauty|care|haut|kosmetik|pflege", 2, f'<g {_STROKE}><rect x="34" y="42" width="32" height="36" rx="5"/><path d="M44 42v-8h12v8M44 34h-6M50 34v-8h12"/><path d="M34 56h32"/></g>'),
    ("kitchen|cook|küche|koch", 3, f'<g {_STROKE}><path d="M26 46h48v18a10 10 0 0 1-10 10H36a10 10 0 0 1-10-10z"/><path d="M20 52h6M74 52h6M36 36h28M50 36v-6"/><path d="M30 46c0-6 4-10 10-10h20c6 0 10 4 10 10"/></g>'),
    ("stationery|book|paper|papeterie|papier|buch|bücher", 5, f'<g {_STROKE}><path d="M50 36v40"/><path d="M50 36c-8-6-16-7-26-6v38c10-1 18 0 26 8 8-8 16-9 26-8V30c-10-1-18 0-26 6z"/></g>'),
    ("cloth|fashion|kleid|mode|wear", 2, f'<g {_STROKE}><path d="M38 26l-16 10 6 12 8-4v32h28V44l8 4 6-12-16-10c-4 8-20 8-24 0z"/></g>'),
    ("sweet|choc|snack|süß|schoko", 0, f'<g {_STROKE}><rect x="30" y="28" width="40" height="46" rx="4"/><path d="M50 28v46M30 43h40M30 59h40"/></g>'),
    ("garden|plant|garten|pflanze", 1, f'<g {_STROKE}><path d="M36 56h28l-4 22H40z"/><path d="M50 56V36M50 44c-10 0-14-6-14-14 9 0 14 6 14 14zM50 40c0-8 5-14 14-14 0 8-5 14-14 14z"/></g>'),
    ("home|house|textil|haushalt|wohn", 3, f'<g {_STROKE}><path d="M26 50l24-22 24 22"/><path d="M33 46v30h34V46M45 76V60h10v16"/></g>'),
    ("outdoor|sport|camp|wander", 1, f'<g {_STROKE}><path d="M20 74l22-40 14 24 8-12 16 28z"/><circle cx="68" cy="30" r="6"/></g>'),
)  # fmt: skip

_IMAGE = re.compile(r"<img\b[^>]*>")


def picture(title: str, category: str) -> str:
    """A data: address of a drawn picture for a product: the category's shape, else the title's first letter; same input, same picture."""
    shape = next(((tone, drawn) for words, tone, drawn in _SHAPES if re.search(rf"\b(?:{words})", category, re.IGNORECASE)), None)
    if shape:
        (ground, ink), inner = _TONES[shape[0]], f'<g transform="translate(17 17) scale(0.66)">{shape[1]}</g>'
    else:
        ground, ink = _TONES[hashlib.sha256((category or title).encode()).digest()[0] % len(_TONES)]
        letter = entities.escape(next((c.upper() for c in title if c.isalnum()), "•"))
        inner = f'<text x="50" y="66" font-family="Georgia, serif" font-size="46" text-anchor="middle" fill="currentColor">{letter}</text>'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="504" height="504" color="{ink}"><rect width="100" height="100" fill="{ground}"/>{inner}</svg>'
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
