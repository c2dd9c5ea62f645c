"""A million customers scored by every model of a store that was built, and recommended to: processor seconds and peak memory.

    python -m benchmarks.million [--shop demo] [--customers 1000000] [--interactions-of 1000000] [--products 2000] [--json]

Scores: the store's newest day, its customers drawn anew until there are so many, ages and money moved so that no two are alike (BG/NBD is fitted
to all of them). The models are those in force, the code is the pipeline's `score_day`, reasons included, a process per model. `calibration` is
what the level of a probability costs: prediction with it over prediction without. Recommendations: `recommend` as a night runs it, on made-up
purchases (`benchmarks.recommendations.synthetic`).
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from benchmarks.recommendations import synthetic
from dagster_project.scores.model_log import in_force
from dagster_project.scores.recommending import TOP
from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.scores.training import score_day
from dagster_project.settings import load
from dagster_project.warehouse import Warehouse
from ml.churn import ChurnModel, measure_churn
from ml.customer_scores import Trained
from ml.recommendations.recommend import Request, recommend
from ml.store import load as load_model
from ml.store import place

TABLES = ("order_features", "customer_features", "category_features")
NEWEST = "select max(as_of) from features.order_features where as_of in (select as_of from scores.customer_scores)"
# Ages that move together keep their order: who bought last before the first order does not exist.
MOVED_DAYS = ("tenure_days", "recency_days", "customer_age_days")


def drawn_anew(rows: pa.Table, customers: int) -> pa.Table:
    """Whole customers of a feature table again and again until there are so many, each copy under an id of its own with ages a little older and
    money a little more or less.
    """
    generator = np.random.default_rng(0)
    known, of_row = np.unique(np.asarray(rows["customer_id"].to_pylist(), dtype=str), return_inverse=True)
    copies = -(-customers // len(known))
    row = np.tile(np.arange(len(rows)), copies)
    number = np.tile(of_row, copies) + np.repeat(np.arange(copies) * len(known), len(rows))
    row, number = row[number < customers], number[number < customers]
    older, dearer = generator.integers(0, 60, customers)[number], generator.lognormal(0.0, 0.2, customers)[number]
    columns: dict[str, Any] = {}
    for field in rows.schema:
        values = rows[field.name].take(pa.array(row))
        if field.name == "customer_id":
            values = pa.array(np.char.add("c", np.char.zfill(number.astype(str), 8)), pa.string())
        elif field.name in MOVED_DAYS:
            values = pa.array(values.to_pandas() + older).cast(field.type)
        elif field.name.endswith("_cents") and types.is_floating(field.type):
            values = pa.array(np.round(values.to_pandas() * dearer)).cast(field.type)
        columns[field.name] = values
    return pa.table(columns, schema=rows.schema).sort_by("customer_id")


def a_store_of(built: Warehouse, path: Path, customers: int) -> datetime:
    """A store with the newest day's features of so many customers, and the built one's model log; returns the day."""
    ((as_of,),) = built.rows(NEWEST)
    large = Warehouse(path)
    large.create()
    for table in TABLES:
        rows = built.read(f"select * from features.{table} where as_of = ? order by all", [as_of])
        large.replace(f"features.{table}", drawn_anew(rows, customers))
    large.replace("scores.model_log", built.read("select * from scores.model_log order by entry"))
    return as_of


def measured(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` says, with the processor seconds and the peak memory (MB) of a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_alone, (work,))


def _alone(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    said = work()
    return said | {
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


class Scoring:
    """One model on the large store, or all of them as a night runs them (`model` None)."""

    def __init__(self, store: Path, artifacts: Path, as_of: datetime, model: str | None) -> None:
        self.store, self.artifacts, self.as_of, self.model = store, artifacts, as_of, model

    def __call__(self) -> dict[str, Any]:
        known = {self.model: SCORE_MODELS[self.model]} if self.model else SCORE_MODELS
        day = score_day(Warehouse(self.store), self.artifacts, self.as_of, self.as_of.date(), known)
        return {"customers": day.scores.num_rows, "reasons": day.reasons.num_rows}


class Calibration:
    """The churn model's prediction on ready ranks, with the level of the day and without."""

    def __init__(self, store: Path, artifacts: Path, as_of: datetime) -> None:
        self.store, self.artifacts, self.as_of = store, artifacts, as_of

    def __call__(self) -> dict[str, Any]:
        warehouse = Warehouse(self.store)
        standing = {one.model: one.sha256 for one in in_force(warehouse, self.as_of) if one.sha256}
        if "churn" not in standing:
            return {"ratio": None}
        trained = load_model(place(self.artifacts / "churn", standing["churn"]), standing["churn"])
        if not isinstance(trained, Trained) or not isinstance(trained.model, ChurnModel):
            return {"ratio": None}
        features = warehouse.read("select * from features.order_features where as_of = ? order by customer_id", [self.as_of])
        day = measure_churn(trained.model, features)
        views = [yardstick.view(features) for yardstick in day.yardsticks]
        began = time.process_time()
        order = np.mean([part.logit_buys(view) for part, view in zip(trained.model.parts, views, strict=True)], axis=0)
        bare = time.process_time() - began
        day.level.of(order)
        return {"ratio": round((time.process_time() - began) / bare, 3), "bare_seconds": round(bare, 2)}


class Recommending:
    """What to show to so many customers, every strategy."""

    def __init__(self, customers: int, products: int) -> None:
        self.customers, self.products = customers, products

    def __call__(self) -> dict[str, Any]:
        rows = synthetic(self.customers, self.products)
        as_of = (pc.max(rows["at"]).as_py() + timedelta(seconds=1)).replace(tzinfo=None)
        catalogue = pa.table({"product_id": np.arange(self.products)})
        made = recommend(rows, catalogue, as_of, request=Request(top=TOP))
        return {"customers": self.customers, "rows": made.table.num_rows}


def run(shop: str, customers: int, buyers: int, products: int) -> dict[str, Any]:
    """The whole as one object."""
    settings = load(shop=shop)
    built = Warehouse(settings.warehouse)
    if not built.exists("scores.model_log"):
        raise ValueError(f"{shop}: no model was trained in this store; build it first (dearly run --shop {shop}).")
    artifacts = settings.artifacts
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "warehouse.duckdb"
        as_of = a_store_of(built, store, customers)
        for model in SCORE_MODELS:
            found[model] = measured(Scoring(store, artifacts, as_of, model))
            print(model, found[model], file=sys.stderr, flush=True)
        found["all models"] = measured(Scoring(store, artifacts, as_of, None))
        found["calibration"] = measured(Calibration(store, artifacts, as_of))
    if buyers:
        found["recommendations"] = measured(Recommending(buyers, products))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print a line per model, or one object with `--json`; 1 where nothing was trained."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.million", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", default="demo")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--interactions-of", type=int, default=1_000_000, dest="buyers", help="0: no recommendations")
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        found = run(given.shop, given.customers, given.buyers, given.products)
    except ValueError as error:
        print(f"benchmarks.million: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps(found))
    else:
        for name, numbers in found.items():
            print(f"{name:<16}" + "  ".join(f"{key} {value}" for key, value in numbers.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
