"""The newest day in lines for the terminal: what a person asks for first when a run has ended."""

from collections.abc import Iterable, Sequence

from dagster_project.measurement.report import wording
from dagster_project.measurement.report.campaigns import Campaign, Exports, read_campaigns, read_exports
from dagster_project.measurement.report.customers import Customers, read_customers
from dagster_project.measurement.report.funnel import read_funnel
from dagster_project.measurement.report.reading import newest_day
from dagster_project.measurement.report.scores import Scores, read_scores
from dagster_project.measurement.report.segments import Segment, read_segments
from dagster_project.measurement.report.sources import Sources, read_sources
from dagster_project.settings import Settings

INDENT = 2
Row = tuple[str, str, str]


def summary_lines(settings: Settings) -> list[str]:
    """The summary as lines in rich's markup: sources, customers, scores, segments, campaigns, files, and where the report is.

    Raises:
        NothingPublished: no day is built.
        LeaseHeld: a run is writing right now.
    """
    with newest_day(settings, "dearly summary") as reading:
        day, known_until = wording.moment_in_words(reading.moment, reading.shop.zone)
        sources = read_sources(reading)
        steps = {step.label: step.count for step in read_funnel(reading)}
        exports = read_exports(reading)
        blocks = [
            ("Sources", _sources(sources)),
            ("Customers", _customers(read_customers(reading), steps)),
            ("Scores", _scores(read_scores(reading))),
            ("Segments", _segments(read_segments(reading))),
            ("Campaigns", _campaigns(read_campaigns(reading))),
            ("Files", _files(exports)),
        ]
    lines = [f"[bold]{_plain(settings.shop)}, {day}[/], known by {known_until}"]
    for name, rows in blocks:
        lines += ["", f"[bold]{name}[/]", *_aligned(rows)]
    lines += [f"[bold red]Delivery is held[/] by {_plain(guard.name)}: {_plain(guard.message)}" for guard in sources.held]
    report = settings.report
    return [*lines, "", f"Report: {_plain(str(report))}"] if report.exists() else lines


def _sources(sources: Sources) -> list[Row]:
    rows = []
    for system in sorted({table.system for table in sources.tables}):
        tables = [table for table in sources.tables if table.system == system]
        fates = [f"{wording.count(sum(table.loaded for table in tables))} loaded"]
        duplicate, quarantined = sum(table.duplicate for table in tables), sum(table.quarantined for table in tables)
        fates += [f"{wording.count(duplicate)} duplicate"] if duplicate else []
        fates += [f"[yellow]{wording.count(quarantined)} quarantined[/]"] if quarantined else []
        rows.append((system, wording.count(sum(table.rows_in for table in tables)), f"rows in: {', '.join(fates)}"))
    return rows or [("none", "0", "no extract has come yet")]


def _customers(customers: Customers, steps: dict[str, int]) -> list[Row]:
    rules = ", ".join(f"{wording.count(rule.records)} by {rule.name}" for rule in customers.rules if rule.name != "first record")
    records, mailable = steps["Customer records"], steps["May be written to"]
    return [
        ("unified", wording.count(customers.count), f"from {wording.count(records)} records" + (f": {rules}" if rules else "")),
        ("may be written to", wording.count(mailable), f"{wording.share(mailable, customers.count)} of them"),
    ]


def _scores(scores: Scores) -> list[Row]:
    rows = [(spread.name.lower(), wording.count(spread.scored), f"scored, median {spread.median:,.2f}") for spread in scores.spreads]
    rows += [(f"model {model.name}", model.status, model.reason) for model in scores.models if model.status == "abstained"]
    return rows or [("none", "–", "no model has been trained yet")]


def _segments(segments: Sequence[Segment]) -> list[Row]:
    rows = [(one.name, wording.count(one.size), f"customers, +{one.entered} −{one.exited} today") for one in segments]
    return rows or [("none", "–", "this shop has no segments")]


def _campaigns(campaigns: Sequence[Campaign]) -> list[Row]:
    rows = []
    for campaign in campaigns:
        for step in campaign.steps:
            held_out, before = sum(people for _, people in step.held_out), sum(step.mails[:-1])
            words = ["to send"] + ([f"{wording.count(before)} sent on the days before"] if before else [])
            words += [f"{wording.count(held_out)} held out"] if held_out else []
            words += [f"{wording.count(people)} excluded: {reason}" for reason, people in step.excluded]
            rows.append((f"{campaign.slug}, {step.step}", wording.count(step.sent), "; ".join(words)))
    return rows or [("none", "–", "this shop plans no campaign")]


def _files(exports: Exports) -> list[Row]:
    rows = []
    for place, destination in enumerate(exports.destinations):
        written = [feed.rows[place] for feed in exports.feeds]
        feeds = [rows for rows in written if rows is not None]
        rows.append((destination, wording.count(len(feeds)), f"feeds with {wording.count(sum(feeds))} rows"))
    return rows or [("none", "–", "nothing was written for the tools")]


def _aligned(rows: Iterable[Row]) -> list[str]:
    """Names to the left, numbers to the right, then the words."""
    rows = list(rows)
    names, numbers = max(len(name) for name, _, _ in rows), max(len(number) for _, number, _ in rows)
    return [f"{' ' * INDENT}{_plain(name):<{names}}  {_plain(number):>{numbers}}  {words}" for name, number, words in rows]


def _plain(text: str) -> str:
    """Text in which rich sees no markup."""
    return text.replace("[", "\\[")
