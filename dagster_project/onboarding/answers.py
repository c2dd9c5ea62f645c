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
    "unconfirmed",
    "bounced",
    "unknown",
}
# Words that are of nothing else than consent, whatever the column is called.
OF_NOTHING_ELSE = r"subscribed|opt(ed)?[ _-]?(in|out)"
# Why somebody is not to be written to, where a mark says that instead of a yes.
REASONS = r"bounce|unsubscri|suppress|spam|complain|abuse|block|invalid|opt(ed)?[ _-]?out"
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


def is_of_a_list(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    """Whether a plain status is how people stand on a list: of its answers one is a word of consent. Of a product or an account none is."""
    words = values.distinct_words(connection, sample, header)
    return any(re.search(OF_NOTHING_ELSE, word.lower()) for word in words) and is_answered(connection, sample, header)


def is_reason(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    """Whether whatever a column says, beside a no, is why somebody is not to be written to."""
    words = [word.lower() for word in values.distinct_words(connection, sample, header)]
    return bool(words) and all(re.search(f"{REASONS}|{dbt_vars()['says_no']}", word) for word in words)


def is_mark(connection: duckdb.DuckDBPyConnection, sample: Sample, header: str) -> bool:
    """Whether a column marks rows: by a yes or no, or by the moment since when."""
    return is_answered(connection, sample, header) or values.moment(connection, sample, header) is not None


def unread_answers(connection: duckdb.DuckDBPyConnection, sample: Sample, read: Collection[str] = ()) -> list[str]:
    """The columns that no part reads, and that seem to say who may be written to: in words, in numbers that stand for words, or by a moment."""
    unread = [header for header in sample.headers if header not in read]
    return [
        header
        for header in unread
        if is_of_a_list(connection, sample, header)
        or (
            re.search(OF_CONSENT, words_of(header))
            and (values.distinct_words(connection, sample, header) or is_mark(connection, sample, header))
        )
    ]
