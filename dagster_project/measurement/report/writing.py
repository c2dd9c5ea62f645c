"""Putting the sections on the page, and the page into the store."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dagster_project.files import write_whole
from dagster_project.measurement.report import drawing, wording
from dagster_project.measurement.report.campaigns import read_campaigns, read_exports
from dagster_project.measurement.report.customers import read_customers
from dagster_project.measurement.report.funnel import read_funnel
from dagster_project.measurement.report.health import read_health
from dagster_project.measurement.report.mails import read_mails
from dagster_project.measurement.report.people import SEARCHABLE, as_script, read_examples, read_people
from dagster_project.measurement.report.reading import Reading, newest_day
from dagster_project.measurement.report.results import read_results
from dagster_project.measurement.report.scores import read_scores
from dagster_project.measurement.report.segments import read_segments
from dagster_project.measurement.report.sources import read_sources
from dagster_project.moments import day_of
from dagster_project.settings import Settings

PAGE = Path(__file__).parent / "page"


def write_report(settings: Settings) -> Path:
    """Write `<store>/report/index.html` about the newest built day and return its path. The same store gives the same bytes.

    The file holds mails as they were rendered, first names included: it belongs where the exports are.

    Raises:
        NothingPublished: no day is built.
        LeaseHeld: a run is writing right now.
    """
    with newest_day(settings, "dearly report") as reading:
        page = page_of(reading)
    path = settings.report
    write_whole(path, page.encode())
    return path


def page_of(reading: Reading) -> str:
    """The whole page."""
    day, known_until = wording.moment_in_words(reading.moment, reading.shop.zone)
    people = read_people(reading)
    context: dict[str, Any] = {
        "shop": reading.shop,
        "day": day,
        "known_until": known_until,
        "built": [wording.day_in_words(day_of(as_of, reading.shop.zone)) for as_of in reading.days],
        "funnel": read_funnel(reading),
        "sources": read_sources(reading),
        "customers": read_customers(reading),
        "scores": read_scores(reading),
        "channel_names": wording.CHANNEL_NAMES,
        "segments": read_segments(reading),
        "campaigns": read_campaigns(reading),
        "exports": read_exports(reading),
        "mails": read_mails(reading),
        "results": read_results(reading),
        "people": as_script(people) if people else None,
        "examples": read_examples(reading),
        "searchable": SEARCHABLE,
        "draw": drawing,
        "part": drawing.Part,
        "share": wording.share,
        "money": wording.money,
        "signed": wording.signed,
        "style": (PAGE / "report.css").read_text(),
        "script": (PAGE / "search.js").read_text(),
    }
    return environment_of(reading).get_template("index.html.j2").render(context)


def environment_of(reading: Reading) -> Environment:
    """Templates of the pages, with numbers and days as a person reads them."""
    loader = FileSystemLoader(PAGE)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["accepting"] = wording.ACCEPTING
    environment.filters |= {
        "count": wording.count,
        "title_of": wording.title,
        "sentence": wording.sentence,
        "day": wording.day_in_words,
        "day_ended": lambda instant: wording.day_in_words(day_of(instant, reading.shop.zone)),
    }
    return environment


def write_health(settings: Settings) -> Path:
    """Write `<store>/report/health_<day>.html`, the data health of the newest built day's night, and return its path.

    Raises:
        NothingPublished: no day is built.
        LeaseHeld: a run is writing right now.
    """
    with newest_day(settings, "dearly health") as reading:
        health = read_health(reading)
        day, known_until = wording.moment_in_words(reading.moment, reading.shop.zone)
        page = (
            environment_of(reading)
            .get_template("health.html.j2")
            .render(
                shop=reading.shop,
                day=day,
                known_until=known_until,
                health=health,
                nights=[one.night for one in health.tables if one.night],
                hours=wording.hours,
                share=wording.share,
                draw=drawing,
                part=drawing.Part,
                style=(PAGE / "report.css").read_text(),
            )
        )
        path = settings.store / "report" / f"health_{day_of(reading.moment.as_of, reading.shop.zone)}.html"
    write_whole(path, page.encode())
    return path
