"""What is likely: the spread of each score on the day, which model gave it, and how well that model did on what it had not seen."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from dagster_project.measurement.report.reading import Reading
from dagster_project.scores.score_models import SCORE_MODELS

TABLE = "scores.customer_scores"
# Column → what it is called, what it means and what it counts in: a probability (0 to 1) or an amount of money.
SCORES = {model.column: (model.title, model.meaning, model.unit) for model in SCORE_MODELS.values() if model.title}
BINS = 20
# How measures end of which less is better.
LESS_IS_BETTER = ("loss", "brier", "mae")
DRIFT = """
select model, name, stability_index from scores.drift where as_of = $as_of and stability_index > 0.1
order by stability_index desc, model, name
"""
SINCE = """
select min(as_of) from scores.customer_scores
where as_of < $as_of and as_of >= $as_of - interval '8 days' and churn_probability is not null
"""
MOVERS = """
with moved as (
    select now.as_of, now.customer_id, before.churn_probability as before, now.churn_probability as now
    from scores.customer_scores as now
    inner join scores.customer_scores as before on now.customer_id = before.customer_id and before.as_of = timestamp '{since}'
    where now.as_of = $as_of and abs(now.churn_probability - before.churn_probability) >= 0.05
)
select moved.customer_id, moved.before, moved.now, coalesce(reasons.reason, '')
from moved
left join scores.score_reasons as reasons
    on moved.as_of = reasons.as_of and moved.customer_id = reasons.customer_id and reasons.score = 'churn_probability' and reasons.rank = 1
order by abs(moved.now - moved.before) desc, moved.customer_id limit 8
"""
MEASURE_NAMES = {
    "auc": "AUC", "pr_auc": "PR-AUC", "log_loss": "log-loss", "base_log_loss": "log-loss of one rate for all", "brier": "Brier",
    "spearman": "Spearman", "gini": "Gini", "mae": "mean error", "bias": "bias of the total", "wait_log_loss": "log-loss of the wait",
}  # fmt: skip
# The curves that the page draws, with what lies across and up; the others are in MLflow.
DRAWN = (("lift", "share of customers", "share of the outcome"), ("calibration", "predicted", "came true"))
# A model may have been chosen again later: what was measured when it was trained still holds.
MODELS = """
select models.model, models.trained_as_of, models.status, coalesce(models.reason, ''), max(log.metrics)
from scores.daily_models as models left join scores.model_log as log using (model, artifact_sha256)
where models.as_of = $as_of group by all order by models.model
"""
REFUSED = """
select model, reason from scores.model_log
where effective_from <= $as_of and status in ('trained', 'not compared')
qualify row_number() over (partition by model order by trained_as_of desc, candidate desc) = 1 and not promoted
order by model
"""


@dataclass(frozen=True)
class Spread:
    """How a score is spread: `counts` over BINS equal steps from `low` to `high`; the last one holds what lies beyond, too. `without` are those who
    may be profiled and have no such score: it is not about them (who never bought cannot churn), or the model abstained."""

    column: str
    name: str
    meaning: str
    unit: str
    scored: int
    without: int
    median: float
    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Curve:
    """A named line of a back-test: pairs (predicted, what came true) or (share of customers, share of the outcome)."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Estimate:
    """A measure of the back-test, or by how much it differs from the champion's or the baseline's, with the ends of its interval."""

    name: str
    estimate: float
    low: float
    high: float

    @property
    def measure(self) -> str:
        """What is measured, as it is called on the page. Of a difference the name begins with its model (churn_auc, next_order_log_loss)."""
        known = [name for name in MEASURE_NAMES if self.name == name or self.name.endswith(f"_{name}")]
        return MEASURE_NAMES[max(known, key=len)] if known else self.name

    @property
    def interval(self) -> str:
        """The interval in words; empty where none was worked out, which leaves its ends at the estimate."""
        return "" if self.low == self.high else f"95 % interval {self.low:.3f} to {self.high:.3f}"

    @property
    def tone(self) -> str:
        """Of a difference: `good` or `bad` when the interval leaves out none; of losses and errors, less is better."""
        better = -1 if self.name.endswith(LESS_IS_BETTER) else 1
        ends = sorted((better * self.low, better * self.high))
        return "good" if ends[0] > 0 else "bad" if ends[1] < 0 else "calm"


@dataclass(frozen=True)
class Measures:
    """What a log entry's metrics say of the back-test; `drivers` are names with what the order loses without them, strongest first."""

    numbers: tuple[Estimate, ...] = ()
    gains: tuple[Estimate, ...] = ()
    gains_on_champion: tuple[Estimate, ...] = ()
    curves: tuple[Curve, ...] = ()
    drivers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Model:
    """A model on the day: whether it scored or abstained and why, what was measured of it, and why its newest challenger was refused."""

    name: str
    status: str
    trained_as_of: datetime | None
    reason: str
    refused: str
    measures: Measures

    @property
    def drawn(self) -> list[tuple[str, str, str, tuple[tuple[float, float], ...]]]:
        """Name, what lies across and up, and points of the curves that the page shows."""
        points = {curve.name: curve.points for curve in self.measures.curves}
        return [(name, across, up, points[name]) for name, across, up in DRAWN if name in points]


@dataclass(frozen=True)
class Mover:
    """Somebody whose score moved most since the day that is compared with, at most a week before."""

    customer_id: str
    score: str
    before: float
    now: float
    reason: str


@dataclass(frozen=True)
class Scores:
    """`absent` names the scores that the store has a column for and no value of on this day."""

    spreads: tuple[Spread, ...]
    absent: tuple[str, ...]
    models: tuple[Model, ...]
    movers: tuple[Mover, ...] = ()
    moved_since: datetime | None = None
    moved_columns: tuple[tuple[str, str, float], ...] = ()


def read_scores(reading: Reading) -> Scores:
    """The scores of the day; empty where the store has none."""
    have = set(reading.columns(TABLE))
    spreads = {column: _spread(reading, column) for column in SCORES if column in have}
    absent = tuple(SCORES[column][0] for column, spread in spreads.items() if spread is None)
    since, movers = _movers(reading, have)
    drift = tuple(reading.rows(DRIFT)) if reading.has("scores.drift") else ()
    return Scores(tuple(spread for spread in spreads.values() if spread), absent, _models(reading), movers, since, drift)


def spread(column: str, values: np.ndarray[Any, np.dtype[np.float64]], without: int) -> Spread:
    """The spread of a day's values; money ends at its 98th percentile, so that a few large customers do not flatten the rest."""
    name, meaning, unit = SCORES[column]
    low = 0.0 if unit == "probability" else float(min(values.min(), 0.0))
    high = 1.0 if unit == "probability" else float(np.quantile(values, 0.98)) or 1.0
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high if high > low else low + 1.0))
    median = float(np.median(values))
    return Spread(column, name, meaning, unit, len(values), without, median, low, high, tuple(int(count) for count in counts))


def measures_of(text: str | None) -> Measures:
    """The measures in a log entry's metrics (JSON, as the model log has them)."""
    said = json.loads(text) if text else {}

    def estimates(part: str) -> tuple[Estimate, ...]:
        return tuple(Estimate(name, *values) for name, values in sorted(said.get(part, {}).items()))

    curves = (Curve(name, tuple((x, y) for x, y in points)) for name, points in sorted(said.get("curves", {}).items()))
    return Measures(
        estimates("measures"),
        estimates("gains"),
        estimates("gains_on_champion"),
        tuple(curve for curve in curves if is_rising(curve)),
        tuple((name, loss) for name, loss in sorted(said.get("drivers", {}).items(), key=lambda entry: (-entry[1], entry[0])) if loss > 0)[
            :6
        ],
    )


def is_rising(curve: Curve) -> bool:
    """Whether the x of a curve's points never falls, so that a line through them is one."""
    return all(earlier[0] <= later[0] for earlier, later in pairwise(curve.points))


def _spread(reading: Reading, column: str) -> Spread | None:
    values = [value for (value,) in reading.rows(f"select cast({column} as double) from {TABLE} where as_of = $as_of order by customer_id")]
    known = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    return spread(column, known, len(values) - len(known)) if len(known) else None


def _movers(reading: Reading, have: set[str]) -> tuple[datetime | None, tuple[Mover, ...]]:
    if "churn_probability" not in have or not reading.has("scores.score_reasons"):
        return None, ()
    ((since,),) = reading.rows(SINCE)
    rows = reading.rows(MOVERS.format(since=since)) if since else []
    return since, tuple(Mover(customer, "Churn", before, now, reason) for customer, before, now, reason in rows)


def _models(reading: Reading) -> tuple[Model, ...]:
    if not reading.has("scores.daily_models", "scores.model_log"):
        return ()
    refused = dict(reading.rows(REFUSED))
    return tuple(
        Model(name, status, trained_as_of, reason, refused.get(name, ""), measures_of(metrics))
        for name, trained_as_of, status, reason, metrics in reading.rows(MODELS)
    )
