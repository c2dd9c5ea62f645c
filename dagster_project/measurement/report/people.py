"""Why did this person get that, or not: everybody's state on the day, found by e-mail address or customer id.

Addresses are not in the file: a person is filed under the first 16 hex digits of SHA-256(salt + address in lower case), once for every address
that a record of theirs states, and the page hashes what is typed. That makes a lookup, not anonymity: whoever has the file can test whether an address they know is in it.
"""

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Hashable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from dagster_project.measurement.report.reading import Reading
from dagster_project.moments import day_of
from ml.recommendations.reasons import SENTENCES

# Beyond this many customers the file would outgrow a mail attachment; `dearly explain` answers for everybody.
SEARCHABLE = 25_000
SCORES = "scores.customer_scores"
SHOWN_SCORES = (
    "churn_probability",
    "clv_365d_amount",
    "clv_365d_low",
    "clv_365d_high",
    "purchase_30d_probability",
    "first_purchase_probability",
    "vip_probability",
    "click_probability",
    "best_send_hour",
    "next_order_date",
)
CUSTOMERS = """
select customer_id, email_status, coalesce(country, ''), coalesce(language, ''), first_seen_at, completeness
from profile.current_customers where as_of = $as_of order by customer_id
"""
ADDRESSES = "select customer_id, email from profile.customer_addresses where as_of = $as_of order by all"
RECORDS = """
select customer_id, source, rule, count(*), min(match_probability) from identity.customer_links
where valid_from <= $known_by and (valid_to is null or valid_to > $known_by) group by all order by all
"""
PERMISSIONS = """
select customer_id, channel, purpose, is_permitted, since from profile.customer_permissions where as_of = $as_of order by all
"""
SUPPRESSIONS = "select customer_id, channel, reason from profile.customer_suppressions where as_of = $as_of order by all"
SEGMENTS = """
select members.customer_id, members.segment, max(stays.entered_at) from segments.customer_segments as members
left join segments.segment_history as stays
    on members.customer_id = stays.customer_id and members.segment = stays.segment and stays.entered_at <= members.as_of
where members.as_of = $as_of group by all order by all
"""
DECISIONS = """
select customer_id, campaign, step, decision, reason, coalesce(variant, '') as variant, min(decided_at), max(decided_at), count(*)
from measurement.report_decisions where as_of = $as_of group by all
order by customer_id, max(decided_at) desc, campaign, step, decision, reason, variant
"""
RECOMMENDED = """
select recommended.customer_id, coalesce(products.title, recommended.product_id), coalesce(recommended.reason, '')
from scores.customer_recommendations as recommended
left join (select product_id, max(title) as title from profile.dim_products where superseded_at is null group by product_id) as products
    using (product_id)
where recommended.as_of = $as_of and recommended.strategy = 'for_you' and recommended.rank <= 3
order by recommended.customer_id, recommended.rank
"""
# What is not known moves a score in several ways and is said in the same words: once is enough.
REASONS = """
with told as (
    select customer_id, score, reason, min(rank) as rank, sum(effect) as effect
    from scores.score_reasons where as_of = $as_of group by customer_id, score, reason
)
select customer_id, score, string_agg(reason, '; ' order by rank) filter (where effect > 0),
    string_agg(reason, '; ' order by rank) filter (where effect < 0)
from told group by customer_id, score order by customer_id, score
"""
PLANNED = "select distinct campaign from campaigns.campaign_steps order by campaign"
EXAMPLES = """
select decision, min(customer_id) from measurement.report_decisions
where as_of = $as_of and decided_at = $as_of group by decision order by decision desc
"""


class Words:
    """Texts that many people share, written once; a person's row holds the number."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}

    def __call__(self, text: Hashable) -> int:
        return self._places.setdefault(text, len(self._places))

    def listed(self) -> list[Hashable]:
        return list(self._places)


def salt_of(reading: Reading) -> str:
    """The report's salt: another day or another shop is another salt, the same store the same."""
    return hmac.new(reading.pseudonym_key.encode(), f"report|{reading.moment.name}".encode(), hashlib.sha256).hexdigest()[:16]


def filed_under(salt: str, address: str) -> str:
    """Where the person of an address is filed."""
    return hashlib.sha256((salt + address.strip().lower()).encode()).hexdigest()[:16]


def read_people(reading: Reading) -> dict[str, Any] | None:
    """What the page's search reads, as JSON will have it; None for a shop with more than SEARCHABLE customers.

    `people` has a row per customer: [what they are filed under, customer id, address state, country, language, first seen, completeness, records,
    permissions, suppressions, segments, decisions, scores, recommendations, reasons]; texts and days in it are places in `words`. A reason is a
    score, what raises it and what lowers it. `first` is the first built day: a stay that begins with it may be older. `quiet` are the hours from and until which no mail goes.
    """
    if reading.number("select count(*) from profile.current_customers where as_of = $as_of") > SEARCHABLE:
        return None
    salt, words = salt_of(reading), Words()

    def day(instant: datetime | None) -> int | None:
        return None if instant is None else words(str(day_of(instant, reading.shop.zone)))

    def said(text: str | None) -> int | None:
        return None if text is None else words(text)

    addresses = _by_customer((customer, filed_under(salt, address)) for customer, address in reading.rows(ADDRESSES))
    records = _by_customer((row[0], [words(row[1]), words(row[2]), row[3], row[4]]) for row in reading.rows(RECORDS))
    permissions = _by_customer((row[0], [words(row[1]), words(row[2]), int(row[3]), day(row[4])]) for row in reading.rows(PERMISSIONS))
    suppressions = _by_customer((row[0], [words(row[1]), words(row[2])]) for row in reading.rows(SUPPRESSIONS))
    segments = _by_customer((row[0], [words(row[1]), day(row[2])]) for row in reading.rows(SEGMENTS))
    decisions: dict[str, list[list[Any]]] = {}
    if reading.has("measurement.report_decisions"):
        decisions = _by_customer(
            (row[0], [*(words(text) for text in row[1:6]), day(row[6]), day(row[7]), row[8]]) for row in reading.rows(DECISIONS)
        )
    recommended: dict[str, list[list[Any]]] = {}
    if reading.has("scores.customer_recommendations"):
        recommended = _by_customer((row[0], [words(row[1]), words(SENTENCES.get(row[2], row[2]))]) for row in reading.rows(RECOMMENDED))
    reasons: dict[str, list[list[Any]]] = {}
    if reading.has("scores.score_reasons"):
        reasons = _by_customer((row[0], [words(row[1]), said(row[2]), said(row[3])]) for row in reading.rows(REASONS))
    score_names, scores = _scores(reading)
    people = [
        [
            addresses.get(customer, []),
            customer,
            words(status),
            words(country),
            words(language),
            day(first_seen_at),
            float(completeness),
            records.get(customer, []),
            permissions.get(customer, []),
            suppressions.get(customer, []),
            segments.get(customer, []),
            decisions.get(customer, []),
            scores.get(customer, []),
            recommended.get(customer, []),
            reasons.get(customer, []),
        ]
        for customer, status, country, language, first_seen_at, completeness in reading.rows(CUSTOMERS)
    ]
    return {
        "salt": salt,
        "today": str(day_of(reading.moment.as_of, reading.shop.zone)),
        "first": str(day_of(reading.days[0], reading.shop.zone)),
        "currency": reading.shop.currency,
        "quiet": list(reading.shop.quiet_hours),
        "campaigns": [campaign for (campaign,) in reading.rows(PLANNED)],
        "scores": score_names,
        "words": words.listed(),
        "people": people,
    }


def read_examples(reading: Reading) -> tuple[tuple[str, str], ...]:
    """One customer id per decision of the day, to begin a search with."""
    return tuple(reading.rows(EXAMPLES)) if reading.has("measurement.report_decisions") else ()


def as_script(data: object) -> str:
    """JSON that can stand in a script element whatever texts it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _by_customer(rows: Any) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for customer, row in rows:
        grouped[customer].append(row)
    return grouped


def _scores(reading: Reading) -> tuple[list[str], dict[str, list[Any]]]:
    """The shown score columns that the store has, and each customer's values, rounded for reading."""
    have = reading.columns(SCORES)
    names = [name for name in SHOWN_SCORES if name in have]
    if not names:
        return [], {}
    rows = reading.rows(f"select customer_id, {', '.join(names)} from {SCORES} where as_of = $as_of order by customer_id")
    return names, {customer: [_readable(value) for value in values] for customer, *values in rows}


def _readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return round(float(value), 3) if isinstance(value, float | Decimal) else value
