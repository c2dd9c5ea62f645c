"""dbt in this process: parsed once, then a second per build instead of six, with the events dagster-dbt makes of dbt's own.

A dbt command line per step imports and parses anew each time. dbt's programmatic runner takes a parsed project and shares the process; the store's
file is closed after each build, so that Python stages can open it.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dagster_project.progress import tell
from dagster_project.settings import DBT_PROJECT, Settings, silence_telemetry

silence_telemetry()

from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: E402  (imports read the telemetry switches)
from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.events.functions import msg_to_dict  # noqa: E402


class DbtFailed(RuntimeError):
    """A model or a test failed; the message lists which and why."""


@dataclass(frozen=True)
class ParsedProject:
    """The dbt project as dbt (`manifest`) and as Dagster (`nodes`, manifest.json) read it."""

    manifest: Manifest
    nodes: dict[str, Any]
    target: Path


@cache
def parse(settings: Settings) -> ParsedProject:
    """Parse the project; dbt's own partial parse makes this quick when nothing changed.

    Raises:
        DbtFailed: the project does not parse.
    """
    result = invoke(settings, ["parse"])
    target = target_of(settings)
    return ParsedProject(result.result, json.loads((target / "manifest.json").read_text()), target)


def target_of(settings: Settings) -> Path:
    return settings.store / "dbt"


def invoke(settings: Settings, arguments: Sequence[str], manifest: Manifest | None = None, on_event: Any = None) -> Any:
    """Run a dbt command on the store; the store's file is closed when this returns."""
    settings.store.mkdir(parents=True, exist_ok=True)
    os.environ["DEARLY_WAREHOUSE"] = str(settings.warehouse)
    os.environ["DEARLY_THREADS"] = str(settings.threads)
    target = target_of(settings)
    folders = [
        "--project-dir",
        str(DBT_PROJECT),
        "--profiles-dir",
        str(DBT_PROJECT),
        "--target-path",
        str(target),
        "--log-path",
        str(target),
    ]
    quiet = ["--quiet", "--log-level-file", "none"]
    try:
        result = dbtRunner(manifest=manifest, callbacks=[on_event] if on_event else []).invoke([*arguments, *folders, *quiet])
    finally:
        DuckDBConnectionManager.close_all_connections()
    if not result.success:
        raise DbtFailed(failure_of(result))
    return result


def failure_of(result: Any) -> str:
    if result.exception is not None:
        return f"dbt: {result.exception}"
    failed = [one for one in getattr(result.result, "results", []) if one.status in ("error", "fail", "runtime error")]
    return "dbt: " + "; ".join(f"{one.node.unique_id}: {one.message}" for one in failed)


def build(
    settings: Settings, select: Sequence[str], exclude_tests: bool = False, variables: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Build models (names) with their tests and yield dbt's structured events.

    Tests with several parents run where the last is built (`--indirect-selection buildable`), so each runs once. Unit tests are the test suite's.

    Raises:
        DbtFailed: after all events, when a model or a test failed.
    """
    events: list[dict[str, Any]] = []
    arguments = ["build" if not exclude_tests else "run", "--select", *select]
    if not exclude_tests:
        arguments += ["--indirect-selection", "buildable", "--exclude-resource-type", "unit_test"]
    if variables:
        arguments += ["--vars", json.dumps(variables)]

    # A build compiles into the manifest it is given, ephemeral models for good: each gets its own.
    def heard(event: Any) -> None:
        raw = msg_to_dict(event)
        node = raw.get("data", {}).get("node_info", {})
        if raw["info"]["name"] == "LogModelResult":
            tell(node["node_relation"]["schema"], node["node_name"])
        events.append(raw)

    try:
        invoke(settings, arguments, parse(settings).manifest.deepcopy(), heard)
    finally:
        yield from events
