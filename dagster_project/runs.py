"""What a run does, from the command line and from tests: which days, in which order, under Dagster."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import yaml

from dagster_project.definitions import build_definitions
from dagster_project.failures import NothingToRun, RunFailed
from dagster_project.files import write_whole
from dagster_project.lease import hold
from dagster_project.measurement.report import write_health
from dagster_project.privacy.erasing import finish_open
from dagster_project.progress import say
from dagster_project.resources import Store
from dagster_project.settings import Settings
from dagster_project.shop import Shop, load_shop
from dagster_project.sources.extracts import find_extracts
from dagster_project.sources.mapping import contracts_of
from dagster_project.stages import TO_MAILS, TO_SEGMENTS
from dagster_project.warehouse import Warehouse

Page = Callable[[Settings], Path]
DAGSTER_YAML = {
    "telemetry": {"enabled": False},
    # No form for an address in front of the UI.
    "nux": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1, "granularity": "run"}},
    "python_logs": {"python_log_level": "CRITICAL"},
    "run_monitoring": {"enabled": True, "max_runtime_seconds": 6 * 3600},
}


def dagster_home(settings: Settings) -> Path:
    """The instance folder that the command line and the UI share."""
    path = settings.dagster_home / "dagster.yaml"
    storage = {"module": "dagster_project.event_log", "class": "OpenStorage", "config": {"base_dir": str(settings.dagster_home)}}
    content = yaml.safe_dump(DAGSTER_YAML | {"storage": {"custom": storage}}).encode()
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
    return settings.dagster_home


def newest_extract(settings: Settings, shop: Shop) -> datetime | None:
    """When the newest extract at hand was pulled."""
    contracts = contracts_of(shop)
    times = [e.extracted_at for name in shop.sources for e in find_extracts(shop.extracts(name, settings.store), contracts[name])]
    return max(times, default=None)


def last_closed_day(settings: Settings, shop: Shop) -> date:
    """The last day of the shop whose night's extracts are at hand.

    Raises:
        NothingToRun: no day is.
    """
    newest = newest_extract(settings, shop)
    if newest is None:
        ways = "`dearly demo` makes them" if shop.generator else "shop.yaml says where they lie (sources: path)"
        raise NothingToRun(f"{shop.name} has no extracts yet: {ways}.")
    closed = [day for day in shop.days(newest.date()) if shop.moment(day).known_by <= newest]
    if not closed:
        raise NothingToRun(f"No day of {shop.name} ({shop.span}) is closed: the newest extract at hand is of {newest}.")
    return closed[-1]


def run_days(
    settings: Settings, days: Sequence[date], accept: Sequence[str] = (), accepted_by: str = "", pages: Sequence[Page] = (write_health,)
) -> None:
    """Build days: up to segments all at once, then campaigns to measurement one by one; then write `pages` about the newest.

    Raises:
        LeaseHeld: another run holds the store.
        RunFailed: a step failed.
    """
    refusal = load_shop(settings.shop_folder).refusal(settings.delivers_outside)
    if refusal:
        raise RunFailed(refusal)
    with hold(settings.store, f"dearly run of {settings.shop} as of {', '.join(str(day) for day in days)}"):
        definitions = build_definitions(settings, Store.of(settings, accept, accepted_by))
        warehouse = Warehouse.of(settings)
        warehouse.create()
        try:
            finish_open(settings, load_shop(settings.shop_folder))
        except ValueError as error:
            raise RunFailed(str(error)) from None
        # Each closing of the file writes the changes into it: once for all days, not once a day, and while pages are made.
        with instance_of(settings) as instance, warehouse.connect():
            say(f"{days[0]} to {days[-1]}: from extracts to segments" if len(days) > 1 else f"{days[0]}: from extracts to segments")
            span = {"dagster/asset_partition_range_start": str(days[0]), "dagster/asset_partition_range_end": str(days[-1])}
            execute(definitions, TO_SEGMENTS, instance, tags=span)
            for day in days:
                say(f"{day}: decisions, mails, exports, results")
                execute(definitions, TO_MAILS, instance, partition_key=str(day))
            say("pages to look at")
            with warehouse.settling():
                for write in pages:
                    write(settings)


def instance_of(settings: Settings) -> dg.DagsterInstance:
    """The instance that the command line and the UI share, to be closed (`with`)."""
    return dg.DagsterInstance.from_config(str(dagster_home(settings)))


def execute(
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    partition_key: str | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=partition_key, tags=tags, raise_on_error=False
    )
    refuse_failed(result)


def refuse_failed(result: dg.ExecuteInProcessResult) -> None:
    """Raise RunFailed, with what each failed step says, unless all went well."""
    if not result.success:
        failed = [event for event in result.all_events if event.is_step_failure]
        causes = "; ".join(f"{event.step_key}: {cause_of(event)}" for event in failed)
        raise RunFailed(causes or "the run failed before its first step")


def cause_of(event: dg.DagsterEvent) -> str:
    """The innermost error's message."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "unknown"
