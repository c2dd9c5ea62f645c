"""Whom a drafted shop's tables say may be written to, by address."""

from collections.abc import Callable
from typing import Literal

NEWEST = """
select records.email
from staging.stg_sales__consents as consents
inner join (select distinct source_customer_id, email from staging.stg_sales__records) as records using (source_customer_id)
where consents.purpose = 'marketing'
group by records.email
having arg_max(consents.state, consents.occurred_at) = '{state}'
"""


def whose_newest_word_is(state: Literal["granted", "withdrawn"], rows: Callable) -> set[str]:
    """Whose newest word on marketing, as the last day closed, it is."""
    return {email for (email,) in rows(NEWEST.format(state=state))}
