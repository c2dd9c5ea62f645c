"""What a training leaves behind: rows of the model log, artifacts, and MLflow as their record."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.progress import say
from dagster_project.scores.model_log import Row, newest_promoted
from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.backtest import Performance, as_plain, performance_of, turned
from ml.boosting import SETTINGS
from ml.brought import BroughtModel
from ml.clusters import ClusterModel
from ml.customer_scores import Trained
from ml.drivers import importance
from ml.model_card import Card, write_card
from ml.plots import draw_performance
from ml.promotion import Gaps, Verdict
from ml.propensity import PropensityModel
from ml.registry import Account, Registry
from ml.season import NO_SEASON, Season
from ml.store import RefusedArtifact, keep, load, place

Fitted = Trained | PropensityModel | ClusterModel
# What may stand: also a model that was trained elsewhere.
Standing = Fitted | BroughtModel
Model = Fitted | Abstained

OUTPUTS = {
    "churn": ("churn_probability",),
    "purchase": ("churn_probability",),
    "value": tuple(f"{name}_{part}" for name in ("value", "clv_365d") for part in ("amount", "median", "low", "high")),
}


@dataclass(frozen=True)
class Recorder:
    """Where a training goes: artifacts, MLflow, rows. `data_version` is the hash of what the training read."""

    artifacts: Path
    registry: Registry
    shop: str
    training: Training
    data_version: str

    def rows(self, model: str, trained: Model, standing: Standing | None, scores: bool = True) -> list[Row]:
        """The model log's rows of one model's training. `standing` is the champion, `scores` whether it still does."""
        if isinstance(trained, Abstained):
            return [self._row(model, "baseline" if trained.is_verdict else "challenger", status="abstained", reason=trained.reason)]
        verdict = trained.verdict
        if verdict is None or verdict.promoted:
            return [self._trained(model, "challenger", trained, trained, promoted=True, reason=reason_of(trained))]
        refused = f"{verdict.stays} stays: {verdict.reason}"
        if not isinstance(trained, Trained):
            rows = [self._trained(model, "challenger", trained, trained, promoted=False, reason=refused)]
            if verdict.stays == "baseline":
                return [*rows, self._row(model, "baseline", status="abstained", reason=refused)]
            if isinstance(standing, PropensityModel | ClusterModel) and not scores:
                rows.append(self._trained(model, "champion", standing, standing, promoted=True, reason="the champion scores again"))
            return rows
        if trained.rehearsal is None:
            # Nothing was trained, as nothing could have been compared.
            rows = [self._row(model, "challenger", status="not compared", reason=refused)]
        else:
            judged = Trained(trained.name, trained.trained_as_of, trained.rehearsal, verdict)
            rows = [self._trained(model, "challenger", judged, trained, promoted=False, reason=refused)]
        # A baseline has nothing of its own but the season it is moved by.
        again = trained.standing
        if isinstance(standing, Trained) and again is not None and again.season != season_of(standing):
            champion = replace(standing, model=again)
            rows.append(
                self._trained(model, "champion", champion, champion, promoted=True, reason="the champion stays, at the season's level")
            )
        stands = isinstance(standing, Trained) and (verdict.stays == "champion" or standing.model == trained.model)
        if not stands:
            baseline = Trained(trained.name, trained.trained_as_of, trained.model, None)
            rows.append(self._trained(model, "baseline", baseline, baseline, promoted=True, reason=f"BG/NBD stays: {verdict.reason}"))
        return rows

    def _row(self, model: str, candidate: str, **said: object) -> Row:
        moment = {"trained_as_of": self.training.moment.as_of, "effective_from": self.training.effective_from}
        empty = {"artifact_sha256": None, "promoted": False, "metrics": None}
        return {"model": model, "candidate": candidate, **moment, **empty, **said}

    def _trained(self, model: str, candidate: str, kept: Fitted, examined: Fitted, promoted: bool, reason: str) -> Row:
        """Keep the artifact, tell MLflow, and say it in a row."""
        season = season_of(kept)
        reason = reason if season == NO_SEASON else f"{reason}; for the time of year {season_said(season)}"
        sha256 = keep(kept, self.artifacts / model)
        measures = measures_of(examined, is_opposite=bool(model in SCORE_MODELS and SCORE_MODELS[model].opposite_of))
        self.registry.record(model, kept, self._account(model, candidate, kept, measures, promoted, reason), promoted)
        metrics = json.dumps(measures, sort_keys=True) if measures else None
        return self._row(model, candidate, artifact_sha256=sha256, promoted=promoted, status="trained", reason=reason, metrics=metrics)

    def _account(self, model: str, candidate: str, kept: Fitted, measures: Mapping[str, Any], promoted: bool, reason: str) -> Account:
        planned = self.training.plans[model]
        inner = kept.model if isinstance(kept, Trained) else kept
        columns = inner.columns
        params: dict[str, str | int | float] = {
            "shop": self.shop,
            "candidate": candidate,
            "recipe": type(inner).__name__,
            "trained_as_of": f"{self.training.moment.as_of:%Y-%m-%dT%H:%M:%SZ}",
            "data_sha256": self.data_version,
            "as_of_days": " ".join(f"{day:%Y-%m-%d}" for day in planned.days),
            "season": season_said(season_of(kept)),
            "backtest_day": f"{planned.backtest_day:%Y-%m-%d}" if planned.backtest_day else "",
            "horizon_days": planned.horizon_days,
            "horizons": " ".join(map(str, planned.horizons)),
            "columns": len(columns),
            **{f"trees_{name}": value for name, value in SETTINGS.items()},
        }
        card = Card(
            score=model,
            outcome=SCORE_MODELS[model].predicts if model in SCORE_MODELS else "",
            facts={
                name: str(params[name])
                for name in ("shop", "trained_as_of", "horizon_days", "as_of_days", "season", "backtest_day", "data_sha256")
            },
            metrics={name: (values[0], values[1], values[2]) for name, values in measures.get("measures", {}).items()},
            drivers=measures.get("drivers", {}),
            reason=reason,
            promoted=promoted,
        )
        files = {"model_card.md": write_card(card).encode()}
        if measures.get("curves"):
            title = f"{model}, back-test of {params['backtest_day']}"
            files["plots/performance.png"] = draw_performance(title, measures["curves"], measures.get("drivers", {}))
        outputs = OUTPUTS.get(model, (f"{model}_probability",))
        return Account(params=params, metrics=numbers_of(measures), files=files, columns=columns, outputs=outputs)


def numbers_of(measures: Mapping[str, Any]) -> dict[str, float]:
    """The measures as a run logs them, with the ends of their intervals; where none was worked out these are the estimate, and are left out."""
    numbers: dict[str, float] = {f"importance.{name.replace(' ', '_')}": loss for name, loss in measures.get("drivers", {}).items()}
    for part in ("measures", "gains", "gains_on_champion"):
        for name, (estimate, low, high) in measures.get(part, {}).items():
            named = name if part == "measures" else f"{name}_{part.replace('gains', 'gain')}"
            numbers |= {named: estimate} if low == high else {named: estimate, f"{named}_low": low, f"{named}_high": high}
    return numbers


def measures_of(trained: Fitted, is_opposite: bool = False) -> dict[str, Any]:
    """What was measured on the back-test: `measures` and `gains` (estimate, low, high), `curves`, and `drivers` by what the order loses
    without them. `is_opposite`: the model says how likely the opposite is of what its score names, which is what is measured; the gains are
    those of the verdict, the same of either."""
    if isinstance(trained, ClusterModel):
        mean, worst = trained.agreement
        return {"measures": {"agreement": as_plain((mean, worst, mean))}}
    if isinstance(trained, PropensityModel):
        numbers = {"auc": trained.auc, "log_loss": trained.log_loss, "base_log_loss": trained.base_log_loss}
        return {"measures": {name: as_plain((value, value, value)) for name, value in numbers.items()}}
    if trained.tested is None or trained.verdict is None:
        return {}
    tested = turned(trained.tested) if is_opposite else trained.tested
    found = performance_of(tested)
    drivers = importance(trained.rehearsal, tested.day, tested.features, tested.truth)
    return plain_measures(found, trained.verdict) | {"drivers": drivers}


def plain_measures(found: Performance, verdict: Verdict) -> dict[str, Any]:
    def plain(gaps: Gaps) -> dict[str, list[float]]:
        return {name: as_plain(gap) for name, gap in gaps.items()}

    return {
        "measures": plain(found.metrics),
        "gains": plain(verdict.differences),
        "curves": {name: [as_plain(point) for point in points] for name, points in found.curves.items()},
    } | ({"gains_on_champion": plain(verdict.to_champion)} if verdict.to_champion else {})


def reason_of(trained: Fitted) -> str:
    """Why a model was promoted."""
    if isinstance(trained, Trained):
        return trained.verdict.reason if trained.verdict else ""
    held = f"; {trained.verdict.reason}" if trained.verdict else ""
    if isinstance(trained, ClusterModel):
        mean, worst = trained.agreement
        return f"{len(trained.names)} groups; customers drawn anew fall into the same: {mean:.2f}, at worst {worst:.2f}{held}"
    gain = trained.base_log_loss - trained.log_loss
    return f"AUC {trained.auc:.3f}, log-loss {gain:.4f} better than everyone's rate on what it had not seen{held}"


def season_of(kept: Fitted) -> Season:
    """By what the time of year moves a model's level."""
    season = getattr(kept.model, "season", NO_SEASON) if isinstance(kept, Trained) else NO_SEASON
    return season if isinstance(season, Season) else NO_SEASON


def season_said(season: Season) -> str:
    """The same for a person: what the odds of buying, or the value, are multiplied by."""
    if season == NO_SEASON:
        return "not moved"
    year = f", a year's value x {math.exp(season.year):.2f}" if season.year else ""
    return f"x {math.exp(season.horizon):.2f}{year}"


def champions(warehouse: Warehouse, artifacts: Path, as_of: datetime) -> dict[str, Standing]:
    """The models that scored last by a moment, read from their artifacts. A training that abstained does not make them forgotten: the next
    challenger is held against them, and groups keep their names."""
    found: dict[str, Standing] = {}
    for model, sha256 in newest_promoted(warehouse, as_of).items():
        try:
            found[model] = load(place(artifacts / model, sha256), sha256)
        except RefusedArtifact as error:
            say(f"{model} is trained without a champion to meet: its files are lost or changed ({error})")
    return found
