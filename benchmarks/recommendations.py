"""Recommendations against the usual libraries, on any file of interactions.

    python -m benchmarks.recommendations INTERACTIONS.parquet --user U --item I --at T --window DAYS [--new-only] [--json]
    python -m benchmarks.recommendations --synthetic USERS ITEMS [--json]

The last ``--window`` days are the test, everything before is training. Evaluated are the users with history before
and at least one interaction within the window; with ``--new-only`` only products a user had never touched count, and
the touched ones are removed for everyone. Ours is the code the pipeline runs (``ml.recommendations``). Peers run in the
same process on the same rows; their settings are chosen on the window before, from the grids below. Metrics are means
over users; the difference to the best peer of each metric has a 95 % interval from a paired bootstrap over users.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.transactions import key_sql, moment_sql, register_lines
from ml.recommendations.candidates import prepare, relate
from ml.recommendations.history import Floats, History, Ints, days_of, read_history
from ml.recommendations.moment import measure
from ml.recommendations.neighbours import fit_ease, strongest_weights
from ml.recommendations.ranker import Settings, fit_ranker, in_blocks, top_products

METRICS = ("ndcg_at_10", "recall_at_10", "recall_at_20")
TOP = 20
MICROSECOND = 1 / 86_400_000_000
TUNING_LIMIT = 1_000_000
DRAWS = 2_000

Ranked = NDArray[np.int64]  # users x TOP product codes, -1 where there is nothing more to show


@dataclass(frozen=True)
class Task:
    """Whom to serve from what: ``users`` are codes in ``history``; ``taken`` sorted keys user * products + product."""

    history: History
    users: Ints
    taken: Ints
    taken_unknown: Ints
    day: float
    window: float
    new_only: bool


def read_interactions(path: Path, user: str, item: str, at: str) -> pa.Table:
    """Rows ``customer_id, product_id, at`` (UTC), read as `benchmarks.transactions` reads a file of transactions.

    Raises:
        ValueError: the file cannot be read, has no such column, or no row with all three.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        types = register_lines(connection, path, [user, item, at])
        table = connection.execute(
            f"""
            select * from (
                select
                    {key_sql(user, types[user])} as customer_id, {key_sql(item, types[item])} as product_id,
                    {moment_sql(connection, at, types[at])} as "at"
                from file_lines
            ) where customer_id is not null and product_id is not null and "at" is not null
            """
        ).to_arrow_table()
    if not table.num_rows:
        raise ValueError(f"no row of {path.name} has something in {user} and {item} and a moment that can be read in {at}")
    return table


def split(table: pa.Table, window: float, new_only: bool) -> Task:
    """Training before the last window, and what the evaluated users took within it."""
    days = days_of(table["at"])
    day = float(days.max()) - window + MICROSECOND if len(days) else 0.0
    history = read_history(table.filter(pa.array(days < day)))
    later = read_history(table.filter(pa.array(days >= day)))
    return _task(history, later, day, window, new_only)


def _task(history: History, later: History, day: float, window: float, new_only: bool) -> Task:
    users = {customer: code for code, customer in enumerate(history.customers)}
    products = {product: code for code, product in enumerate(history.products)}
    user_code = np.array([users.get(customer, -1) for customer in later.customers], dtype=np.int64)
    product_code = np.array([products.get(product, -1) for product in later.products], dtype=np.int64)
    pairs = later.pair_keys()
    user, product = np.divmod(pairs, max(later.product_count, 1))
    known = user_code[user] >= 0 if len(user) else np.zeros(0, dtype=bool)
    user, product = user_code[user[known]] if len(user) else user, product_code[product[known]] if len(user) else product
    width = max(history.product_count, 1)
    taken = np.sort(user[product >= 0] * width + product[product >= 0])
    unknown = np.bincount(user[product < 0], minlength=history.customer_count)
    if new_only:
        taken = taken[~np.isin(taken, history.pair_keys(), assume_unique=True)]
    evaluated = np.union1d(taken // width, np.flatnonzero(unknown)).astype(np.int64)
    return Task(history, evaluated, taken, unknown[evaluated], day, window, new_only)


def judge(task: Task, ranked: Ranked) -> dict[str, Floats]:
    """Each metric per user; products unknown to training count as missed."""
    width = max(task.history.product_count, 1)
    hit = np.isin(task.users[:, None] * width + ranked, task.taken) & (ranked >= 0)
    total = np.bincount(np.searchsorted(task.users, task.taken // width), minlength=len(task.users)) + task.taken_unknown
    discount = 1.0 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(discount)[np.minimum(total, 10) - 1]
    return {
        "ndcg_at_10": (hit[:, :10] * discount).sum(axis=1) / ideal,
        "recall_at_10": hit[:, :10].sum(axis=1) / total,
        "recall_at_20": hit.sum(axis=1) / total,
    }


def ours(task: Task, settings: Settings | None = None) -> tuple[Ranked, dict[str, Any]]:
    """What the pipeline would have shown."""
    settings = replace(settings or Settings(), horizon_days=task.window)
    ranker = fit_ranker(task.history, task.day, settings, task.new_only)
    moment = measure(task.history, task.day, task.window)
    sources = prepare(moment, relate(moment, settings.penalty, settings.max_products))
    ranked = np.full((len(task.users), TOP), -1, dtype=np.int64)
    row = np.empty(task.history.customer_count, dtype=np.int64)
    row[task.users] = np.arange(len(task.users))
    for found in in_blocks(sources, task.users, settings, task.new_only):
        customer, rank, product = top_products(found, ranker.score(found), TOP)
        ranked[row[customer], rank - 1] = product
    return ranked, {"model": "formula" if ranker.reason else "re-rank", "reason": ranker.reason, "check": ranker.check}


def buyers_since(history: History, start: float) -> Floats:
    """Distinct users per product from ``start`` on."""
    pairs = history.where(history.days >= start).pair_keys()
    return np.bincount(pairs % max(history.product_count, 1), minlength=history.product_count).astype(float)


def popularity(task: Task, share: float) -> Ranked:
    """The most bought of the last ``share`` windows (0: of all time), the touched ones removed where asked."""
    start = task.day - share * task.window if share else -np.inf
    counts = buyers_since(task.history, start)
    order = np.lexsort((np.arange(len(counts)), -counts))[: TOP + 500]
    seen = task.history.matrix()
    ranked = np.full((len(task.users), TOP), -1, dtype=np.int64)
    for row, user in enumerate(task.users):
        mine = order
        if task.new_only:
            mine = order[~np.isin(order, seen.indices[seen.indptr[user] : seen.indptr[user + 1]])]
        ranked[row, : min(TOP, len(mine))] = mine[:TOP]
    return ranked


def personal_frequency(task: Task) -> Ranked:
    """What each user took most often, the more popular first among equals, then what is popular."""
    counts = task.history.matrix(np.ones(len(task.history))).tocsr()
    overall = buyers_since(task.history, -np.inf)
    filler = np.lexsort((np.arange(len(overall)), -overall))[:TOP]
    ranked = np.full((len(task.users), TOP), -1, dtype=np.int64)
    for row, user in enumerate(task.users):
        span = slice(counts.indptr[user], counts.indptr[user + 1])
        products, times = counts.indices[span], counts.data[span]
        own = products[np.lexsort((products, -overall[products], -times))][:TOP]
        mine = np.concatenate([own, filler[~np.isin(filler, own)]])[:TOP]
        ranked[row, : len(mine)] = mine
    return ranked


def library(task: Task, build: Callable[[], Any], weigh: Callable[[sparse.csr_matrix], sparse.csr_matrix]) -> Ranked:
    """A model of the ``implicit`` package on the users x items matrix of event counts."""
    counts = task.history.matrix(np.ones(len(task.history))).tocsr()
    weighted = weigh(counts).tocsr()
    model = build()
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(weighted, show_progress=False)
        found, scores = model.recommend(
            task.users, weighted[task.users], N=min(TOP, counts.shape[1]), filter_already_liked_items=task.new_only
        )
    ranked = np.full((len(task.users), TOP), -1, dtype=np.int64)
    ranked[:, : found.shape[1]] = np.where(scores > -1e30, found, -1)
    return ranked


def peers() -> dict[str, list[Callable[[Task], Ranked]]]:
    """Each peer's grid; the first setting is used where the data are too large to tune on. Without `implicit` only popularity is left."""
    by_popularity: list[Callable[[Task], Ranked]] = [lambda task: popularity(task, 1.0), lambda task: popularity(task, 0.0)]
    if importlib.util.find_spec("implicit") is None:
        return {"popularity": by_popularity}
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from implicit.nearest_neighbours import BM25Recommender, TFIDFRecommender

    def as_is(counts: sparse.csr_matrix) -> sparse.csr_matrix:
        return counts

    def logged(counts: sparse.csr_matrix) -> sparse.csr_matrix:
        return counts.log1p()

    def binary(counts: sparse.csr_matrix) -> sparse.csr_matrix:
        return (counts > 0).astype(np.float32)

    def als(factors: int, alpha: float, weigh: Any) -> Callable[[Task], Ranked]:
        return lambda task: library(
            task,
            lambda: AlternatingLeastSquares(
                factors=factors, regularization=0.05, alpha=alpha, iterations=15, random_state=0, use_gpu=False
            ),
            weigh,
        )

    def bpr(factors: int, rate: float) -> Callable[[Task], Ranked]:
        return lambda task: library(
            task,
            lambda: BayesianPersonalizedRanking(
                factors=factors, learning_rate=rate, regularization=0.01, iterations=60, random_state=0, use_gpu=False
            ),
            binary,
        )

    def nearest(kind: Any, count: int, weigh: Any) -> Callable[[Task], Ranked]:
        return lambda task: library(task, lambda: kind(K=count), weigh)

    return {
        "als": [als(64, 10.0, logged), als(64, 1.0, binary), als(128, 20.0, logged), als(32, 5.0, as_is)],
        "bpr": [bpr(64, 0.05), bpr(64, 0.01)],
        "bm25": [nearest(BM25Recommender, 100, as_is), nearest(BM25Recommender, 20, as_is)],
        "tfidf": [nearest(TFIDFRecommender, 100, as_is), nearest(TFIDFRecommender, 20, logged)],
        "popularity": by_popularity,
    }


def run(task: Task) -> dict[str, Any]:
    """The whole comparison as the printed object."""
    began = time.perf_counter()
    seconds: dict[str, float] = {}
    if not len(task.users):
        return {
            "ours": dict.fromkeys(METRICS), "peers": {}, "difference_to_best_peer": dict.fromkeys(METRICS),
            "seconds": 0.0, "abstained": "no user has history before the window and something to find within it",
        }  # fmt: skip
    ranked, about = ours(task)
    if importlib.util.find_spec("implicit") is None:
        about["peers_missing"] = "als, bpr, bm25, tfidf: the package implicit is not installed (make bench)"
    seconds["ours"] = time.perf_counter() - began
    mine = judge(task, ranked)
    others: dict[str, dict[str, Floats]] = {}
    earlier = _tuning_task(task)
    for name, grid in peers().items():
        start = time.perf_counter()
        try:
            others[name] = judge(task, _tuned(grid, earlier)(task))
        except (ValueError, IndexError, ZeroDivisionError) as error:
            about[f"{name}_failed"] = str(error)
        seconds[name] = time.perf_counter() - start
    if not task.new_only:
        others["personal_frequency"] = judge(task, personal_frequency(task))
    return {
        "ours": {metric: round(float(mine[metric].mean()), 6) for metric in METRICS},
        "peers": {name: {metric: round(float(values[metric].mean()), 6) for metric in METRICS} for name, values in others.items()},
        "difference_to_best_peer": {metric: _difference(mine[metric], others, metric) for metric in METRICS},
        "seconds": round(time.perf_counter() - began, 2),
        "seconds_by_method": {name: round(value, 2) for name, value in seconds.items()},
        "users": len(task.users),
        "method": about,
    }


def _tuning_task(task: Task) -> Task | None:
    """The window before the test window, for choosing the peers' settings."""
    if len(task.history) > TUNING_LIMIT:
        return None
    day = task.day - task.window
    return _task(task.history.before(day), task.history.between(day, task.day), day, task.window, task.new_only)


def _tuned(grid: list[Callable[[Task], Ranked]], earlier: Task | None) -> Callable[[Task], Ranked]:
    if earlier is None or len(earlier.users) < 20:
        return grid[0]
    scores = [float(judge(earlier, method(earlier))["ndcg_at_10"].mean()) for method in grid]
    return grid[int(np.argmax(scores))]


def _difference(mine: Floats, others: dict[str, dict[str, Floats]], metric: str) -> list[float] | None:
    if not others:
        return None
    best = max(sorted(others), key=lambda name: float(others[name][metric].mean()))
    paired = mine - others[best][metric]
    generator = np.random.default_rng(0)
    means = [float(paired[generator.integers(0, len(paired), len(paired))].mean()) for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(paired.mean()), 6), round(float(low), 6), round(float(high), 6)]


def synthetic(users: int, items: int, per_user: int = 26, days: float = 180.0) -> pa.Table:
    """Repeat purchases with planted tastes: each user has two of 20 groups of items, and habits among them."""
    generator = np.random.default_rng(0)
    groups = 20
    popular = 1.0 / np.arange(1, items + 1) ** 0.6
    members = [np.arange(group, items, groups) for group in range(groups)]
    shares = [np.cumsum(popular[own]) / popular[own].sum() for own in members]
    tastes = generator.integers(0, groups, size=(users, 2))
    user = np.repeat(np.arange(users), per_user)
    group = tastes[user, generator.integers(0, 2, len(user))]
    draw = generator.random(len(user))
    item = np.empty(len(user), dtype=np.int64)
    for number in range(groups):
        mask = group == number
        item[mask] = members[number][np.minimum(np.searchsorted(shares[number], draw[mask]), len(members[number]) - 1)]
    again = generator.random(len(user)) < 0.3
    item[again] = item[np.maximum(np.flatnonzero(again) // per_user * per_user, 0)]
    second = (generator.random(len(user)) * days * 86_400).astype("int64") + 1_700_000_000
    moment = pa.array(second * 1_000_000, pa.int64()).cast(pa.timestamp("us"))
    return pa.table({"customer_id": user, "product_id": item, "at": moment})


def run_speed(users: int, items: int) -> dict[str, Any]:
    """Fit plus top ten for every user: ours (training the re-ranker included), its EASE alone, and implicit ALS
    (64 factors, 15 iterations); CPU and wall seconds.
    """
    from implicit.als import AlternatingLeastSquares

    history = read_history(synthetic(users, items))
    day = history.newest_day + MICROSECOND
    everyone = np.arange(history.customer_count)
    task = Task(history, everyone, np.empty(0, dtype=np.int64), everyone * 0, day, 30.0, False)
    everything = history.matrix()
    result: dict[str, Any] = {"users": users, "items": items, "pairs": len(history.pair_keys())}
    for name, method in (
        ("ours", lambda: ours(task)),
        ("ours_ease_alone", lambda: ease_alone(everything)),
        (
            "als",
            lambda: library(
                task,
                lambda: AlternatingLeastSquares(factors=64, iterations=15, random_state=0, use_gpu=False),
                lambda counts: counts,
            ),
        ),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        method()
        result[name] = {
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "wall_seconds": round(time.perf_counter() - wall, 2),
        }
    for name in ("ours", "ours_ease_alone"):
        result[name]["cpu_ratio"] = round(result[name]["cpu_seconds"] / result["als"]["cpu_seconds"], 3)
        result[name]["wall_ratio"] = round(result[name]["wall_seconds"] / result["als"]["wall_seconds"], 3)
    result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def ease_alone(matrix: sparse.csr_matrix, chunk: int = 1_000) -> Ranked:
    """Fit EASE and take everybody's ten best, what ALS does with the same matrix: no habits, no re-ranking."""
    weights = strongest_weights(fit_ease(matrix, Settings().penalty))
    best = np.full((matrix.shape[0], 10), -1, dtype=np.int64)
    for start in range(0, matrix.shape[0], chunk):
        scores = (matrix[start : start + chunk] @ weights).toarray()
        top = np.argpartition(-scores, 9, axis=1)[:, :10]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
        best[start : start + chunk] = np.take_along_axis(top, order, axis=1)
    return best


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommendations", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("interactions", nargs="?", type=Path)
    parser.add_argument("--user", default="customer_id")
    parser.add_argument("--item", default="product_id")
    parser.add_argument("--at", default="at")
    parser.add_argument("--window", type=float, default=30.0, metavar="DAYS")
    parser.add_argument("--new-only", action="store_true")
    parser.add_argument("--synthetic", nargs=2, type=int, metavar=("USERS", "ITEMS"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", module="implicit")
    if options.synthetic and importlib.util.find_spec("implicit") is None:
        print(
            "benchmarks.recommendations: --synthetic measures against ALS, which needs the package implicit (make bench).", file=sys.stderr
        )
        return 1
    if options.synthetic:
        print(json.dumps(run_speed(*options.synthetic), indent=None if options.json else 2))
        return 0
    if options.interactions is None or not 0 < options.window < np.inf:
        parser.error("give a file of interactions and a window above 0 days, or --synthetic USERS ITEMS")
    if importlib.util.find_spec("implicit") is None:
        print("Measured without ALS, BPR, BM25 and TF-IDF: they need the package implicit (make bench).", file=sys.stderr)
    try:
        table = read_interactions(options.interactions, options.user, options.item, options.at)
    except ValueError as error:
        print(f"benchmarks.recommendations: {error}", file=sys.stderr)
        return 1
    result = run(split(table, options.window, options.new_only))
    print(json.dumps(result) if options.json else _as_text(result))
    return 0


def _as_text(result: dict[str, Any]) -> str:
    if "abstained" in result:
        return f"Abstained: {result['abstained']}."
    lines = [f"{'':20s}" + "".join(f"{metric:>14s}" for metric in METRICS)]
    for name, row in {"ours": result["ours"], **result["peers"]}.items():
        lines.append(f"{name:20s}" + "".join(f"{row[metric]:14.4f}" for metric in METRICS))
    for metric in METRICS:
        if result["difference_to_best_peer"][metric]:
            estimate, low, high = result["difference_to_best_peer"][metric]
            lines.append(f"{metric}: {estimate:+.4f} [{low:+.4f}, {high:+.4f}] against the best peer")
    lines.append(f"{result['users']} users, {result['seconds']} s; {result['method']}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
