"""Customer text is data: what is done to it before it meets a template, a tool's template language or a spreadsheet.

A text goes through `clean` once, when it enters; HTML escaping is added by Jinja's autoescape when it is written into HTML.
The marketing tool that gets the mail renders it once more with its own language (Liquid, Django, Handlebars, AMPscript, merge
tags, …). Entities would stop that only in HTML, and only until an editor turns them back; so each character that can open or
close a tag there is parted from its neighbour by U+200C, which no reader sees and no tool's syntax allows. It works alike in HTML,
subject, plain text, CSV and JSON.
"""

import re
import unicodedata
from functools import lru_cache

APART = "\u200c"

_DROPPED = re.compile("[\ud800-\udfff\u202a-\u202e\u2066-\u2069\u200e\u200f\ufeff\ufffe\uffff\ufff9-\ufffb]")
_SPACE = re.compile(r"[\x00-\x20\x7f-\x9f\s\u2028\u2029]+")
_OPENS = re.compile(
    r"\{(?!\u200c)"  # Jinja, Liquid, Django, Handlebars, HubL, Go, Mautic's {field=…}, ${…}, #{…}
    r"|\}(?!\u200c)"
    r"|[<\[](?!\u200c)"  # <%…%>, <#if>, [[…]], [unsubscribe]
    r"|[\]>](?=[\]>%]|$)"
    r"|%(?![\s.,;:!?)\u200c])"  # {%…%}, %%…%%, %FIRSTNAME%; '10 %' and '10%.' stay as they are
    r"|[*|](?=[*|]|$)"  # *|MERGE|*
    r"|\$(?=[\w{!]|$)"  # $name$, $!{x}
    r"|#(?=[A-Za-z{#]|$)"  # #set(…), ##
)
_BEFORE_BRACE = re.compile(r"(?<=[$#@%!&^-])[{}]")

_NOTHING = frozenset({"-", "--", "none", "null", "(null)", "nil", "undefined", "n/a", "#n/a", "nat", "unknown", "<na>"})


def clean(value: object, limit: int = 120) -> str | None:
    """One line of text, safe to hand to any template language; None where there is no text.

    Control characters, line breaks and bidirectional overrides go, so no value can add a header or turn a line around. The words that
    databases and programs write for "nothing" (None, null, NaN, undefined, …) count as nothing. Longer texts end with an ellipsis.
    """
    return _clean(value, limit) if isinstance(value, str) else None


@lru_cache(maxsize=65_536)
def _clean(text: str, limit: int) -> str | None:
    if not text.isascii():
        text = unicodedata.normalize("NFC", _DROPPED.sub("", text))
    text = _SPACE.sub(" ", text).strip()
    if not text or text.lower() in _NOTHING or text in ("nan", "NaN", "NAN") or not any(c.isprintable() and not c.isspace() for c in text):
        return None
    if len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return guard(text)


def guard(text: str) -> str:
    """Part every character that opens or closes a template tag from its neighbour; guarding twice changes nothing."""
    return _OPENS.sub(lambda found: found.group() + APART, _BEFORE_BRACE.sub(lambda found: APART + found.group(), text))


def readable(text: str) -> str:
    """The text as a person sees it: without the invisible marks."""
    return text.replace(APART, "")


def person_name(value: object) -> str | None:
    """A first name to greet with, or None: what holds no letter, a digit sequence, an address or a link is not a name."""
    name = clean(value, limit=200)
    if name is None or len(readable(name)) > 40 or not any(c.isalpha() for c in name):
        return None
    if re.search(r"://|www\.|@|\.(com|net|org|ru|de|io|info)\b", name, re.IGNORECASE):
        return None
    return name


def is_code(text: str) -> bool:
    """Whether a text is a number or a code: no word of it is of letters alone, as 85123A and SKU-0012 are, and Blue T-Shirt is not."""
    return not any(sum(c.isalpha() for c in word) > 1 and not any(c.isdigit() for c in word) for word in readable(text).split())


def spreadsheet_cell(text: str) -> str:
    """A cell for a person's spreadsheet, where a leading = + - @ would be a formula. Not for machine files: it breaks phone numbers."""
    return "'" + text if text.lstrip(" \t\r\n\u200c")[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") and text else text
