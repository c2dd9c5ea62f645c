"""What candidates said of a past day that had taught none of them, and what came true; and how good that was, as numbers and curves.

A curve is a tuple of pairs. calibration: mean predicted and mean true of each tenth of the customers. lift: share of customers from the
highest score down, share of the outcome found among them. money: the same with the money that followed. roc, precision: as usual.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.validation import CHURN, VALUE, Measure, deciles, interval

Vector = NDArray[np.float64]
Curve = tuple[tuple[float, float], ...]

DRAWS = 100
POINTS = 21
# Beyond this many customers an interval is narrower than anybody reads: a fixed sample gives it.
MOST_ROWS = 5_000


# Of a wait, what was said is already how wrong it was: the mean over the customers, less is better.
MEAN = Measure(lambda _, losses: float(losses.mean()), -1)


@dataclass(frozen=True)
class Backtest:
    """One entry per customer. `kind` "event": `truth` is 1 or 0, and what is said a probability; "amount": the value, and
    an amount; "wait": days until the next order, and the negative log-likelihood of that wait; "groups": nothing, and how far the customer is
    from the middle of their group. `value` is the net revenue that
    followed within the horizon. `champion` is None where none stood, or where its columns are gone. `features` and `day` are what the
    challenger saw and measured it with.
    """

    kind: str
    truth: Vector
    value: Vector
    challenger: Vector
    baseline: Vector
    champion: Vector | None = None
    features: pa.Table | None = None
    day: object = None


@dataclass(frozen=True)
class Performance:
    """Each measure with its 95 % interval, and the curves by name."""

    metrics: dict[str, tuple[float, float, float]]
    curves: dict[str, Curve]


def turned(tested: Backtest) -> Backtest:
    """The same of the opposite event: of who buys, where what was said is who does not."""
    champion = None if tested.champion is None else 1.0 - tested.champion
    return replace(tested, truth=1.0 - tested.truth, challenger=1.0 - tested.challenger, baseline=1.0 - tested.baseline, champion=champion)


def level_off(tested: Backtest) -> float:
    """How far the level of the challenger was off: the log-loss of an event, of amounts the log of their total over what came."""
    if tested.kind == "amount":
        return abs(float(np.log(max(tested.challenger.sum(), 1e-9) / max(tested.truth.sum(), 1e-9))))
    return CHURN["churn_log_loss"].of(tested.truth, tested.challenger) if tested.kind == "event" else float(tested.challenger.mean())


def performance_of(tested: Backtest) -> Performance:
    """How the challenger did."""
    if tested.kind == "wait":
        rows = np.arange(len(tested.truth))
        return Performance({"wait_log_loss": _interval(MEAN, tested.challenger, tested.challenger, rows)}, {})
    return measured(tested.truth, tested.challenger, tested.value if tested.kind == "event" else None)


def measured(truth: Vector, predicted: Vector, money: Vector | None = None) -> Performance:
    """The measures and curves of a prediction; `money` is given with an event, and is what the gain curve adds up.

    Money is counted from the score that promises most of it: of who will churn, from the least likely.
    """
    is_event = bool(np.isin(truth, (0.0, 1.0)).all())
    named = {name.split("_", 1)[1]: measure for name, measure in (CHURN if is_event else VALUE).items()}
    rows = np.random.default_rng(0).permutation(len(truth))[:MOST_ROWS]
    metrics = {name: _interval(measure, truth, predicted, np.sort(rows)) for name, measure in named.items()}
    curves = {"calibration": tuple(deciles(truth, predicted)), "lift": gained(truth, predicted)}
    if is_event:
        curves |= {"roc": roc(truth, predicted), "precision": precision(truth, predicted)}
    if money is not None:
        follows = np.corrcoef(predicted, money)[0, 1] if np.ptp(predicted) and np.ptp(money) else 0.0
        curves["money"] = gained(money, predicted if follows >= 0 else -predicted)
    return Performance({name: values for name, values in metrics.items() if np.isfinite(values).all()}, curves)


def as_plain(numbers: tuple[float, ...]) -> list[float]:
    """Six places, as JSON has them."""
    return [round(float(number), 6) for number in numbers]


def gained(outcome: Vector, score: Vector) -> Curve:
    """(share of customers, share of the outcome), from the highest score down."""
    found = np.cumsum(outcome[np.argsort(-score, kind="stable")])
    total = found[-1] if len(found) and found[-1] > 0 else 1.0
    return _points(np.arange(1, len(found) + 1) / max(len(found), 1), found / total)


def roc(happened: Vector, score: Vector) -> Curve:
    """(share of the others taken along, share of the happened found)."""
    ordered = happened[np.argsort(-score, kind="stable")] > 0
    return _points(np.cumsum(~ordered) / max((~ordered).sum(), 1), np.cumsum(ordered) / max(ordered.sum(), 1))


def precision(happened: Vector, score: Vector) -> Curve:
    """(share of the happened found, share of the taken that happened)."""
    ordered = happened[np.argsort(-score, kind="stable")] > 0
    found = np.cumsum(ordered)
    curve = _points(found / max(ordered.sum(), 1), found / np.arange(1, len(found) + 1))
    return curve[1:]


def _points(across: Vector, up: Vector) -> Curve:
    """At most POINTS of a curve, evenly along it, from (0, 0)."""
    picked = np.unique(np.linspace(0, len(across) - 1, POINTS - 1).astype(int)) if len(across) else np.zeros(0, dtype=int)
    return ((0.0, 0.0), *((round(float(across[at]), 6), round(float(up[at]), 6)) for at in picked))


def _interval(measure: Measure, truth: Vector, predicted: Vector, rows: NDArray[np.int64]) -> tuple[float, float, float]:
    estimate = measure.of(truth, predicted)
    around, low, high = interval(measure, truth[rows], predicted[rows], draws=DRAWS)
    # A sample's interval is as wide as the sample is small; it lies around the estimate of all.
    shrunk = np.sqrt(len(rows) / len(truth))
    return estimate, estimate + (low - around) * shrunk, estimate + (high - around) * shrunk
