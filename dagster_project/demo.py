"""`make demo`: a shop from nothing to mails, in one go; a second time it says that there is nothing to do."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

from dagster_project.failures import RunFailed
from dagster_project.files import make_folder_whole, write_whole
from dagster_project.progress import say
from dagster_project.settings import DBT_PROJECT, REPOSITORY, TEMPLATES, Settings
from dagster_project.shop import Shop

# How many days the demo builds: enough for segments to have entries and exits, and for the win-back's second mail, three days after its first.
DAYS = 4
# What takes seconds to load: everything that a run needs, Dagster and dbt among it, and Great Expectations.
SLOW_TO_LOAD = ("dagster_project.runs", "dagster_project.sources.suites")


@dataclass(frozen=True)
class Made:
    """What a demo run did: the days it built (none when everything was there) and where the report is."""

    days: list[date]
    report: Path


def state_of(settings: Settings, days: list[date]) -> str:
    """A fingerprint of everything the demo depends on: code, models, templates, the shop, and the days."""
    digest = hashlib.sha256(",".join(map(str, days)).encode())
    folders = [DBT_PROJECT / "models", DBT_PROJECT / "macros", TEMPLATES, settings.shop_folder]
    folders += [REPOSITORY / "dagster_project", REPOSITORY / "ml", REPOSITORY / "simulator"]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def generate_extracts(settings: Settings, shop: Shop) -> None:
    """Make the demo shop's extracts, whole or not at all: a folder half made by a killed run is made anew."""
    raw = settings.store / "raw"
    if shop.generator is None or shop.last_day is None or raw.exists():
        return
    say(f"making {shop.generator.get('customers')} customers and {shop.generator.get('months')} months of their life")
    last_day = shop.last_day.isoformat()
    options = [word for name, value in shop.generator.items() for word in (f"--{name}", str(int(value)))]
    make_folder_whole(raw, lambda unfinished: simulate(settings, unfinished, [*options, "--last-day", last_day]))


def simulate(settings: Settings, folder: Path, options: list[str]) -> None:
    """Generate in a process of its own, while this one loads the libraries and the definitions that a run needs.

    Raises:
        RunFailed: the generator failed; it has said why.
    """
    command = [sys.executable, "-m", "simulator", str(folder), *options]
    with subprocess.Popen(command, cwd=REPOSITORY) as simulator:
        from dagster_project.definitions import build_definitions

        build_definitions(settings)
        for name in SLOW_TO_LOAD:
            import_module(name)
    if simulator.returncode:
        raise RunFailed(f"{' '.join(command[1:])} ended with {simulator.returncode}; what it said stands above.")


def run_demo(settings: Settings, shop: Shop) -> Made:
    """Generate, build the last days, write the report. Nothing is done twice: the same code on the same store ends at once."""
    assert shop.last_day is not None, "the demo's shop has a last day"
    days = [shop.last_day - timedelta(days=n) for n in reversed(range(DAYS))]
    report = settings.report
    done = settings.store / "demo.json"
    state = state_of(settings, days)
    if done.exists() and report.exists() and json.loads(done.read_text())["state"] == state:
        return Made([], report)
    generate_extracts(settings, shop)
    from dagster_project.measurement.report import write_health, write_report
    from dagster_project.runs import run_days

    run_days(settings, days, pages=(write_health, write_report))
    write_whole(done, json.dumps({"state": state}).encode())
    return Made(days, report)
