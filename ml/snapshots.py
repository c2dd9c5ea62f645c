"""Which past days a model learns from, and their rows put together.

A snapshot is the shop as it was known on a past day; its labels are what followed within a horizon and were known when the horizon closed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ml.signals import View, numbers, take_yardstick

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
# The moment that lies so many days before another, by the clock that days are counted with.
DaysBefore = Callable[[datetime, int], datetime]

SNAPSHOTS = 4
SPACING_DAYS = 7
SHORTEST_HORIZON_DAYS = 14
# More rows than this change no metric in the third digit and cost minutes (docs/scores.md shows the curve).
MAX_ROWS = 30_000
MIN_SNAPSHOT_CUSTOMERS = 100


@dataclass(frozen=True)
class Sample:
    """Rows of several snapshots, oldest first, each ranked within its own. Money in the shop's currency."""

    ranks: Matrix
    log_odds_buys: Vector
    value_expected: Vector
    orders: Vector
    value: Vector

    def used(self) -> NDArray[np.bool_]:
        """Which columns have values at all: a window longer than the history has none."""
        return np.asarray(~np.isnan(self.ranks).all(axis=0))

    def view(self) -> View:
        """The rows without what followed."""
        return View(ranks=self.ranks, log_odds_buys=self.log_odds_buys, value_expected=self.value_expected)


def learnable_horizons(history_days: int, horizon_days: int) -> tuple[int, ...]:
    """The horizons to learn at, longest first; empty when the history is too short for any.

    The longest is the one asked for when the history is at least twice as long, else what half the history allows (BG/NBD carries the
    result to the asked one); a history shorter than the horizon itself teaches nothing about it. A second horizon of half the length has
    newer snapshots with longer histories: together they are better than either.
    """
    longest = horizon_days if 2 * horizon_days <= history_days else history_days // 2 // SPACING_DAYS * SPACING_DAYS
    if history_days < horizon_days or longest < min(SHORTEST_HORIZON_DAYS, horizon_days):
        return ()
    half = max(SHORTEST_HORIZON_DAYS, round(longest / 2 / SPACING_DAYS) * SPACING_DAYS)
    return (longest, half) if half < longest else (longest,)


def days_before(moment: datetime, days: int) -> datetime:
    """So many days of 24 hours before a moment: where nobody keeps a shop's clock."""
    return moment - timedelta(days=days)


def newest_closed(as_of: datetime, horizon_days: int, aligned: bool = False, before: DaysBefore = days_before) -> int:
    """How many days before a moment the newest day lies whose horizon has closed by then. `aligned` rounds up to whole weeks, so that
    snapshots fall on the same weekday and serve several training days.
    """
    back = -(-horizon_days // SPACING_DAYS) * SPACING_DAYS if aligned else horizon_days
    # A horizon is so many times 24 hours. Where clocks went forward since, it closes an hour after the shop's day ends: too late.
    return back if before(as_of, back) + timedelta(days=horizon_days) <= as_of else back + SPACING_DAYS


def training_days(
    trained_as_of: datetime, horizons: tuple[int, ...], aligned: bool = False, before: DaysBefore = days_before
) -> dict[int, list[datetime]]:
    """Per horizon the snapshot days, newest first: the newest is the last whose horizon closed by the trained day."""
    days = {}
    for horizon in horizons:
        back = newest_closed(trained_as_of, horizon, aligned, before)
        days[horizon] = [before(trained_as_of, back + SPACING_DAYS * step) for step in range(SNAPSHOTS)]
    return days


def of_day(table: pa.Table, as_of: datetime) -> pa.Table:
    """The rows of one day, by customer_id."""
    rows = table.filter(pc.equal(table["as_of"], pa.scalar(as_of, table.schema.field("as_of").type)))
    return rows.sort_by("customer_id")


def followed(snapshots: pa.Table, labels: pa.Table, day: datetime) -> tuple[pa.Table, pa.Table]:
    """The features of a day's customers and their labels of one horizon, row by row. Of several customers who were found to be one person before
    the horizon closed, one is labelled: the others teach nothing and judge nothing.

    Raises:
        ValueError: somebody is labelled who was no customer on that day.
    """
    known = of_day(labels, day)
    features = of_day(snapshots, day)
    features = features.filter(pc.is_in(features["customer_id"], known["customer_id"].combine_chunks()))
    if known["customer_id"].to_pylist() != features["customer_id"].to_pylist():
        raise ValueError(f"labels of {day:%Y-%m-%d} are not of the customers of that snapshot")
    return features, known


def of_days(table: pa.Table, days: Sequence[datetime]) -> pa.Table:
    """The rows of some days, oldest first, by customer_id."""
    rows = table.filter(pc.is_in(table["as_of"], pa.array(days, table.schema.field("as_of").type)))
    return rows.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])


def days_of(table: pa.Table) -> list[datetime]:
    """The days that a table holds, oldest first."""
    return sorted(pc.unique(table["as_of"]).to_pylist())


def data_version(*tables: pa.Table) -> str:
    """The SHA-256 of what a training reads: columns, types and values, in the order of the rows."""
    digest = hashlib.sha256()
    for table in tables:
        for name in table.column_names:
            kind = table.schema.field(name).type
            digest.update(f"{name} {kind} {table.num_rows}\n".encode())
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                texts = pc.fill_null(table[name], "").cast(pa.string()).combine_chunks()
                digest.update(pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), "\n")[0].as_buffer())
            elif pa.types.is_timestamp(kind):
                digest.update(pc.fill_null(table[name].cast(pa.timestamp("us")).cast(pa.int64()), -1).to_numpy().tobytes())
            else:
                digest.update(numbers(table, name).tobytes())
    return digest.hexdigest()


def taught_days(labels: pa.Table) -> list[datetime]:
    """The days of one horizon's labels that teach, oldest first: the newest, without those of a handful of customers before the last."""
    counted = pc.value_counts(labels["as_of"].combine_chunks()).to_pylist()
    customers = {entry["values"]: entry["counts"] for entry in counted}
    newest = sorted(customers)[-SNAPSHOTS:]
    return [day for day in newest if customers[day] >= MIN_SNAPSHOT_CUSTOMERS or day == newest[-1]]


def drawn(rows: int, max_rows: int = MAX_ROWS) -> NDArray[np.int64]:
    """The places of the rows that are learned from: all, or of more than `max_rows` the same random ones in every training."""
    if rows <= max_rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, max_rows, replace=False))


def gather(snapshots: pa.Table, labels: pa.Table, columns: tuple[str, ...], horizon_days: int, max_rows: int = MAX_ROWS) -> Sample:
    """Rank every labelled snapshot of the horizon within itself and stack them; beyond `max_rows` a fixed random draw of rows."""
    labels = labels.filter(pc.equal(labels["horizon_days"], horizon_days))
    parts = []
    for day in taught_days(labels):
        features, known = followed(snapshots, labels, day)
        yardstick = take_yardstick(features, columns, horizon_days)
        view = yardstick.view(features)
        # Returns above purchases make a horizon worth nothing, not less: a customer's value is not below zero.
        value = np.maximum(numbers(known, "net_amount"), 0.0)
        parts.append((view.ranks, view.log_odds_buys, view.value_expected, numbers(known, "orders_count"), value))
    stacked = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    rows = len(stacked[1])
    if rows > max_rows:
        stacked = [array[drawn(rows, max_rows)] for array in stacked]
    return Sample(*stacked)
