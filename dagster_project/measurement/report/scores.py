"""What is likely: the spread of each score on the day, which model gave it, and how well that model did on what it had not seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from dagster_project.measurement.report.reading import Reading

TABLE = "scores.customer_scores"
# Column → what it is called and what it counts in: a probability (0 to 1) or an amount of money.
SCORES = {
    "churn_probability": ("Churn", "probability of no further purchase", "probability"),
    "clv_365d_amount": ("Value of the next year", "expected net revenue in 365 days", "money"),
    "purchase_30d_probability": ("Purchase", "probability of buying within 30 days", "probability"),
    "first_purchase_probability": ("First purchase", "probability that a prospect buys", "probability"),
    "vip_probability": ("VIP", "probability of becoming one of the best customers", "probability"),
    "click_probability": ("Click", "probability of clicking the next mail", "probability"),
}
BINS = 20
MODELS = "select model, trained_as_of, status, coalesce(reason, '') from scores.daily_models where as_of = $as_of order by model"
LOG = """
select model, trained_as_of, promoted, cast(to_json(metrics) as varchar) from scores.model_log
where trained_as_of <= $as_of order by model, trained_as_of desc, promoted desc, artifact_sha256
"""


@dataclass(frozen=True)
class Spread:
    """How a score is spread: `counts` over BINS equal steps from `low` to `high`; the last one holds what lies beyond, too."""

    column: str
    name: str
    meaning: str
    unit: str
    scored: int
    abstained: int
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
class Model:
    """A model on the day: whether it scored or abstained and why, with the newest log entry's measures."""

    name: str
    status: str
    trained_as_of: datetime | None
    reason: str
    is_promoted: bool | None
    metrics: tuple[tuple[str, float], ...]
    curves: tuple[Curve, ...]

    @property
    def drawn(self) -> list[tuple[str, tuple[tuple[float, float], ...]]]:
        return [(curve.name, curve.points) for curve in self.curves]


@dataclass(frozen=True)
class Scores:
    spreads: tuple[Spread, ...]
    models: tuple[Model, ...]


def read_scores(reading: Reading) -> Scores:
    """The scores of the day; empty where the store has none."""
    columns = reading.columns(TABLE)
    spreads = [_spread(reading, column) for column in SCORES if column in columns]
    return Scores(tuple(spread for spread in spreads if spread), _models(reading))


def spread(column: str, values: np.ndarray[Any, np.dtype[np.float64]], abstained: int) -> Spread:
    """The spread of a day's values; money ends at its 98th percentile, so that a few large customers do not flatten the rest."""
    name, meaning, unit = SCORES[column]
    low = 0.0 if unit == "probability" else float(min(values.min(), 0.0))
    high = 1.0 if unit == "probability" else float(np.quantile(values, 0.98)) or 1.0
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high if high > low else low + 1.0))
    return Spread(column, name, meaning, unit, len(values), abstained, float(np.median(values)), low, high, tuple(int(count) for count in counts))


def metrics_of(text: str | None) -> tuple[tuple[tuple[str, float], ...], tuple[Curve, ...]]:
    """The numbers and the curves in a log entry's metrics (JSON): a number is a measure, a list of pairs a curve, an object's names are joined."""
    numbers: list[tuple[str, float]] = []
    curves: list[Curve] = []

    def walk(name: str, value: object) -> None:
        if isinstance(value, str) and value[:1] in "{[":
            value = json.loads(value)
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            numbers.append((name, float(value)))
        elif isinstance(value, Mapping):
            for key in sorted(value):
                walk(f"{name} {key}".strip(), value[key])
        elif isinstance(value, list) and value and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            curves.append(Curve(name, tuple((float(x), float(y)) for x, y in value)))

    walk("", json.loads(text) if text else None)
    return tuple(numbers), tuple(curves)


def is_rising(curve: Curve) -> bool:
    """Whether the x of a curve's points never falls, so that a line through them is one."""
    return all(earlier[0] <= later[0] for earlier, later in pairwise(curve.points))


def _spread(reading: Reading, column: str) -> Spread | None:
    values = [value for (value,) in reading.rows(f"select cast({column} as double) from {TABLE} where as_of = $as_of order by customer_id")]
    known = np.array([value for value in values if value is not None and np.isfinite(value)], dtype=np.float64)
    return spread(column, known, len(values) - len(known)) if len(known) else None


def _models(reading: Reading) -> tuple[Model, ...]:
    logged: dict[str, tuple[Any, ...]] = {}
    if reading.has("scores.model_log"):
        for model, *entry in reading.rows(LOG):
            logged.setdefault(model, tuple(entry))
    daily = reading.rows(MODELS) if reading.has("scores.daily_models") else []
    models = []
    for name, trained_as_of, status, reason in daily or [(name, entry[0], "trained", "") for name, entry in logged.items()]:
        _, promoted, text = logged.get(name, (None, None, None))
        numbers, curves = metrics_of(text)
        models.append(Model(name, status, trained_as_of, reason, promoted, numbers, tuple(curve for curve in curves if is_rising(curve))))
    return tuple(models)
