"""Campaigns: whose turn it was tonight, and what the arbiter said to each: send, hold out, or exclude with a reason."""

from collections import defaultdict
from dataclasses import dataclass

from dagster_project.measurement.report.reading import Reading

PLAN = """
select campaign, step, min(step_number), min(after_hours), min(audience), min(trigger), max(priority)
from campaigns.campaign_steps group by campaign, step order by max(priority) desc, campaign, min(step_number)
"""
TONIGHT = """
select campaign, step, decision, reason, coalesce(variant, '') as variant, count(*) from campaigns.delivered_decisions
where as_of = $as_of group by all order by campaign, step, count(*) desc, decision, reason, variant
"""
# What is decided tonight, and what left on the days before.
MAILED = """
select campaign, step, as_of, count(*) from campaigns.delivered_decisions
where decision = 'send' and as_of = $as_of group by all
union all
select campaign, step, as_of, count(*) from campaigns.contact_history
where decision = 'send' and as_of < $as_of group by all
order by campaign, step, as_of
"""
MEMBERS = "select segment, count(*) from segments.customer_segments where as_of = $as_of group by segment order by segment"
EXPORTS = "select feed, destination, rows, held_back from campaigns.export_log where as_of = $as_of order by feed, destination"


@dataclass(frozen=True)
class StepTonight:
    """One step of a campaign: decisions of the newest day by reason, sends by variant, and mails per built day."""

    step: str
    after_hours: int
    sent: int
    held_out: tuple[tuple[str, int], ...]
    excluded: tuple[tuple[str, int], ...]
    variants: tuple[tuple[str, int], ...]
    mails: tuple[int, ...]

    @property
    def decided(self) -> int:
        return self.sent + sum(people for _, people in self.held_out + self.excluded)


@dataclass(frozen=True)
class Campaign:
    """A campaign with its steps; `members` is the size of its audience, None where an event starts it."""

    slug: str
    audience: str | None
    trigger: str | None
    members: int | None
    steps: tuple[StepTonight, ...]


@dataclass(frozen=True)
class FeedWritten:
    """A feed of the day: its rows per destination (None where it was not written), and how many people lost consent after the decision."""

    name: str
    rows: tuple[int | None, ...]
    held_back: int


@dataclass(frozen=True)
class Exports:
    destinations: tuple[str, ...]
    feeds: tuple[FeedWritten, ...]


def read_campaigns(reading: Reading) -> tuple[Campaign, ...]:
    """The planned campaigns, by priority."""
    counts: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    variants: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for campaign, step, decision, reason, variant, people in reading.rows(TONIGHT):
        counts[campaign, step, decision][reason] += people
        if decision == "send":
            variants[campaign, step][variant] = people
    mailed = {(campaign, step, as_of): mails for campaign, step, as_of, mails in reading.rows(MAILED)}
    members = dict(reading.rows(MEMBERS))
    steps: dict[tuple[str, str | None, str | None], list[StepTonight]] = defaultdict(list)
    for campaign, step, _, after_hours, audience, trigger, _ in reading.rows(PLAN):
        steps[campaign, audience, trigger].append(
            StepTonight(
                step,
                after_hours,
                sum(counts[campaign, step, "send"].values()),
                _by_size(counts[campaign, step, "holdout"]),
                _by_size(counts[campaign, step, "excluded"]),
                tuple(sorted(variants[campaign, step].items())),
                tuple(mailed.get((campaign, step, day), 0) for day in reading.days),
            )
        )
    return tuple(
        Campaign(slug, audience, trigger, members.get(audience, 0) if audience else None, tuple(planned))
        for (slug, audience, trigger), planned in steps.items()
    )


def read_exports(reading: Reading) -> Exports:
    """What the day wrote for the tools."""
    written = {(feed, destination): (rows, held_back) for feed, destination, rows, held_back in reading.rows(EXPORTS)}
    destinations = tuple(sorted({destination for _, destination in written}))
    feeds = []
    for feed in sorted({feed for feed, _ in written}):
        cells = [written.get((feed, destination)) for destination in destinations]
        feeds.append(FeedWritten(feed, tuple(cell[0] if cell else None for cell in cells), max(cell[1] for cell in cells if cell)))
    return Exports(destinations, tuple(feeds))


def _by_size(reasons: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
