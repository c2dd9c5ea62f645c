"""Families of models beside ours on a store that was built, on the folds that judged ours: a logistic, a tree, a forest, boosting, a small network.

    python -m benchmarks.families [--shop demo] [--json]

Churn and purchase: taught as of the newest training's back-test, judged on what followed it. First purchase, click, category, VIP: each half of the
customers predicted from the other. Reads the newest training day that the store holds; logs a run named `families` to the shop's MLflow.
"""

import argparse
import json
import sys
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.family_models import FAMILIES, said_by
from dagster_project.moments import Moment
from dagster_project.scores import training
from dagster_project.scores.choosing import registry_of
from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.scores.training_days import Training, plans_of
from dagster_project.settings import load
from dagster_project.shop import Shop, load_shop
from dagster_project.warehouse import Warehouse
from ml import customer_scores, propensity
from ml.customer_models import churn_probability
from ml.customer_scores import Trained, measure
from ml.horizons import at, closed
from ml.planning import Plan
from ml.propensity import PropensityModel
from ml.signals import feature_columns, take_yardstick
from ml.snapshots import days_of, followed, gather
from ml.validation import auc, log_loss

Vector = NDArray[np.float64]
Measured = dict[str, dict[str, float]]
NEWEST = "select max(trained_as_of) from scores.model_log where candidate <> 'brought'"


def newest_training(warehouse: Warehouse, shop: Shop) -> Training:
    """The newest training day whose features the store holds."""
    found = warehouse.rows(NEWEST) if warehouse.exists("scores.model_log") else [(None,)]
    if found[0][0] is None:
        raise ValueError(f"{shop.name}: no model was trained in this store; build it first (dearly run --shop {shop.name}).")
    as_of: datetime = found[0][0]
    moment = next(
        (m for m in (shop.moment((as_of - timedelta(days=back)).date()) for back in (0, 1)) if m.as_of == as_of), Moment(as_of, as_of)
    )
    return Training(moment, plans_of(warehouse, moment, shop), as_of)


def by_days(warehouse: Warehouse, kept: Training, planned: Plan) -> Measured | None:
    """Families on the back-test of a model of orders; the order is that of not buying."""
    if planned.backtest_day is None:
        return None
    snapshots, labels = training.learned_from(warehouse, kept.days)
    found = customer_scores.train("churn", planned, snapshots, labels)
    if not isinstance(found, Trained) or found.tested is None or found.rehearsal is None:
        return None
    horizon, columns = planned.backtest_horizons[0], feature_columns(snapshots)
    before = at(closed(labels, planned.backtest_day), (horizon,))
    sample = gather(snapshots, before, columns, horizon)
    today, _ = followed(snapshots, at(closed(labels, planned.as_of), (horizon,)), planned.backtest_day)
    unseen = take_yardstick(today, columns, horizon).view(today).ranks
    churned = (sample.orders == 0).astype(np.float64)
    said = {family: said_by(family, sample.ranks, churned, unseen) for family in FAMILIES}
    rehearsed = Trained("churn", planned.backtest_day, found.rehearsal, None)
    said["ours"] = churn_probability(found.rehearsal, measure(rehearsed, today), today)
    return measures(said, found.tested.truth)


def by_people(found: object) -> Measured | None:
    """Families on the halves of a model of an outcome."""
    if not isinstance(found, PropensityModel) or found.tested is None or found.tested.features is None:
        return None
    rows, truth = found.tested.features, found.tested.truth
    # Not sorted again: the truth is in the order of the rows.
    days = [rows.filter(pc.equal(rows["as_of"], pa.scalar(day, rows.schema.field("as_of").type))) for day in days_of(rows)]
    matrix = propensity._ranked_by_day(days, found.columns)
    first = propensity.first_half(np.concatenate([np.asarray(day["customer_id"].to_pylist(), dtype=str) for day in days]))
    said = {}
    for family in FAMILIES:
        said[family] = np.empty(len(truth))
        for side in (first, ~first):
            said[family][side] = said_by(family, matrix[~side], truth[~side], matrix[side])
    return measures(said | {"ours": found.tested.challenger}, truth)


def measures(said: dict[str, Vector], truth: Vector) -> Measured:
    return {name: {"auc": round(auc(truth, one), 4), "log_loss": round(log_loss(truth, one), 4)} for name, one in said.items()}


def compare(warehouse: Warehouse, shop: Shop) -> dict[str, Measured]:
    """Model → family → AUC and log-loss, for every model that the newest training has something to say about."""
    kept = newest_training(warehouse, shop)
    snapshots, labels = training.learned_from(warehouse, kept.days)
    found: dict[str, Measured | None] = {}
    for name, planned in kept.plans.items():
        model = SCORE_MODELS[name]
        if name in ("churn", "purchase"):
            found[name] = by_days(warehouse, kept, planned)
        elif model.learns in ("vip", "outcome"):
            found[name] = by_people(training.train_model(warehouse, model, planned, snapshots, labels, None))
    return {name: table for name, table in found.items() if table}


def as_markdown(found: dict[str, Measured]) -> str:
    families = ["ours", *FAMILIES]
    lines = ["| AUC, log-loss | " + " | ".join(families) + " |", "|---|" + "---|" * len(families)]
    lines += [
        f"| {name} | " + " | ".join(f"{table[family]['auc']:.3f}, {table[family]['log_loss']:.4f}" for family in families) + " |"
        for name, table in found.items()
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or JSON with `--json`, and log it; 1 where nothing was trained."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", default="demo")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    settings = load(shop=given.shop)
    shop = load_shop(settings.shop_folder)
    try:
        found: dict[str, Any] = compare(Warehouse(settings.warehouse), shop)
    except ValueError as error:
        print(f"benchmarks.families: {error}", file=sys.stderr)
        return 1
    numbers = {
        f"{name}.{family}.{metric}": value
        for name, table in found.items()
        for family, metrics in table.items()
        for metric, value in metrics.items()
    }
    registry_of(settings, shop).note("families", numbers, {"families.md": as_markdown(found).encode()})
    print(json.dumps(found) if given.json else as_markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
