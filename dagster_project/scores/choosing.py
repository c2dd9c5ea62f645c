"""Which model scores, when a person says so: a roll-back, or another version of the registry, from the next day on.

A choice is a row of the model log in force after the newest built day, so no built day changes. MLflow's `champion` alias is the same choice: moved
there, it is followed by the next run; chosen here, it is moved.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from dagster_project.built_days import newest
from dagster_project.moments import day_of
from dagster_project.progress import say
from dagster_project.scores.model_log import Row, append, in_force, logged
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.brought import BroughtModel, bring
from ml.registry import Registered, Registry, Unreachable
from ml.store import keep, place

# What was to score, newest first: the present, and before a person's choice the one that it took the place of.
STOOD = """
select artifact_sha256, candidate = 'person' and not contains(reason, 'rolled back') from scores.model_log
where model = ? and promoted and effective_from <= ? order by effective_from desc, entry desc
"""
# What has scored before a training day, newest training first.
EARLIER = """
select artifact_sha256 from scores.model_log
where model = ? and promoted and artifact_sha256 <> ? and trained_as_of < (select max(trained_as_of) from scores.model_log where artifact_sha256 = ?)
group by artifact_sha256 order by max(trained_as_of) desc, artifact_sha256
"""
TRAINED = "select max(trained_as_of) from scores.model_log where artifact_sha256 = ?"
# Why a model may not score: the rule refused it, and nobody let it all the same.
REFUSAL = """
select max_by(reason, entry) from scores.model_log where model = ? and artifact_sha256 = ? having not bool_or(promoted)
"""


class NoSuchModel(ValueError):
    """There is nothing to choose; the message says what there is."""


class RefusedModel(ValueError):
    """The rule refused it; the message says why."""


def registry_of(settings: Settings, shop: Shop) -> Registry:
    """The MLflow store of a shop's store."""
    return Registry(settings.tracking_uri, settings.tracked_files, shop.name)


def next_day(warehouse: Warehouse, shop: Shop) -> datetime:
    """The moment of the first day that is not built: the earliest that a choice of now may touch."""
    as_of = newest(warehouse)
    day = day_of(as_of, shop.zone) + timedelta(days=1) if as_of else shop.first_day
    return shop.moment(day).as_of


def roll_back(warehouse: Warehouse, shop: Shop, registry: Registry, artifacts: Path, model: str, by: str) -> Registered:
    """Let the model that scored before the present one score again: what a person's choice took the place of, else one trained earlier.

    Raises:
        NoSuchModel: none did.
    """
    since = next_day(warehouse, shop)
    present = present_of(warehouse, shop, model, since)
    stood = warehouse.rows(STOOD, [model, since])
    if stood and stood[0] == (present, True):
        earlier = [sha256 for sha256, _ in stood if sha256 != present]
    else:
        earlier = [sha256 for (sha256,) in warehouse.rows(EARLIER, [model, present, present])]
    if not earlier:
        raise NoSuchModel(f"No model of {model} was trained and promoted before the present one: there is nothing to roll back to.")
    version = next(one for one in registry.versions(model) if one.sha256 == earlier[0])
    return choose(warehouse, registry, artifacts, version, since, f"rolled back by {by}")


def present_of(warehouse: Warehouse, shop: Shop, model: str, since: datetime) -> str | None:
    """The SHA-256 of what scores from a moment on; None where it abstains.

    Raises:
        NoSuchModel: the shop has no model of that name.
    """
    present = {one.model: one.sha256 for one in in_force(warehouse, since)}
    if model not in present:
        raise NoSuchModel(f"{shop.name} has no model {model!r}; it has {', '.join(sorted(present)) or 'none: no training day was built'}.")
    return present[model]


def refusal_of(warehouse: Warehouse, version: Registered) -> str | None:
    """Why a version was refused when it was trained; None for one that may score."""
    found = warehouse.rows(REFUSAL, [version.name, version.sha256])
    return str(found[0][0]) if found else None


def choose_version(
    warehouse: Warehouse, shop: Shop, registry: Registry, artifacts: Path, model: str, version: str, by: str, anyway: bool = False
) -> Registered:
    """Let a version of the registry score; one that was refused when it was trained only `anyway`.

    Raises:
        NoSuchModel: the shop has no such model, or the registry no such version.
        RefusedModel: it did not win when it was trained.
    """
    since = next_day(warehouse, shop)
    present_of(warehouse, shop, model, since)
    versions = registry.versions(model)
    found = [one for one in versions if one.version == version]
    if not found:
        there = ", ".join(one.version for one in versions) or "none, as nothing was trained"
        raise NoSuchModel(f"The registry has no version {version} of {model}; it has {there}.")
    refusal = refusal_of(warehouse, found[0])
    if refusal and not anyway:
        raise RefusedModel(
            f"Version {version} of {model} was refused when it was trained: {refusal}. With --anyway it scores all the same."
        )
    return choose(warehouse, registry, artifacts, found[0], since, f"chosen by {by}" + (f", although {refusal}" if refusal else ""))


def follow_aliases(warehouse: Warehouse, shop: Shop, registry: Registry, artifacts: Path, moments: Sequence[datetime]) -> list[Registered]:
    """Take over the champions that somebody moved in MLflow, from the run's first day that was never built; return them. An alias moved to a version
    that was refused moves back."""
    since = next_day(warehouse, shop)
    unbuilt = [moment for moment in moments if moment >= since]
    followed = []
    for standing in in_force(warehouse, min(unbuilt)) if unbuilt else []:
        if standing.model in shop.brought_models:
            continue
        moved = registry.by_alias(standing.model)
        # A version that the log does not know is the trace of a training that was killed: it will be trained again.
        if standing.sha256 and moved and moved.sha256 != standing.sha256 and warehouse.rows(TRAINED, [moved.sha256])[0][0]:
            if refusal := refusal_of(warehouse, moved):
                back = next((one for one in registry.versions(standing.model) if one.sha256 == standing.sha256), None)
                if back:
                    registry.point(standing.model, back.version)
                say(f"{standing.model} is scored as before: its alias was moved to version {moved.version}, and {refusal}")
                continue
            followed.append(choose(warehouse, registry, artifacts, moved, min(unbuilt), "its alias was moved in MLflow"))
    return followed


def follow_brought(warehouse: Warehouse, shop: Shop, registry: Registry, artifacts: Path, moments: Sequence[datetime]) -> pa.Table:
    """Take over the models that the shop brings, from the run's first day that was never built: a row where another version scores from now
    on, or where one can no longer be used; return the rows."""
    since = next_day(warehouse, shop)
    unbuilt = [moment for moment in moments if moment >= since]
    standing = {one.model: one for one in in_force(warehouse, min(unbuilt))} if unbuilt else {}
    rows: list[Row] = []
    for name, stated in shop.brought_models.items() if unbuilt else ():
        home = replace(registry, tracking_uri=stated.tracking_uri) if stated.tracking_uri else registry
        stands = standing.get(name)
        found, away = None, ""
        try:
            found = home.foreign(stated.registry_name, stated.alias)
        except Unreachable as error:
            # What is at hand goes on scoring until MLflow answers again.
            if stands and stands.sha256:
                continue
            away = str(error)
        if found is None:
            brought: BroughtModel | Abstained = Abstained(away or f"MLflow has no {stated.registry_name} with the alias {stated.alias}")
        elif found.content is None:
            brought = Abstained(found.refusal)
        else:
            brought = bring(stated.registry_name, found.version, found.content, stated.columns, stated.gives)
        sha256 = None if isinstance(brought, Abstained) else keep(brought, artifacts / name)
        reason = brought.reason if isinstance(brought, Abstained) else f"version {brought.version} of {brought.name}, trained elsewhere"
        if stands and (stands.sha256, stands.reason) == (sha256, reason):
            continue
        rows.append(
            {
                "model": name,
                "candidate": "brought",
                "trained_as_of": min(unbuilt),
                "effective_from": min(unbuilt),
                "artifact_sha256": sha256,
                "promoted": sha256 is not None,
                "status": "trained" if sha256 else "abstained",
                "reason": reason,
                "metrics": None,
            }
        )
    added = logged(rows)
    if rows:
        append(warehouse, added)
    return added


def choose(warehouse: Warehouse, registry: Registry, artifacts: Path, version: Registered, since: datetime, reason: str) -> Registered:
    """Log the choice, move the alias, and see that the artifact is at hand (whole: its SHA-256 is checked)."""
    model, sha256 = version.name, version.sha256
    if not place(artifacts / model, sha256).exists():
        keep(registry.fetch(version), artifacts / model)
    ((trained_as_of,),) = warehouse.rows(TRAINED, [sha256])
    row: Row = {
        "model": model,
        "candidate": "person",
        "trained_as_of": trained_as_of or since,
        "effective_from": since,
        "artifact_sha256": sha256,
        "promoted": True,
        "status": "trained",
        "reason": f"version {version.version}, {reason}",
        "metrics": None,
    }
    append(warehouse, logged([row]))
    registry.point(model, version.version)
    return version
