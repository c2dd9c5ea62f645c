"""Measure record matching on any file with a known truth, beside Splink alone and exact rules alone.

    python -m benchmarks.identity DATA.parquet --truth COLUMN --map MAP.yaml [--links B.parquet] [--json]

DATA is Parquet or CSV (.csv, .tsv, .txt, each also .gz), MAP a YAML of `column: role` (roles: id, given_name, family_name, full_name,
birth_date, email, phone, street, city, postcode, country, national_id, other; several columns of one role are joined for names and
streets, kept apart for `other`, and otherwise the first that is filled counts; what programs write for nothing, as NaN or NULL, is
nothing). With `--links` the two files hold each person once and are linked one to
one. The truth is read after matching and only to score it.

    pair_*      of all pairs of records said to be one person, how many are (precision); of all true pairs, how many were said (recall)
    cluster_*   a cluster is right when it holds exactly the records of one person: right clusters among those found (precision)
                and among the true ones (recall); people with one record count too
    bcubed_*    (in the table alone) B-cubed (Bagga and Baldwin 1998): for the mean record, how many of the records it was put with are its person's (precision),
                and how many of its person's records it was put with (recall); a big cluster that misses one record is nearly right here
    seconds     training included (ours and Splink), from the table in memory to clusters; each contender in a process of its own
    peak_mb     the highest resident memory of that process, libraries included
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import multiprocessing
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import duckdb
import phonenumbers
import pyarrow as pa
import yaml

from benchmarks.transactions import key_sql
from dagster_project.identity.normalise import ROLES, country_names, plain_letters
from dagster_project.identity.resolve import resolve
from dagster_project.identity.splink_model import train

JOINED = ("given_name", "family_name", "full_name", "street")
KINDS = ("pair", "cluster", "bcubed")
TEXT_FILES = (".csv", ".tsv", ".txt", ".gz")
# What programs write into a text where there is nothing.
NOTHING = ("nan", "nat", "none", "null", "<na>", "n/a", "#n/a", "-", "?")
JSON_KEYS = (*(f"{kind}_{measure}" for kind in ("pair", "cluster") for measure in ("precision", "recall", "f1")), "seconds", "peak_mb")
Clusters = dict[str, str]


def read_map(path: Path) -> dict[str, str]:
    """The role of each column. Raises ValueError when the file is no YAML of `column: role`."""
    try:
        mapped = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{path}:{line}: no YAML ({error.problem})") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError(f"{path}: no YAML") from None
    except OSError:
        raise ValueError(f"{path}: there is no such file") from None
    if not isinstance(mapped, dict) or any(isinstance(role, dict | list) for role in mapped.values()):
        raise ValueError(f"{path}: a line `column: role` per column is needed")
    return {str(column): str(role).strip().lower() for column, role in mapped.items() if role is not None}


def read_records(paths: list[Path], roles: dict[str, str], truth: str, pattern: str | None) -> tuple[pa.Table, Clusters]:
    """Read the files into `records` (see `normalise`; source is the file's number) and the true person of each record id.

    Raises ValueError for a role that does not exist, a column that no file has, a truth that would be compared, or a file that is no table.
    """
    if pattern and not re.compile(pattern).groups:
        raise ValueError(f"--truth-pattern {pattern}: put the part that says who a record is in parentheses")
    unknown = sorted({role for role in roles.values() if role not in (*ROLES, "id")})
    if unknown:
        raise ValueError(f"unknown roles {unknown}: use id, {', '.join(ROLES)}")
    if roles.get(truth, "id") != "id":
        raise ValueError(f"the truth {truth} has the role {roles[truth]}: records must be compared without it, take it out of the map")
    found: set[str] = set()
    tables, true = [], {}
    with duckdb.connect() as con:
        for number, path in enumerate(paths):
            if not path.is_file():
                raise ValueError(f"{path}: there is no such file")
            try:
                _read_file(con, path)
            except duckdb.Error as error:
                raise ValueError(f"{path}: no readable {'CSV' if is_text(path) else 'Parquet'} file ({one_line(error)})") from None
            kinds = {row[0]: row[1] for row in con.execute("describe file").fetchall()}
            names = list(kinds)
            if truth not in names:
                raise ValueError(f"{path}: no column {truth}, has {', '.join(names)}")
            columns: dict[str, list[str]] = defaultdict(list)
            for column, role in roles.items():
                if column in names:
                    found.add(column)
                    said = key_sql(column, kinds[column])
                    columns[role].append(said if role == "id" else f"case when lower({said}) not in {NOTHING} then {said} end")
            identifier = columns.pop("id", ["cast(file.rowid + 1 as varchar)"])[0]
            selected = [f"'{number}:' || {identifier} as record_id", f"'{number}' as source"]
            for role, parts in sorted(columns.items()):
                if role in JOINED:
                    selected.append(f"concat_ws(' ', {', '.join(parts)}) as {role}")
                elif role == "other":
                    selected.extend(f"{part} as other{f'_{index}' if index else ''}" for index, part in enumerate(parts))
                else:
                    selected.append(f"coalesce({', '.join(parts)}) as {role}")
            tables.append(con.execute(f"select {', '.join(selected)} from file order by file.rowid").to_arrow_table())
            rows, ids, empty = con.execute(
                f"select count(*), count(distinct {identifier}), count(*) filter ({identifier} is null) from file"
            ).fetchone() or (0, 0, 0)
            if rows != ids:
                said = f"{ids:,} names for {rows:,} records, {empty:,} of them without one"
                raise ValueError(
                    f"{path}: the column of role id must name each record once, and has {said}: map another column to id, or none"
                )
            people = con.execute(f"select '{number}:' || {identifier}, {key_sql(truth, kinds[truth])} from file").fetchall()
            for record, person in people:
                matched = re.search(pattern, person) if pattern and person else None
                true[record] = (matched.group(1) if matched else person) if person is not None else f"alone {record}"
    missing = sorted(set(roles) - found)
    if missing:
        raise ValueError(f"no file has the columns {missing} of the map; {paths[-1].name} has {', '.join(names)}")
    return pa.concat_tables(tables, promote_options="default"), true


def is_text(path: Path) -> bool:
    return path.suffix.lower() in TEXT_FILES


def _read_file(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Temp table `file`: every column of a text file is text, or a postcode would lose its zero. What is no UTF-8 is Latin-1."""
    create = "create or replace temp table file as from"
    if not is_text(path):
        con.execute(f"{create} read_parquet(?)", [str(path)])
        return
    try:
        con.execute(f"{create} read_csv(?, all_varchar = true)", [str(path)])
    except duckdb.Error as error:
        if "utf-8" not in str(error).lower():
            raise
        con.execute(f"{create} read_csv(?, all_varchar = true, encoding = 'latin-1')", [str(path)])


def one_line(error: Exception) -> str:
    """What an error says, without the statement or the text that it shows beside it, nor what a reader tells of its settings."""
    return " ".join(re.split(r"\n\n(?:LINE|Possible|  file)|\nPossible|\n  file", str(error), maxsplit=1)[0].split())


def ratios_of(precision: float, recall: float) -> tuple[float, float, float]:
    """Both and their harmonic mean."""
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(found: Clusters, true: Clusters) -> dict[str, float]:
    """Pairwise, exact-cluster and B-cubed precision, recall and F1 (see the module); a ratio of nothing is 1."""

    def pairs(counts: Counter[Any]) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    def ratios(right: int, said: int, there: int) -> tuple[float, float, float]:
        return ratios_of(right / said if said else 1.0, right / there if there else 1.0)

    together = pairs(Counter((found[record], true[record]) for record in true))
    pair = ratios(together, pairs(Counter(found.values())), pairs(Counter(true.values())))
    groups = []
    for clusters in (found, true):
        members: dict[str, list[str]] = defaultdict(list)
        for record, name in clusters.items():
            members[name].append(record)
        groups.append({tuple(sorted(records)) for records in members.values()})
    cluster = ratios(len(groups[0] & groups[1]), len(groups[0]), len(groups[1]))
    both = Counter((found[record], true[record]) for record in true)
    said, there = Counter(found[record] for record in true), Counter(true.values())
    # Each record's share summed: a group of n records that are together in both counts n times n / size.
    shares = [sum(n * n / sizes[key[side]] for key, n in both.items()) for side, sizes in ((0, said), (1, there))]
    bcubed = ratios_of(shares[0] / len(true), shares[1] / len(true)) if true else (1.0, 1.0, 1.0)
    names = [f"{kind}_{measure}" for kind in KINDS for measure in ("precision", "recall", "f1")]
    return {name: round(value, 5) for name, value in zip(names, (*pair, *cluster, *bcubed), strict=True)}


def ours(records: pa.Table, country: str, one_to_one: bool) -> Clusters:
    """Exact rules, then a model trained on these records without labels, then average linkage."""
    try:
        model: str | None = train(records, country, one_to_one)
    except ValueError:
        model = None  # no column tells records apart: the rules are all there is
    resolution = resolve(records, model, default_country=country, one_to_one=one_to_one)
    return _clusters(resolution.clusters)


def exact(records: pa.Table, country: str, one_to_one: bool) -> Clusters:
    """The same exact rules alone."""
    return _clusters(resolve(records, None, default_country=country, one_to_one=one_to_one).clusters)


def splink(records: pa.Table, country: str, one_to_one: bool) -> Clusters:
    """Splink as its tutorials set it up: library comparisons, its own training, its clustering at probability 0.95.

    Of ours it gets what any careful user does first: lower case, trimmed text. With two files it links only across them and clusters
    one to one with its best-link method.
    """
    import splink.comparison_library as library
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    from splink.internals.exceptions import EMTrainingException

    logging.getLogger("splink").setLevel(logging.CRITICAL)
    filled = [role for role in records.column_names if role not in ("record_id", "source") and records[role].null_count < records.num_rows]
    con = duckdb.connect()
    con.register("incoming", records)
    tidy = ", ".join(f"nullif(lower(trim({role})), '') as {role}" for role in filled)
    comparisons: list[Any] = []
    for role in filled:
        if role in ("given_name", "family_name", "full_name"):
            comparisons.append(library.JaroWinklerAtThresholds(role, [0.92, 0.8]).configure(term_frequency_adjustments=True))
        elif role == "birth_date":
            comparisons.append(library.DamerauLevenshteinAtThresholds(role, [1, 2]))
        elif role == "email":
            comparisons.append(library.JaroWinklerAtThresholds(role, [0.92, 0.85]))
        elif role in ("phone", "national_id", "postcode"):
            comparisons.append(library.DamerauLevenshteinAtThresholds(role, [1, 2]))
        elif role == "street":
            comparisons.append(library.JaroWinklerAtThresholds(role, [0.9, 0.8]))
        else:
            comparisons.append(library.ExactMatch(role).configure(term_frequency_adjustments=True))
    candidates = [
        ("email",),
        ("phone",),
        ("national_id",),
        ("given_name", "family_name"),
        ("full_name",),
        ("birth_date", "family_name"),
        ("birth_date", "given_name"),
        ("birth_date", "full_name"),
        ("street", "family_name"),
        ("street", "given_name"),
        ("postcode", "family_name"),
        ("postcode", "given_name"),
        ("birth_date", "postcode"),
        ("street", "postcode"),
    ]
    if records.num_rows <= 20_000:
        candidates += [("family_name",), ("birth_date",), ("full_name", "city"), ("given_name", "city")]
    blocks = [columns for columns in candidates if set(columns) <= set(filled)] or [(role,) for role in filled]
    api = DuckDBAPI(connection=con)
    sources = sorted(set(records["source"].to_pylist())) if one_to_one else ["0"]
    frames = []
    for number, source in enumerate(sources):
        where = f"where source = '{source}'" if one_to_one else ""
        con.execute(f"create table frame_{number} as select record_id as unique_id, source as source_dataset, {tidy} from incoming {where}")
        frames.append(api.register(f"frame_{number}"))
    linker = Linker(
        frames if one_to_one else frames[0],
        SettingsCreator(
            link_type="link_only" if one_to_one else "dedupe_only",
            comparisons=comparisons,
            blocking_rules_to_generate_predictions=[block_on(*columns) for columns in blocks],
        ),
    )
    deterministic: list[Any] = [block_on(*columns) for columns in blocks[:3]]
    try:
        linker.training.estimate_probability_two_random_records_match(deterministic, recall=0.7)
    except ValueError:
        # The three rules link more than 70 % of all pairs.
        linker.training.estimate_probability_two_random_records_match(deterministic, recall=1.0)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for columns in [block for block in blocks if block[0] in ("email", "given_name", "birth_date", "full_name", "phone", "postcode")][:3]:
        # No two records may agree on these columns; then the other rounds have to do.
        with contextlib.suppress(EMTrainingException):
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    predicted = linker.inference.predict(threshold_match_probability=0.95)
    if one_to_one:
        grouped = linker.clustering.cluster_using_single_best_links(
            predicted, duplicate_free_datasets=sources, threshold_match_probability=0.95
        )
    else:
        grouped = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, threshold_match_probability=0.95)
    rows = con.execute(f"select unique_id, cluster_id from {grouped.physical_name}").fetchall()
    return {record: str(cluster) for record, cluster in rows}


def _clusters(table: pa.Table) -> Clusters:
    return dict(zip(table["record_id"].to_pylist(), table["cluster_id"].to_pylist(), strict=True))


CONTENDERS = {"ours": ours, "splink": splink, "exact": exact}


def region(text: str) -> str:
    """The two letters (ISO 3166) of a country, which may be given by its name."""
    code = country_names().get(plain_letters(text.lower()), text.upper())
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no country; write its two letters, such as GB or DE")
    return code


def _contend(name: str, records: pa.Table, country: str, one_to_one: bool, answer: Any) -> None:
    """Run one contender in this process and send (clusters, seconds, peak_mb), or the error's text."""
    import os

    # Splink tells its progress at length; the report is the only thing to read here, and errors travel by `answer`.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        start = time.perf_counter()
        found = CONTENDERS[name](records, country, one_to_one)
        seconds = time.perf_counter() - start
        answer.send((found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    except Exception as error:
        answer.send(f"{type(error).__name__}: {error}".splitlines()[0])


def measure(name: str, records: pa.Table, true: Clusters, country: str, one_to_one: bool) -> dict[str, float]:
    """Run one contender in a fresh process and score it. Raises RuntimeError with the contender's error."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_contend, args=(name, records, country, one_to_one, send))
    process.start()
    send.close()
    try:
        answer = receive.recv()
    except EOFError:
        answer = "the process died"
    process.join()
    if isinstance(answer, str):
        raise RuntimeError(f"{name}: {answer}")
    found, seconds, peak = answer
    return {**score(found, true), "seconds": round(seconds, 2), "peak_mb": round(peak, 1)}


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or one JSON object with `--json`. Returns 2 on wrong usage, 1 when ours failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--truth", required=True, metavar="COLUMN", help="the column that says who a record is")
    parser.add_argument("--truth-pattern", metavar="REGEX", help="the part of it that does, as group 1")
    parser.add_argument("--map", required=True, type=Path, help="YAML of column: role")
    parser.add_argument("--links", type=Path, metavar="B.parquet", help="a second clean file, linked one to one")
    parser.add_argument("--country", default="GB", type=region, help="the country of phone numbers without a prefix (default GB)")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args(arguments)
    paths = [chosen.data, *([chosen.links] if chosen.links else [])]
    try:
        records, true = read_records(paths, read_map(chosen.map), chosen.truth, chosen.truth_pattern)
    except (OSError, ValueError, duckdb.Error, re.error) as error:
        print(f"benchmarks.identity: {one_line(error)}", file=sys.stderr)
        return 2
    results: dict[str, dict[str, float | None]] = {}
    failed = False
    for name in CONTENDERS:
        try:
            results[name] = dict(measure(name, records, true, chosen.country, bool(chosen.links)))
        except RuntimeError as error:
            print(f"benchmarks.identity: {error}", file=sys.stderr)
            failed |= name == "ours"
            results[name] = dict.fromkeys((*score({}, {}), "seconds", "peak_mb"))
    if chosen.as_json:
        print(json.dumps({name: {key: value for key, value in row.items() if key in JSON_KEYS} for name, row in results.items()}))
    else:
        print(f"{records.num_rows:,} records, {len(set(true.values())):,} people, {len(paths)} file(s)")
        print(
            f"{'':8}{'pair P':>9}{'R':>9}{'F1':>9}{'cluster P':>11}{'R':>9}{'F1':>9}{'B-cubed P':>11}{'R':>9}{'F1':>9}{'seconds':>9}{'peak MB':>9}"
        )
        for name, row in results.items():
            values = ["-" if value is None else f"{value:.4f}" if key.startswith(KINDS) else f"{value:.1f}" for key, value in row.items()]
            print(
                f"{name:8}" + "".join(f"{value:>{width}}" for value, width in zip(values, (9, 9, 9, 11, 9, 9, 11, 9, 9, 9, 9), strict=True))
            )
        print("cluster: exactly the records of one person; B-cubed: the mean over records; truth is read only to score")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
