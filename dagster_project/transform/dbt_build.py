"""dbt in this process: parsed once, then a second per build instead of six, with the events dagster-dbt makes of dbt's own.

A dbt command line per step imports and parses anew each time. dbt's programmatic runner takes a parsed project and shares the process and, in a
run, the store's open file.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster_project.files import make_folder_whole
from dagster_project.progress import tell
from dagster_project.settings import DBT_PROJECT, Settings, memory_megabytes, silence_telemetry
from dagster_project.transform.news import without_news
from dagster_project.warehouse import Warehouse

silence_telemetry()

from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: E402  (imports read the telemetry switches)
from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.events.functions import msg_to_dict  # noqa: E402

PARSED = DBT_PROJECT / "target" / "parsed"
# Parsed projects kept, and in a store what dbt ran of them: as many versions of the models as somebody switches between.
KEPT = 4
# What dbt says of a model that is built and of a test that is run.
RESULTS = ("LogModelResult", "LogTestResult")
# Parsing opens no warehouse, and dbt takes only the database's name from its path: every store's is the same.
NO_STORE = Path("warehouse.duckdb")


class DbtFailed(RuntimeError):
    """A model or a test failed; the message lists which and why."""


@dataclass(frozen=True)
class ParsedProject:
    """The dbt project as dbt (`manifest`) and as Dagster (`nodes`, manifest.json) read it, and the hash of its files."""

    version: str
    manifest: Manifest
    nodes: dict[str, Any]


@cache
def parse() -> ParsedProject:
    """Parse the project, or read what was parsed of the same files: every store has the same models.

    Raises:
        DbtFailed: the project does not parse.
    """
    version = fingerprint()
    folder = PARSED / version
    if not (folder / "manifest.json").exists():
        make_folder_whole(folder, lambda unfinished: invoke(NO_STORE, 2, unfinished, ["parse"]))
        forget_old(PARSED)
    result = invoke(NO_STORE, 2, folder, ["--no-write-json", "parse"])
    return ParsedProject(version, result.result, json.loads((folder / "manifest.json").read_text()))


def table_descriptions() -> dict[tuple[str, str], str]:
    """What a row is of each table that models read and dbt does not build, by schema and name."""
    return {(table["schema"], table["name"]): " ".join(table["description"].split()) for table in parse().nodes["sources"].values()}


def forget_old(folder: Path) -> None:
    """Keep the newest versions in a folder of them. Another process may be making or forgetting some at the same time."""
    whole = []
    for path in folder.glob("[!.]*"):
        with suppress(FileNotFoundError):
            whole.append((path.stat().st_mtime, path))
    for _, path in sorted(whole)[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)


def fingerprint() -> str:
    """The project's files and the dbt that reads them."""
    digest = hashlib.sha256(version("dbt-core").encode())
    paths = [
        *DBT_PROJECT.glob("*.yml"),
        *(path for name in ("models", "macros", "tests") for path in (DBT_PROJECT / name).rglob("*")),
    ]
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(f"{path.relative_to(DBT_PROJECT)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def invoke(
    warehouse: Path, threads: int, target: Path, arguments: Sequence[str], manifest: Manifest | None = None, on_event: Any = None
) -> Any:
    """Run a dbt command on a warehouse; its connections are closed when this returns."""
    os.environ["DEARLY_WAREHOUSE"] = str(warehouse)
    os.environ["DEARLY_THREADS"] = str(threads)
    os.environ["DEARLY_MEMORY"] = str(memory_megabytes())
    target.mkdir(parents=True, exist_ok=True)
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
    # What fails is in the result and what happens in the events: a line of text made of each event would be a tenth of a small night.
    quiet = ["--log-level", "none", "--log-level-file", "none"]
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
    settings: Settings,
    select: Sequence[str],
    exclude_tests: bool = False,
    variables: Mapping[str, Any] | None = None,
    full_refresh: bool = False,
    on_event: Callable[[Any], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Build those of some models (names) that have news, with the tests of all of them, and yield dbt's structured results.

    Unit tests are the test suite's.

    Raises:
        DbtFailed: after all results, when a model or a test failed.
    """
    results: list[dict[str, Any]] = []
    parsed = parse()
    said = json.dumps(variables or {}, sort_keys=True)
    target = settings.store / "dbt" / hashlib.sha256(f"{parsed.version} {said}".encode()).hexdigest()[:16]
    models = {node["unique_id"] for node in parsed.nodes["nodes"].values() if is_model(node) and node["name"] in select}
    asked = set(models) if exclude_tests else models | tests_of(models, parsed.nodes)
    if not full_refresh:
        asked -= without_news(Warehouse(settings.warehouse, settings.threads), target, parsed.nodes["nodes"], models)
    # A build compiles into the manifest it is given, ephemeral models for good: each gets its own. Names are compared with all names: one tag is not.
    manifest = parsed.manifest.deepcopy()
    for name in asked:
        manifest.nodes[name].tags.append("asked")
    # What dbt would write about each build (its manifest once more, its results) nobody reads: the events say it.
    arguments = ["--no-write-json", "build", "--select", "tag:asked", "--indirect-selection", "empty", "--vars", said]
    if full_refresh:
        arguments.append("--full-refresh")

    def heard(event: Any) -> None:
        if on_event is not None:
            on_event(event)
        if event.info.name in RESULTS:
            result = msg_to_dict(event)
            node = result["data"]["node_info"]
            if event.info.name == "LogModelResult":
                tell(node["node_relation"]["schema"], node["node_name"])
            results.append(result)

    try:
        invoke(settings.warehouse, settings.threads, target, arguments, manifest, heard)
        os.utime(target)
        forget_old(target.parent)
    finally:
        yield from results


def is_model(node: Mapping[str, Any]) -> bool:
    """Whether a node of dbt's is a model that leaves something in the store."""
    return node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"


def tests_of(models: set[str], nodes: Mapping[str, Any]) -> set[str]:
    """The tests of some models that read nothing which is built after these: one with several parents runs where the last is built, so each runs once."""
    before, ahead = set(nodes["sources"]), list(models)
    while ahead:
        if (name := ahead.pop()) not in before:
            before.add(name)
            ahead += nodes["parent_map"][name]
    parents = {name: set(nodes["parent_map"][name]) for name, node in nodes["nodes"].items() if node["resource_type"] == "test"}
    return {test for test, read in parents.items() if read & models and read <= before}
