"""From the rows that came in to the mails of the night: how many are left at each step, and why the others are not."""

from dataclasses import dataclass

from dagster_project.measurement.report.reading import Reading

LEDGER = "from sources.load_ledger where extracted_at <= $known_by"
# Label, unit, what is counted in words, and the count.
STEPS = (
    ("Source rows in", "rows", "every row of every extract so far", f"select sum(rows_in) {LEDGER}"),
    ("Loaded", "rows", "neither seen before nor refused", f"select sum(rows_loaded) {LEDGER}"),
    (
        "Customer records",
        "records",
        "people as each system knows them",
        "select count(*) from identity.customer_links where valid_from <= $known_by and (valid_to is null or valid_to > $known_by)",
    ),
    (
        "Customers",
        "people",
        "records that are one person, taken together",
        "select count(*) from profile.current_customers where as_of = $as_of",
    ),
    (
        "May be written to",
        "people",
        "consent to e-mail marketing, not suppressed, reachable",
        "select count(*) from campaigns.mailable_customers where as_of = $as_of",
    ),
    (
        "In a campaign's audience",
        "people",
        "and in a segment, or with an event, that a campaign is for",
        """
        select count(*) from campaigns.mailable_customers where as_of = $as_of and customer_id in (
            select customer_id from segments.customer_segments
            where as_of = $as_of and segment in (select audience from campaigns.campaign_steps)
            union select customer_id from campaigns.campaign_decisions where as_of = $as_of
        )
        """,
    ),
    (
        "Mails tonight",
        "mails",
        "whose turn it is, past holdouts, caps and priorities",
        "select count(*) from campaigns.delivered_decisions where as_of = $as_of and decision = 'send'",
    ),
)


@dataclass(frozen=True)
class Step:
    """One step: how many of what (`rows`, `records`, `people`, `mails`)."""

    label: str
    unit: str
    meaning: str
    count: int


def read_funnel(reading: Reading) -> tuple[Step, ...]:
    """The steps in their order. Rows, records and people are different things: a share is meant only between people."""
    return tuple(Step(label, unit, meaning, reading.number(sql)) for label, unit, meaning, sql in STEPS)
