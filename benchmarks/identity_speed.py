"""What finding people costs: 100,000 or 1,000,000 made-up records, ours beside Splink alone and plain SQL rules in the same run.

    python -m benchmarks.identity_speed [--records 100000] [--without-splink] [--json]

Seconds are processor seconds of a process of its own each. `rules` joins on equal e-mail, phone, or names and birth date, and takes connected
components. `ours` compares and clusters with a model trained before (its seconds apart). `first` and `day` do what the pipeline does in a store
(compare, find people at the closes, keep what the next day needs): the first run with 99 % of the records, and the next with the 1 % that came
since. `splink` predicts and clusters with a model of its own on two blocking rules (names; birth date), trained before too.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dagster_project.identity.comparing import compare_new
from dagster_project.identity.link_lists import Decisions
from dagster_project.identity.people import find_people
from dagster_project.identity.resolve import resolve
from dagster_project.identity.splink_model import train
from dagster_project.identity.statements import SHOP_RULES

SEED = 20_260_101
PER_PERSON = 2.5
TRAINED_ON = 100_000


def made_up(records: int) -> pa.Table:
    """Records of people with names, e-mail, phone, street, postcode and birth date; a fifth of the fields missing, one in ten mistyped."""
    random = np.random.default_rng(SEED)
    people = int(records / PER_PERSON)
    syllables = np.array(
        ["ba", "ro", "mi", "len", "ka", "tor", "vi", "sa", "ner", "lu", "den", "ha", "wil", "ma", "stein", "ber"], dtype=object
    )

    def skewed(pool: Any) -> Any:
        """A member of the pool per person, the first ones far more often."""
        return pool[(random.random(people) ** 2 * len(pool)).astype(int)]

    given_pool = np.unique(["".join(random.choice(syllables, 2)) for _ in range(3_000)])
    family_pool = np.unique(["".join(random.choice(syllables, 3)) for _ in range(30_000)])
    given, family = skewed(given_pool), skewed(family_pool)
    numbers = random.integers(1, 10_000, people).astype(str)
    fields: dict[str, Any] = {
        "given_name": given,
        "family_name": family,
        "email": given + "." + family + numbers + "@" + random.choice(["mail.test", "post.test", "box.test"], people),
        "phone": "+4479" + np.char.zfill(random.integers(0, 99_999_999, people).astype(str), 8),
        "street": random.integers(1, 200, people).astype(str) + " " + family_pool[random.integers(0, len(family_pool), people)] + " road",
        "postcode": "N" + random.integers(1, max(people // 20, 50), people).astype(str),
        "birth_date": (np.datetime64("1940-01-01") + random.integers(0, 24_000, people)).astype(str),
    }
    person = random.integers(0, people, records)
    columns: dict[str, Any] = {"record_id": np.char.add("crm:", np.char.zfill(np.arange(records).astype(str), 8))}
    for name, values in fields.items():
        stated = np.asarray(values, dtype=object)[person].astype(str)
        wrong = np.flatnonzero(random.random(records) < 0.1)
        places = random.integers(0, 1_000, len(wrong))
        for row, place in zip(wrong, places, strict=True):
            text = str(stated[row])
            cut = place % len(text)
            stated[row] = text[:cut] + text[cut + 1 :]
        columns[name] = pa.array(stated, pa.string(), mask=random.random(records) < 0.2)
    at = (np.datetime64("2026-01-01", "us") + np.arange(records) * np.timedelta64(1, "s")).astype("datetime64[us]")
    return pa.table({**columns, "known_at": at})


def rules(records: pa.Table, **_: Any) -> int:
    with duckdb.connect() as con:
        con.register("incoming", records)
        con.execute("create table tidy as select row_number() over () - 1 as n, *, lower(trim(email)) as mail from incoming")
        keys = ("mail", "phone", "given_name, family_name, birth_date")
        pairs = " union ".join(
            f"select l.n as a, r.n as b from tidy as l inner join tidy as r using ({key}) where l.n < r.n" for key in keys
        )
        found = con.execute(pairs).fetchnumpy()
    graph = coo_matrix((np.ones(len(found["a"]), dtype=np.int8), (found["a"], found["b"])), shape=(len(records),) * 2)
    return int(connected_components(graph, directed=False)[0])


def ours(records: pa.Table, model: str, **_: Any) -> int:
    return len(set(resolve(records, model).clusters["cluster_id"].to_pylist()))


def night(records: pa.Table, model: str, store: Path, closes: list[datetime], **_: Any) -> int:
    """A run of the pipeline's linking on what was said since the run before, or the first one of a store."""
    with duckdb.connect(store) as con:
        con.begin()
        compare_new(con, records, model, SHOP_RULES, day_first=True)
        find_people(con, closes[0], closes, Decisions([], lambda _: closes[0]), "a key")
        con.commit()
        return int((con.execute("select count(distinct anchor) from identity.stood").fetchone() or (0,))[0])


def splink(records: pa.Table, settings: dict[str, Any], **_: Any) -> int:
    from splink import DuckDBAPI, Linker

    con = duckdb.connect()
    con.register("incoming", records)
    api = DuckDBAPI(connection=con)
    con.execute("create table tidy as select record_id as unique_id, * exclude (record_id) from incoming")
    linker = Linker(api.register("tidy"), settings)
    predicted = linker.inference.predict(threshold_match_probability=0.95)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    return int((con.execute(f"select count(distinct cluster_id) from {clusters.physical_name}").fetchone() or (0,))[0])


def splink_settings(records: pa.Table) -> dict[str, Any]:
    """A Splink model as its tutorials make one."""
    import splink.comparison_library as library
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect()
    con.register("incoming", records.slice(0, TRAINED_ON))
    api = DuckDBAPI(connection=con)
    con.execute("create table tidy as select record_id as unique_id, * exclude (record_id) from incoming")
    names = [library.JaroWinklerAtThresholds(role, [0.92, 0.8]) for role in ("given_name", "family_name", "email", "street")]
    codes = [library.DamerauLevenshteinAtThresholds(role, [1, 2]) for role in ("phone", "postcode", "birth_date")]
    blocks = [block_on("given_name", "family_name"), block_on("birth_date")]
    linker = Linker(
        api.register("tidy"),
        SettingsCreator(link_type="dedupe_only", comparisons=[*names, *codes], blocking_rules_to_generate_predictions=blocks),
    )
    linker.training.estimate_probability_two_random_records_match([block_on("email")], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for block in blocks:
        linker.training.estimate_parameters_using_expectation_maximisation(block)
    return dict(linker.misc.save_model_to_json())


METHODS = {"rules": rules, "ours": ours, "first": night, "day": night, "splink": splink}


def _run(name: str, arguments: dict[str, Any], answer: Any) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    wall, processor = time.perf_counter(), time.process_time()
    customers = METHODS[name](**arguments)
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.send({"customers": customers, "cpu_seconds": processor, "wall_seconds": wall, "peak_mb": peak})


def measured(name: str, **arguments: Any) -> dict[str, float]:
    """Run a method in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(name, arguments, send))
    process.start()
    send.close()
    found = receive.recv()
    process.join()
    return {key: round(value, 2) for key, value in found.items()}


def main(arguments: list[str] | None = None) -> int:
    """Print a line a method and the ratios, or JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity_speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--without-splink", action="store_true")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args(arguments)
    records = made_up(chosen.records)
    began = time.process_time()
    model = train(records.slice(0, TRAINED_ON))
    results: dict[str, dict[str, float]] = {"training": {"cpu_seconds": round(time.process_time() - began, 2)}}
    results["rules"] = measured("rules", records=records)
    results["ours"] = measured("ours", records=records, model=model)
    old = records.num_rows - records.num_rows // 100
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.duckdb"
        closes = [records["known_at"][old - 1].as_py(), records["known_at"][-1].as_py()]
        results["first"] = measured("first", records=records.slice(0, old), model=model, store=store, closes=closes[:1])
        results["day"] = measured("day", records=records.slice(old), model=model, store=store, closes=closes)
    if not chosen.without_splink:
        results["splink"] = measured("splink", records=records, settings=splink_settings(records))
    ratios = {"ours / rules": results["ours"]["cpu_seconds"] / results["rules"]["cpu_seconds"]}
    ratios["day / first"] = results["day"]["cpu_seconds"] / results["first"]["cpu_seconds"]
    ratios["day / ours"] = results["day"]["cpu_seconds"] / results["ours"]["cpu_seconds"]
    if "splink" in results:
        ratios["ours / splink"] = results["ours"]["cpu_seconds"] / results["splink"]["cpu_seconds"]
    if chosen.as_json:
        print(json.dumps({**results, "ratios": {name: round(value, 3) for name, value in ratios.items()}}))
        return 0
    for name, row in results.items():
        print(f"{name:10}" + "".join(f"  {measure} {value:,.2f}" for measure, value in row.items()))
    for name, value in ratios.items():
        print(f"{name:16} {value:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
