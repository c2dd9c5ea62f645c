"""Columns that answer whether somebody may be written to: how they are told, and which of them nothing reads."""

import re
from collections.abc import Collection

import duckdb

from dagster_project.dbt_vars import dbt_vars
from dagster_project.onboarding import values
from dagster_project.onboarding.samples import Sample, words_of

# What says, beside a plain no, that somebody is not to be written to.
WITHDRAWN = {
    "unsubscribed",
    "not_subscribed",
    "not subscribed",
    "never_subscribed",
    "never subscribed",
    "never",
    "opt_out",
    "opted_out",
    "opt-out",
    "withdrawn",
    "revoked",
    "denied",
    "declined",
    "refused",
    "inactive",
    "cleaned",
    "pending",
    "bounced",
}
# What a column is called that says who may be written to, or who may not.
OF_CONSENT = (
    r"\b(opt|opted) ?(in|out)\b|consent|newsletter|unsubscri|subscri\w+ status|permission|gdpr|do not (e ?mail|mail|contact)"
    r"|no ?(e ?mail|marketing)|(black|block) ?list|suppress"
)
# Magento's numbers for subscribed, not active, unsubscribed and unconfirmed: 1 is a yes, as a plain 1 is, and the others are none.
NUMBERED = ("subscriber status", {"1", "2", "3", "4"})
CHANNELS = "mail|sms|text|phone|call|push|post|letter|whatsapp"


UNREAD = "may say who may be written to, or who may not, and nothing reads it"


def is_answered(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    """Whether a column holds nothing but words for yes and no."""
    found = values.distinct_words(connection, sample, header)
    if words_of(header) == NUMBERED[0] and "1" in found and set(found) <= NUMBERED[1]:
        return True
    answer = f"{dbt_vars()['says_yes']}|{dbt_vars()['says_no']}"
    return bool(found) and all(word.lower() in WITHDRAWN or re.search(answer, word.lower()) for word in found)


def is_mark(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    """Whether a column marks rows: by a yes or no, or by the moment since when."""
    return is_answered(connection, sample, header) or values.moment(connection, sample, header) is not None


def unread_answers(connection: duckdb.DuckDBPyConnection, sample: Sample, read: Collection[str] = ()) -> list[str]:
    """The columns that no part reads, and that seem to say who may be written to: in words, in numbers that stand for words, or by a moment."""
    named = [header for header in sample.headers if header not in read and re.search(OF_CONSENT, words_of(header))]
    return [header for header in named if values.distinct_words(connection, sample, header) or is_mark(connection, sample, header)]
