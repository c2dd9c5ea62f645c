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
# How measures end of which less is better.
LESS_IS_BETTER = ("loss", "brier", "mae")
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
class Gain:
    """By how much a back-test measure differs from the champion's or the baseline's (estimate, with the ends of its interval)."""

    name: str
    estimate: float
    low: float
    high: float

    @property
    def tone(self) -> str:
        """`good` or `bad` when the interval leaves out no difference; of losses and errors, less is better."""
        better = -1 if self.name.endswith(LESS_IS_BETTER) else 1
        ends = sorted((better * self.low, better * self.high))
        return "good" if ends[0] > 0 else "bad" if ends[1] < 0 else "calm"


@dataclass(frozen=True)
class Measures:
    """What a log entry's metrics say: plain numbers, gains, curves."""

    numbers: tuple[tuple[str, float], ...] = ()
    gains: tuple[Gain, ...] = ()
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Model:
    """A model on the day: whether it scored or abstained and why, with the newest log entry's measures."""

    name: str
    status: str
    trained_as_of: datetime | None
    reason: str
    is_promoted: bool | None
    measures: Measures

    @property
    def drawn(self) -> list[tuple[str, tuple[tuple[float, float], ...]]]:
        return [(curve.name, curve.points) for curve in self.measures.curves]


@dataclass(frozen=True)
class Scores:
    """`absent` names the scores that the store has a column for and no value of on this day."""

    spreads: tuple[Spread, ...]
    absent: tuple[str, ...]
    models: tuple[Model, ...]


def read_scores(reading: Reading) -> Scores:
    """The scores of the day; empty where the store has none."""
    have = set(reading.columns(TABLE))
    spreads = {column: _spread(reading, column) for column in SCORES if column in have}
    absent = tuple(SCORES[column][0] for column, spread in spreads.items() if spread is None)
    return Scores(tuple(spread for spread in spreads.values() if spread), absent, _models(reading))


def spread(column: str, values: np.ndarray[Any, np.dtype[np.float64]], abstained: int) -> Spread:
    """The spread of a day's values; money ends at its 98th percentile, so that a few large customers do not flatten the rest."""
    name, meaning, unit = SCORES[column]
    low = 0.0 if unit == "probability" else float(min(values.min(), 0.0))
    high = 1.0 if unit == "probability" else float(np.quantile(values, 0.98)) or 1.0
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high if high > low else low + 1.0))
    median = float(np.median(values))
    return Spread(column, name, meaning, unit, len(values), abstained, median, low, high, tuple(int(count) for count in counts))


def measures_of(text: str | None) -> Measures:
    """The measures in a log entry's metrics (JSON): a number is one, three numbers are a gain with its ends, a list of pairs is a curve.
    The names of nested objects are joined."""
    numbers: list[tuple[str, float]] = []
    gains: list[Gain] = []
    curves: list[Curve] = []

    def walk(name: str, value: object) -> None:
        if isinstance(value, str) and value[:1] in ("{", "["):
            value = json.loads(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append((name, float(value)))
        elif isinstance(value, Mapping):
            for key in sorted(value):
                walk(f"{name} {key}".strip(), value[key])
        elif isinstance(value, list) and len(value) == 3 and all(isinstance(end, int | float) for end in value):
            gains.append(Gain(name, *map(float, value)))
        elif isinstance(value, list) and value and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            curves.append(Curve(name, tuple((float(x), float(y)) for x, y in value)))

    walk("", json.loads(text) if text else None)
    return Measures(tuple(numbers), tuple(gains), tuple(curve for curve in curves if is_rising(curve)))


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
        models.append(Model(name, status, trained_as_of, reason, promoted, measures_of(text)))
    return tuple(models)
