"""Numbers and names as a person reads them."""

from datetime import date
from zoneinfo import ZoneInfo

from dagster_project.moments import Moment, day_of


def count(number: int | None) -> str:
    """12,345; a dash where nobody counted."""
    return "–" if number is None else f"{number:,}"


def share(part: float, whole: float) -> str:
    """A share in per cent: whole numbers, tenths below ten and close to all, so that 99.6 % never reads as everybody."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if part in (0, whole) or 10 <= percent < 99:
        return f"{percent:.0f} %"
    return "< 0.1 %" if percent < 0.1 else "> 99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def money(amount: float | None, currency: str, decimals: int = 2) -> str:
    return "–" if amount is None else f"{amount:,.{decimals}f} {currency}".replace("-", "−")


def signed(amount: float | None, currency: str) -> str:
    """An amount with its sign, for differences."""
    return "–" if amount is None else f"{'+' if amount > 0 else ''}{money(amount, currency)}"


def hours(length: float) -> str:
    """A length of time in hours, in days from two on."""
    return f"{length / 24:.0f} d" if length >= 48 else f"{length:.0f} h" if length >= 1 else "< 1 h"


# What `--accept` means, wherever a page shows it.
ACCEPTING = "what is missing stays missing from this day, and counts from the night on in which it comes."
CHANNEL_NAMES = {"email": "e-mail", "sms": "SMS", "ads": "advertisements"}
ACRONYMS = frozenset({"auc", "clv", "mae", "pr", "sms", "vip"})


def title(name: str, begins: bool = True) -> str:
    """win_back → Win back; churn_auc → Churn AUC. Within a sentence it does not `begin` one: win back, VIP."""
    words = " ".join(word.upper() if word in ACRONYMS else word for word in name.replace("_", " ").split())
    return words[:1].upper() + words[1:] if begins else words


def sentence(text: str) -> str:
    """A reason as a sentence of its own; nothing stays nothing."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def moment_in_words(moment: Moment, zone: str) -> tuple[str, str]:
    """The day (Tuesday, 10 March 2026) and until when it knows: the night's extracts on the shop's clock."""
    day = day_of(moment.as_of, zone)
    known = moment.known_by.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    return f"{day:%A}, {day.day} {day:%B %Y}", f"{known.day} {known:%B, %H:%M} ({zone})"


def day_in_words(day: date) -> str:
    """10 Mar."""
    return f"{day.day} {day:%b}"
