"""Links and pictures: only https, only the shop's own hosts, always with the campaign's tracking parameters."""

import re
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

_UNSAFE = re.compile(r"[\x00-\x20\x7f\"'<>\\^`{}|*\[\]$]")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@lru_cache(maxsize=65_536)
def safe_url(value: str | None, hosts: tuple[str, ...], base: str) -> str | None:
    """An https address on one of the shop's hosts (or below one), or None.

    Relative addresses are joined to `base`. Everything that could end an attribute or open a tool's template tag is percent-encoded,
    and a fragment is dropped (`#end` is a directive to some). A host with other than plain letters (a look-alike), a user part or a
    port is refused.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        return None
    try:
        parts = urlsplit(urljoin(base, value.strip()))
        if parts.scheme != "https" or parts.username is not None or parts.port is not None:
            return None
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if not _HOST.fullmatch(host) or not any(host == known or host.endswith("." + known) for known in hosts):
        return None
    return urlunsplit(("https", host, _encoded(parts.path) or "/", _encoded(parts.query), ""))


def _encoded(part: str) -> str:
    part = _UNSAFE.sub(lambda found: f"%{ord(found.group()):02X}", part)
    return quote(_LONE_PERCENT.sub("%25", part), safe="/?:@!&()+,;=-._~%")


@lru_cache(maxsize=65_536)
def _before_tracking(url: str) -> str:
    parts = urlsplit(url)
    kept = [
        (key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if not key.startswith("utm_") and key != "dearly_id"
    ]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(kept), "")) + ("&" if kept else "?")


def tracked(url: str, fixed: str, content: str, content_id: str) -> str:
    """The address with `fixed` (utm_source, utm_medium, utm_campaign), utm_content (step, variant, block and place) and the mail's id.

    Parameters of that name that the address already had are replaced.
    """
    return f"{_before_tracking(url)}{fixed}&utm_content={content}&dearly_id={content_id}"
