"""The probability of an outcome from any columns: VIP, first purchase of prospects, click on the next mail, purchase in a category.

An L2 logistic and small boosted trees on ranks within the day; of a text column, whether it is one of its commonest values. The outcome is
given from outside, so the same code serves people who bought (order features) and people who never did (web, e-mail, source, enrichment).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types
from numpy.typing import NDArray
from scipy.special import expit

from ml.abstention import Abstained, too_few_customers, too_few_of_either
from ml.backtest import Backtest
from ml.boosting import Trees, binned, fit_trees
from ml.linear import Linear, fit_logistic
from ml.promotion import Verdict, judge
from ml.ranks import Ranks, fit_ranks
from ml.signals import KEYS, numbers
from ml.snapshots import MAX_ROWS
from ml.validation import auc, log_loss

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Bools = NDArray[np.bool_]

VIP_SHARE = 0.1
# Of a text column the commonest values count, those that at least so many people have: what few say of themselves is nobody else's to read,
# in a model or in reasons.
MOST_VALUES = 12
LEAST_PEOPLE = 50
# Beyond this many rows older days change nothing that counts (docs/scores.md shows the curve); the newest days come first.
ENOUGH_ROWS = 10_000
# A text column that is this value, as a column of its own.
IS = "="


@dataclass(frozen=True)
class Half:
    """What one half of the people taught: it judges the other half. Who is in which half never changes."""

    used: Bools
    linear: Linear
    trees: Trees

    def probability(self, ranks: Matrix) -> Vector:
        """The probability of the outcome of each row of a model's columns."""
        said: Vector = expit(_raw(ranks[:, self.used], self.linear, self.trees))
        return said


@dataclass(frozen=True)
class PropensityModel:
    """`used` marks the columns that had values in training. `auc` and `log_loss` are of customers whom the judged models never saw, each
    half predicted from the other; `base_log_loss` is that of saying everyone's rate. `halves` (the model of the first half, then of the
    second) are what was judged, and what later challengers are judged against; `tested` is what they said.
    """

    outcome: str
    columns: tuple[str, ...]
    used: Bools
    linear: Linear
    trees: Trees
    auc: float
    log_loss: float
    base_log_loss: float
    halves: tuple[Half, ...] = ()
    verdict: Verdict | None = None
    tested: Backtest | None = field(default=None, compare=False, metadata={"stored": False})


@dataclass(frozen=True)
class PropensityDay:
    """The distributions of a scored day."""

    ranks: Ranks


def train_propensity(
    outcome: str,
    snapshots: Sequence[pa.Table],
    happened: Sequence[Vector],
    champion: PropensityModel | None = None,
) -> PropensityModel | Abstained:
    """Learn from snapshots, oldest first, with 1 in `happened` for every row where the outcome followed.

    The same people are in all snapshots, so the check is by people: each half is predicted by a model of the other half, and the model
    abstains unless that beats everyone's rate. `champion` is what scores now: its halves predict the same rows, none of them a person
    that it learned from, and the challenger must keep up (`ml.promotion`). Then it learns from all.
    """
    if not snapshots or not any(len(snapshot) for snapshot in snapshots):
        return Abstained(f"no past day shows yet who {outcome}")
    snapshots, happened = _enough(snapshots, happened)
    rows = pa.concat_tables([snapshot.select(snapshots[0].column_names) for snapshot in snapshots])
    outcomes = np.concatenate(list(happened))
    people, of_row = np.unique(np.asarray(rows["customer_id"].to_pylist(), dtype=str), return_inverse=True)
    first = first_half(people)[of_row]
    abstained = too_few_customers(len(people), "can be learned from") or _one_sided(outcomes, of_row, outcome)
    for side in (first, ~first):
        abstained = abstained or _one_sided(outcomes[side], of_row[side], f"{outcome} (half)")
    if abstained:
        return abstained
    columns = learnable_columns(rows)
    matrix = _ranked_by_day(snapshots, columns)
    halves = tuple(Half(*_fit(matrix[side], outcomes[side], seeds=1)) for side in (first, ~first))
    checked, rate = _of_strangers(halves, matrix, first), np.where(first, outcomes[~first].mean(), outcomes[first].mean())
    order, loss, base = auc(outcomes, checked), log_loss(outcomes, checked), log_loss(outcomes, rate)
    stood = _stood(champion, snapshots, columns, matrix, first)
    if (order <= 0.5 or loss >= base) and stood is None:
        return Abstained(f"on customers it had not seen the model (log-loss {loss:.4f}) is no better than everyone's rate ({base:.4f})")
    tested = Backtest("event", outcomes, np.zeros(len(outcomes)), checked, rate, stood, rows)
    # Without a champion the check above is the whole rule.
    verdict = judge(tested) if stood is not None else None
    if verdict and not verdict.promoted and verdict.stays == "baseline":
        return Abstained(f"neither the challenger nor the champion is better than everyone's rate: {verdict.reason}", is_verdict=True)
    used, linear, trees = _fit(matrix, outcomes)
    return PropensityModel(outcome, columns, used, linear, trees, order, loss, base, halves, verdict, tested)


def first_half(people: NDArray[np.str_]) -> Bools:
    """Who is in the first half: the same people on every day and in every training."""
    return np.array([crc32(str(person).encode()) % 2 == 0 for person in people], dtype=bool)


def _ranked_by_day(snapshots: Sequence[pa.Table], columns: tuple[str, ...]) -> Matrix:
    days = [_matrix(snapshot, columns) for snapshot in snapshots]
    return np.concatenate([fit_ranks(day).of(day) for day in days])


def _of_strangers(halves: Sequence[Half], matrix: Matrix, first: Bools) -> Vector:
    """What each row's person is said to do by the half that does not know them."""
    said = np.empty(len(matrix))
    said[first], said[~first] = halves[1].probability(matrix[first]), halves[0].probability(matrix[~first])
    return said


def _stood(
    champion: PropensityModel | None, snapshots: Sequence[pa.Table], columns: tuple[str, ...], matrix: Matrix, first: Bools
) -> Vector | None:
    """What the champion's halves say of the rows; None where none stands, or where columns that it reads are gone."""
    if champion is None or not champion.halves:
        return None
    if not {column.partition(IS)[0] for column in champion.columns} <= set(snapshots[0].column_names):
        return None
    seen = matrix if champion.columns == columns else _ranked_by_day(snapshots, champion.columns)
    return _of_strangers(champion.halves, seen, first)


def measure_propensity(model: PropensityModel, features: pa.Table) -> PropensityDay:
    """The distributions of a day, from all who are scored on it."""
    return PropensityDay(fit_ranks(_matrix(features, model.columns)))


def score_propensity(model: PropensityModel, day: PropensityDay, features: pa.Table) -> Vector:
    """The probability of the outcome of each row, alone or in the batch."""
    probability: Vector = expit(_raw(ranks_of(model, day, features), model.linear, model.trees))
    return probability


def ranks_of(model: PropensityModel, day: PropensityDay, features: pa.Table) -> Matrix:
    """What the model sees of each row: the ranks within the day of the columns it uses."""
    return _ranked(features, model.columns, day.ranks)[:, model.used]


def is_vip(value: Vector) -> Vector:
    """1 for the tenth of customers with the highest value in the horizon (only above zero), ties included."""
    return ((value >= np.quantile(value, 1.0 - VIP_SHARE)) & (value > 0)).astype(np.float64)


def learnable_columns(features: pa.Table) -> tuple[str, ...]:
    """What a model may learn from: numbers, yes/no, and for text whether it is one of its commonest values (`device=mobile`)."""
    columns: list[str] = []
    for column in features.schema:
        kind = column.type
        if column.name in KEYS:
            continue
        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind):
            columns.append(column.name)
        elif types.is_string(kind) or types.is_large_string(kind):
            # A person is in the rows of many days, and counts once.
            people = features.select([column.name, "customer_id"]).group_by([column.name, "customer_id"]).aggregate([])
            counts = pc.value_counts(people[column.name].combine_chunks().drop_null()).to_pylist()
            common = sorted((-entry["counts"], entry["values"]) for entry in counts if entry["counts"] >= LEAST_PEOPLE)[:MOST_VALUES]
            columns += [f"{column.name}{IS}{value}" for _, value in common]
    return tuple(columns)


def _values(features: pa.Table, column: str) -> Vector:
    """A column as numbers; whether a text is a value is 1 or 0, and missing where the text is."""
    name, is_value, value = column.partition(IS)
    return numbers(pa.table({"is": pc.equal(features[name], value)}), "is") if is_value else numbers(features, name)


def _matrix(features: pa.Table, columns: tuple[str, ...]) -> Matrix:
    return np.column_stack([_values(features, column) for column in columns])


def _ranked(features: pa.Table, columns: tuple[str, ...], ranks: Ranks) -> Matrix:
    return ranks.of(_matrix(features, columns))


def _enough(snapshots: Sequence[pa.Table], happened: Sequence[Vector]) -> tuple[Sequence[pa.Table], Sequence[Vector]]:
    """The newest days that make up enough rows, two at least."""
    rows, first = 0, len(snapshots)
    while first > 0 and (rows < ENOUGH_ROWS or len(snapshots) - first < 2):
        first -= 1
        rows += len(snapshots[first])
    return snapshots[first:], happened[first:]


def _one_sided(outcomes: Vector, person: NDArray[np.int64], outcome: str) -> Abstained | None:
    """Why too few people teach one of the outcomes. Who has several rows, days or categories, may teach both: a regular buys from one category and
    not from the others.
    """
    having, lacking = (len(np.unique(person[outcomes == happened])) for happened in (1.0, 0.0))
    return too_few_of_either(having, lacking, len(np.unique(person)), outcome)


def _fit(ranks: Matrix, outcomes: Vector, seeds: int = 2) -> tuple[Bools, Linear, Trees]:
    if len(outcomes) > MAX_ROWS:
        kept = np.sort(np.random.default_rng(0).choice(len(outcomes), MAX_ROWS, replace=False))
        ranks, outcomes = ranks[kept], outcomes[kept]
    used: Bools = np.asarray(~np.isnan(ranks).all(axis=0))
    return used, fit_logistic(ranks[:, used], outcomes), fit_trees(binned(ranks[:, used]), outcomes, "log_loss", seeds)


def _raw(ranks: Matrix, linear: Linear, trees: Trees) -> Vector:
    return (linear.raw(ranks) + trees.raw(ranks)) / 2.0
