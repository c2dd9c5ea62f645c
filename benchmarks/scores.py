"""Churn and lifetime value on any transaction file, beside what is usual, on what followed a cut.

    python -m benchmarks.scores TRANSACTIONS.parquet --customer C --at T --amount A [--order O --quantity Q --product P]
        --cut DATE --horizon DAYS [--unit-price | --line-total] [--json]

It runs what the pipeline runs: the dbt feature models on a scratch store, then `ml.customer_scores`. Nothing after the cut is seen before
the truth is read. Customers: everyone with a purchase before the cut. Churned: no purchase in the horizon. Value: net revenue in the
horizon, not below zero. A negative quantity or amount is a return. The amount is the line's total, unless it is a price per unit
(`--unit-price`; assumed when a quantity is given and the column's name says price, or negative quantities come with positive amounts).

clv_mae judges our median (a mean cannot win there), everything else our mean. Differences are ours less the best peer's, the best chosen
on the test set; clv_bias is compared by size. Intervals: 95 %, paired bootstrap over customers.
"""

import argparse
import contextlib
import json
import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.peers import Population, Prediction, peers_of
from benchmarks.transactions import DBT_PROJECT, Columns, build_features, load_transactions, open_store
from ml.abstention import Abstained, too_few_customers, too_little_history
from ml.customer_scores import Trained, measure, score, train
from ml.planning import plan
from ml.snapshots import of_day
from ml.validation import CHURN, VALUE, Measure, deciles, difference

Vector = NDArray[np.float64]

MOST_DAYS = 3_650
YEARS = range(1900, 2200)


@dataclass(frozen=True)
class Outcome:
    """What the run found, as `--json` prints it."""

    ours: dict[str, Any]
    peers: dict[str, dict[str, float]]
    difference_to_best_peer: dict[str, tuple[float, float, float]]
    seconds: float
    notes: dict[str, Any]


def run(file: Path, columns: Columns, cut: datetime, horizon_days: int, project: Path = DBT_PROJECT) -> Outcome:
    """Score everyone who had bought by the cut, and compare with what they did after it."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "warehouse.duckdb"
        loaded = load_transactions(store, file, columns)
        population = _population(store, cut, horizon_days)
        notes: dict[str, Any] = {
            "file": asdict(loaded) | {"newest": f"{loaded.newest:%Y-%m-%d}"},
            "customers": len(population.customers),
            "cut": f"{cut:%Y-%m-%d}",
            "horizon_days": horizon_days,
        }
        until = cut + timedelta(days=horizon_days)
        if not len(population.customers):
            notes["abstained"] = "nobody has bought before the cut"
        elif loaded.newest < cut:
            notes["abstained"] = f"the file ends on {loaded.newest:%Y-%m-%d}, before the cut: nothing shows what followed"
        if "abstained" in notes:
            return Outcome({}, {}, {}, time.perf_counter() - started, notes)
        if loaded.newest < until - timedelta(days=1):
            notes["ends_early"] = (
                f"the file ends on {loaded.newest:%Y-%m-%d}, the horizon on {until:%Y-%m-%d}: what is missing counts as nothing"
            )
        ours, our_notes = _ours(store, population, cut, horizon_days, project)
    notes |= our_notes
    peers = peers_of(population)
    values = {name: _metrics(prediction, population) for name, prediction in peers.items()}
    mine = _metrics(ours, population) if ours else {}
    gaps = _gaps(ours, mine, peers, values, population) if ours else {}
    if ours:
        notes["deciles"] = {
            "churn": deciles(population.churned, _known(ours.churn_probability)),
            "clv": deciles(population.value, _known(ours.value)),
        }
    return Outcome(mine, values, gaps, time.perf_counter() - started, notes)


def _population(store: Path, cut: datetime, horizon_days: int) -> Population:
    """The buyers before the cut with their past, in plain SQL beside the product's, and what they did in the horizon."""
    with open_store(store) as connection:
        rows = connection.execute(
            """
            with
            moves as (
                select customer_id, occurred_at, net_amount, true as is_order from profile.fct_orders where net_amount > 0
                union all
                select customer_id, occurred_at, -net_amount, false from profile.fct_returns
            ),
            days as (
                select customer_id, cast(occurred_at as date) as day, sum(net_amount) as amount
                from moves where is_order and occurred_at < $cut group by all
            ),
            firsts as (select customer_id, min(day) as first_day, max(day) as last_day, count(*) as days from days group by all),
            repeats as (
                select customer_id, avg(cast(amount as double)) as value
                from days join firsts using (customer_id) where day > first_day group by all
            ),
            past as (select customer_id, sum(net_amount) as amount from moves where occurred_at < $cut group by all),
            future as (
                select customer_id, sum(net_amount) as amount, count(*) filter (is_order) as orders
                from moves where occurred_at >= $cut and occurred_at < $until group by all
            )
            select
                customer_id, days - 1, last_day - first_day, cast($cut as date) - first_day, cast($cut as date) - last_day,
                coalesce(repeats.value, 0),
                cast(past.amount as double), coalesce(future.orders, 0), cast(coalesce(future.amount, 0) as double)
            from firsts left join repeats using (customer_id) left join past using (customer_id) left join future using (customer_id)
            order by customer_id
            """,
            {"cut": cut, "until": cut + timedelta(days=horizon_days)},
        ).fetchnumpy()
    names = ("frequency", "span", "age", "recency", "repeat_value", "past")
    customers, *numbers = rows.values()
    doubles = [np.asarray(column, dtype=np.float64) for column in numbers]
    return Population(
        customers=np.asarray(customers, dtype=object), horizon_days=horizon_days, **dict(zip(names, doubles[:6], strict=True)),
        churned=(doubles[6] == 0).astype(np.float64), value=np.maximum(doubles[7], 0.0),
    )  # fmt: skip


def _ours(store: Path, population: Population, cut: datetime, horizon_days: int, project: Path) -> tuple[Prediction | None, dict[str, Any]]:
    """Our prediction, or None and the reason under "abstained"."""
    planned = plan(cut, int(population.age.max()) + 1, horizon_days)
    # What `train` would say, before the features are built.
    hopeless = too_few_customers(len(population.customers)) or too_little_history(
        int(population.age.max()) + 1, horizon_days, planned.horizons
    )
    if hopeless:
        return None, {"abstained": hopeless.reason}
    snapshots, labels = build_features(store, cut, planned.snapshot_days, planned.label_horizons or (horizon_days,), project)
    today = of_day(snapshots, cut)
    if today["customer_id"].to_pylist() != list(population.customers):
        raise RuntimeError("the feature models and the test disagree on who had bought before the cut")
    scores: dict[str, pa.Table] = {}
    notes: dict[str, Any] = {}
    trained: Trained | Abstained | None = None
    for name in ("churn", "value"):
        trained = train(name, planned, snapshots, labels, churn=trained)
        if isinstance(trained, Abstained):
            return None, {"abstained": trained.reason}
        scores[name] = score(trained, measure(trained, today), today)
        notes[name] = _story(trained)
    value = scores["value"]
    amount, median = (value[column].to_numpy() for column in ("value_amount", "value_median"))
    inside = (population.value >= value["value_low"].to_numpy()) & (population.value <= value["value_high"].to_numpy())
    notes["value_80_percent_range_holds"] = float(inside.mean())
    return (
        Prediction(
            churn_order=scores["churn"]["churn_probability"].to_numpy(), churn_probability=scores["churn"]["churn_probability"].to_numpy(),
            value_order=amount, value=amount, value_median=None if np.isnan(median).any() else median,
        ),
        notes,
    )  # fmt: skip


def _story(trained: Trained) -> dict[str, Any]:
    return {"model": type(trained.model).__name__, "back_test": trained.verdict.reason if trained.verdict else ""}


def _known(values: Vector | None) -> Vector:
    assert values is not None
    return values


def _scored(name: str, prediction: Prediction, population: Population) -> tuple[Measure, Vector, Vector | None]:
    """The measure, the truth and what of the prediction it is applied to; None where the prediction says nothing."""
    median = prediction.value if prediction.value_median is None else prediction.value_median
    applied: dict[str, Callable[[], Vector | None]] = {
        "churn_auc": lambda: prediction.churn_order,
        "churn_pr_auc": lambda: prediction.churn_order,
        "churn_log_loss": lambda: prediction.churn_probability,
        "churn_brier": lambda: prediction.churn_probability,
        "clv_spearman": lambda: prediction.value_order,
        "clv_gini": lambda: prediction.value_order,
        "clv_mae": lambda: median,
        "clv_bias": lambda: prediction.value,
    }
    measure_of = (CHURN | VALUE)[name]
    return measure_of, population.churned if name in CHURN else population.value, applied[name]()


def _metrics(prediction: Prediction, population: Population) -> dict[str, float]:
    metrics = {}
    for name in CHURN | VALUE:
        measure_of, truth, predicted = _scored(name, prediction, population)
        number = measure_of.of(truth, predicted) if predicted is not None else math.nan
        if math.isfinite(number):
            metrics[name] = round(number, 6)
    return metrics


def _gaps(
    ours: Prediction, mine: dict[str, float], peers: dict[str, Prediction], values: dict[str, dict[str, float]], population: Population
) -> dict[str, tuple[float, float, float]]:
    gaps = {}
    draws = 300 if len(population.customers) < 10_000 else 150
    for name in CHURN | VALUE:
        rivals = [peer for peer in peers if name in values[peer]]
        measure_of, truth, predicted = _scored(name, ours, population)
        if not rivals or predicted is None or name not in mine:
            continue
        best = max(rivals, key=lambda peer: -abs(values[peer][name]) if measure_of.better == 0 else measure_of.better * values[peer][name])
        _, _, other = _scored(name, peers[best], population)
        gap = difference(measure_of, truth, predicted, _known(other), draws=draws)
        if all(map(math.isfinite, gap)):
            gaps[name] = (round(gap[0], 6), round(gap[1], 6), round(gap[2], 6))
    return gaps


def _as_text(outcome: Outcome) -> str:
    metrics = list(CHURN | VALUE)
    lines = [f"{outcome.notes['customers']} customers before {outcome.notes['cut']}, {outcome.notes['horizon_days']} days ahead"]
    if "abstained" in outcome.notes:
        lines.append(f"abstained: {outcome.notes['abstained']}")
    if "ends_early" in outcome.notes:
        lines.append(outcome.notes["ends_early"])
    width = max([len(name) for name in outcome.peers] + [24])
    lines.append(" " * width + "".join(f"{name.split('_', 1)[0]:>6} {name.split('_', 1)[1]:<9}" for name in metrics))
    for name, values in [("ours", outcome.ours), *outcome.peers.items()]:
        lines.append(f"{name:<{width}}" + "".join(f"{values[metric]:>15.4f} " if metric in values else f"{'-':>15} " for metric in metrics))
    for metric, (estimate, low, high) in outcome.difference_to_best_peer.items():
        lines.append(f"{metric:<{width}} {estimate:+.4f} [{low:+.4f}, {high:+.4f}] to the best peer")
    for name in ("churn", "value"):
        if name in outcome.notes:
            lines.append(f"{name}: {outcome.notes[name]['model']}; back-test: {outcome.notes[name]['back_test']}")
    lines.append(f"{outcome.seconds:.1f} s")
    return "\n".join(lines)


def _as_json(outcome: Outcome) -> str:
    record = asdict(outcome)
    notes = record.pop("notes")
    return json.dumps(record | ({"abstained": notes["abstained"]} if "abstained" in notes else {}) | {"notes": notes}, allow_nan=False)


def day_named(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2011-06-01") from None


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    for name, required in (("customer", True), ("at", True), ("amount", True), ("order", False), ("quantity", False), ("product", False)):
        parser.add_argument(f"--{name}", required=required, metavar="COLUMN")
    parser.add_argument("--cut", required=True, type=day_named, metavar="DATE")
    parser.add_argument("--horizon", required=True, type=int, metavar="DAYS")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--unit-price", dest="unit_price", action="store_true", default=None, help="the amount is a price per unit")
    kind.add_argument("--line-total", dest="unit_price", action="store_false", help="the amount is the line's total")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if not 1 <= given.horizon <= MOST_DAYS:
        parser.error(f"--horizon is a number of days from 1 to {MOST_DAYS}")
    cut = (given.cut.astimezone(UTC) if given.cut.tzinfo else given.cut).replace(tzinfo=None)
    if cut.year not in YEARS:
        parser.error(f"--cut is a day of the years {YEARS.start} to {YEARS.stop - 1}")
    columns = Columns(given.customer, given.at, given.amount, given.order, given.quantity, given.product, given.unit_price)
    try:
        # Libraries print warnings where the result belongs.
        with contextlib.redirect_stdout(sys.stderr):
            outcome = run(given.file, columns, cut, given.horizon)
    except (ValueError, OSError) as error:
        print(f"benchmarks.scores: {error}", file=sys.stderr)
        return 1
    print(_as_json(outcome) if given.json else _as_text(outcome))
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.exit(main())
