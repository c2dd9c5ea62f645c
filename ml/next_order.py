"""When a customer orders next: a distribution over days, a date where it is narrow enough, and none where it is not.

A discrete-time hazard (for each bucket of days: who has not ordered yet, does so now) by boosted trees on ranks, averaged with BG/NBD.
"Last order plus mean gap", which most tools ship, is worse than a constant on irregular shops.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import expit

from ml.boosting import Trees, binned, fit_trees
from ml.signals import Yardstick, numbers, take_yardstick
from ml.snapshots import MAX_ROWS, SNAPSHOTS, days_of, followed

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Bools = NDArray[np.bool_]

WIDEST_DAYS = 45.0
RANGE = (0.1, 0.5, 0.9)
BUCKETS = 15


@dataclass(frozen=True)
class NextOrderModel:
    """`ends` are the last days of the buckets, up to the horizon. The trees' last column is the bucket's place (0 to 1); without trees it
    is BG/NBD alone, the champion of the first day."""

    horizon_days: int
    columns: tuple[str, ...]
    used: Bools
    ends: Vector
    trees: Trees | None


@dataclass(frozen=True)
class NextOrder:
    """One entry per row, days from as_of. Date and range are NaN where the range is wider than 45 days or reaches past the horizon, and
    `reason` says which; `expected_days` is E[min(days, horizon)], which ranks everyone."""

    days: Vector
    low_days: Vector
    high_days: Vector
    expected_days: Vector
    reason: tuple[str | None, ...]


def bucket_ends(horizon_days: int) -> Vector:
    """Some fifteen buckets, a day wide at first and growing."""
    ends = np.unique(np.round(np.geomspace(1, horizon_days, BUCKETS)))
    return np.asarray(ends, dtype=np.float64)


def train_next_order(snapshots: pa.Table, first_orders: pa.Table, columns: tuple[str, ...], horizon_days: int) -> NextOrderModel:
    """Learn from the newest labelled snapshots. `first_orders`: as_of, customer_id, days_to_order (whole days until the next order, null
    when none within the horizon); whoever is labelled on that day has a row.
    """
    ends = bucket_ends(horizon_days)
    rows, targets = [], []
    for day in days_of(first_orders)[-SNAPSHOTS:]:
        features, labels = followed(snapshots, first_orders, day)
        ranks = take_yardstick(features, columns, horizon_days).view(features).ranks
        waited = np.nan_to_num(numbers(labels, "days_to_order"), nan=np.inf)
        for bucket, end in enumerate(ends):
            start = ends[bucket - 1] if bucket else 0.0
            waiting = waited >= start
            rows.append(np.column_stack([ranks[waiting], np.full(waiting.sum(), bucket / max(len(ends) - 1, 1))]))
            targets.append((waited[waiting] < end).astype(np.float64))
    matrix, target = np.concatenate(rows), np.concatenate(targets)
    if len(target) > MAX_ROWS:
        kept = np.sort(np.random.default_rng(0).choice(len(target), MAX_ROWS, replace=False))
        matrix, target = matrix[kept], target[kept]
    used = ~np.isnan(matrix).all(axis=0)
    # Every split may see every column here: the bucket's place carries most of the hazard.
    trees = fit_trees(
        binned(matrix[:, used]), target, "log_loss", seeds=1, max_features=1.0, max_leaf_nodes=15, learning_rate=0.1, max_iter=50
    )
    return NextOrderModel(horizon_days, columns, used, ends, trees)


def without_trees(columns: tuple[str, ...], horizon_days: int) -> NextOrderModel:
    """BG/NBD alone: what the trees must beat."""
    return NextOrderModel(horizon_days, columns, np.zeros(0, dtype=bool), bucket_ends(horizon_days), None)


def measure_next_order(model: NextOrderModel, features: pa.Table) -> Yardstick:
    """The distributions of a day, from all its buyers."""
    return take_yardstick(features, model.columns, model.horizon_days)


def ordered_by(model: NextOrderModel, day: Yardstick, features: pa.Table, ends: Vector | None = None) -> Matrix:
    """P(ordered within the first b buckets) per row and bucket: the mean of the hazard's and BG/NBD's. `ends` are those of other buckets
    than the model's own.
    """
    history = (numbers(features, "repeat_days_count"), numbers(features, "active_span_days"), numbers(features, "tenure_days"))

    def known_by(days: Vector) -> Matrix:
        return np.column_stack([day.purchasing.buys_probability(*history, float(end)) for end in days])

    ends = model.ends if ends is None else ends
    known = known_by(ends)
    if model.trees is None:
        return known
    ranks = day.view(features).ranks
    waiting = np.ones(len(ranks))
    learned = np.empty((len(ranks), len(model.ends)))
    for bucket in range(len(model.ends)):
        place = np.full((len(ranks), 1), bucket / max(len(model.ends) - 1, 1))
        waiting = waiting * (1.0 - expit(model.trees.raw(np.hstack([ranks, place])[:, model.used])))
        learned[:, bucket] = 1.0 - waiting
    if not np.array_equal(ends, model.ends):
        # Within a bucket the hazard is even; beyond the horizon it is BG/NBD's.
        inside = np.minimum(ends, model.ends[-1])
        more = np.log1p(-np.minimum(known, 1 - 1e-9)) - np.log1p(-np.minimum(known_by(inside), 1 - 1e-9))
        learned = -np.expm1(_between(np.log(np.maximum(1.0 - learned, 1e-9)), model.ends, inside) + more)
    return (learned + known) / 2.0


def _between(logs: Matrix, ends: Vector, days: Vector) -> Matrix:
    """The straight line through 0 on day 0 and a row's logs on the `ends`, on other days up to the last."""
    logs, ends = np.hstack([np.zeros((len(logs), 1)), logs]), np.concatenate([[0.0], ends])
    after = np.clip(np.searchsorted(ends, days), 1, len(ends) - 1)
    share = (days - ends[after - 1]) / (ends[after] - ends[after - 1])
    return np.asarray(logs[:, after - 1] * (1.0 - share) + logs[:, after] * share, dtype=np.float64)


def surprise(model: NextOrderModel, day: Yardstick, features: pa.Table, waited: Vector, ends: Vector | None = None) -> Vector:
    """The negative log-likelihood of each row's wait (days; infinite where no order came within the horizon), by its bucket: the model's own
    or those of other `ends`.
    """
    ends = model.ends if ends is None else ends
    by = np.hstack([np.zeros((len(features), 1)), ordered_by(model, day, features, ends), np.ones((len(features), 1))])
    # Days start with the moment: an order on day d came within the bucket that ends after d.
    bucket = np.searchsorted(ends, waited, side="right")
    rows = np.arange(len(features))
    return np.asarray(-np.log(np.maximum(by[rows, bucket + 1] - by[rows, bucket], 1e-9)), dtype=np.float64)


def score_next_order(model: NextOrderModel, day: Yardstick, features: pa.Table) -> NextOrder:
    """The days until the next order of each row, alone or in the batch."""
    by = np.hstack([np.zeros((len(features), 1)), ordered_by(model, day, features)])
    ends = np.concatenate([[0.0], model.ends])
    # The line through the buckets' ends; the area above it is the expected wait.
    expected = np.sum((1.0 - (by[:, 1:] + by[:, :-1]) / 2.0) * np.diff(ends), axis=1)
    low, middle, high = (_reached(by, ends, share) for share in RANGE)
    open_ended, wide = np.isnan(high), ~((high - low) <= WIDEST_DAYS)
    reason = np.where(open_ended, f"may well be later than in {model.horizon_days} days", f"range wider than {WIDEST_DAYS:.0f} days")
    for days in (low, middle, high):
        days[wide] = np.nan
    told = tuple(str(why) if is_wide else None for why, is_wide in zip(reason, wide, strict=True))
    return NextOrder(days=middle, low_days=low, high_days=high, expected_days=expected, reason=told)


def days_to_order(labels: pa.Table, horizon_days: int) -> pa.Table:
    """What `train_next_order` learns from, out of `features.training_labels`: whole days from as_of to the first order within the
    horizon.
    """
    labels = labels.filter(pc.equal(labels["horizon_days"], horizon_days))
    moments = (labels[name].cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64()) for name in ("first_order_at", "as_of"))
    days = pc.floor(pc.divide(pc.subtract(*moments), 86_400_000_000.0))
    return pa.table({"as_of": labels["as_of"], "customer_id": labels["customer_id"], "days_to_order": days})


def _reached(by: Matrix, ends: Vector, share: float) -> Vector:
    """The day on which each row's rising line reaches the share, NaN when it does not within the horizon."""
    rows = np.arange(len(by))
    after = np.maximum((by >= share).argmax(axis=1), 1)
    low, high = by[rows, after - 1], by[rows, after]
    days = ends[after - 1] + (ends[after] - ends[after - 1]) * (share - low) / np.maximum(high - low, 1e-12)
    return np.where(by[:, -1] >= share, days, np.nan)
