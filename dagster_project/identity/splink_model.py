"""The probabilistic model: a Splink model as JSON, trained once on the shop's records without labels.

    train(records) -> model (JSON text), by which `weighing.weigh` weighs pairs

The model holds Splink's settings (comparisons, m and u probabilities) under `splink`, which any Splink can read, how often each
value occurs (`terms`), how far each blocking key reaches (`limits`), and what independent comparisons cannot know: the weight of
two records at one address being one person (`household_weight`) and what is usual between people who share a name (`kindred`).
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.identity import comparisons
from dagster_project.identity.blocking import BIG_FILE, Limits, idle_keys, limits_for, write_pairs
from dagster_project.identity.clustering import CUT
from dagster_project.identity.comparisons import OTHER_DIGITS_LEVEL
from dagster_project.identity.estimation import Block, Parameters, Patterns, estimate, kindred_u, match_share
from dagster_project.identity.normalise import normalise
from dagster_project.identity.patterns import count_patterns, known_columns, write_block, write_random_pairs
from dagster_project.identity.weighing import HOUSEHOLD_CAPS, KEEP_WEIGHT, lowest_weight, pairs_found
from dagster_project.identity.weights import term_columns

SAMPLED_PAIRS = 200_000
# Of each column's values so many are kept with how often they occur; any other counts as the rarest does.
TERMS_KEPT = 5_000

# Where m is estimated: the first BLOCKS_USED of these whose columns are known, each without the comparisons it decides. Which pairs are
# matches is judged, where it can be, by what is a person's own and not a household's. Phone and address come last: their blocks are full
# of families, who agree on names and places without being one person.
TRAINING_BLOCKS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("given || ' ' || family", ("given", "family"), ("given_name", "family_name")),
    ("email", ("email",), ("email",)),
    ("birth_date", ("birth_date",), ("birth_date",)),
    ("national_id", ("national_id",), ("national_id",)),
    ("phone", ("phone",), ("phone",)),
    ("street_key || coalesce(postcode, city, '')", ("street",), ("street", "place")),
    ("family || coalesce(postcode, city)", ("family", "postcode"), ("family_name", "place")),
)
BLOCKS_USED = 3

# Where relatives meet: the share of one person among such pairs is what a file says about its households.
HOUSEHOLD_KEYS: tuple[tuple[str, str], ...] = (("street", "street_key || coalesce(postcode, city, '')"), ("phone", "phone"))
# And where a file has neither, nor a birth date or an id to tell relatives apart by: those of one family name in one postcode.
FAMILY_KEY = (("family", "postcode"), "family || postcode")
# Mailboxes are made of names: among pairs that share one an alike mailbox says less, and how much less is learned there.
KINDRED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("both", "given || ' ' || family", ("given_name", "family_name")),
    ("given", "given", ("given_name",)),
    ("family", "family", ("family_name",)),
)
# One person differs so often at most in what is theirs alone (the level `different`). In a file where nobody is twice, learning would else take
# namesakes for one person who has two of everything.
DIFFERENT = {"given_name": 0.2, "birth_date": 0.2, "national_id": 0.3, "email": 0.6}
# Nor does one person often have two mailboxes that differ in their digits, and namesakes nearly always do.
OTHER_DIGITS = 0.05
# The ceiling of `different` where no birth date and no id tell relatives, who share a mailbox or a home, from one person.
BLIND = {"given_name": 0.03}
# The most that a mailbox says between two who share a name, where the file has nothing else to learn it from: level 0 = different, up to same.
KINDRED_AT_MOST = (np.inf, 0.0, 0.0, np.inf, -4.0, np.inf, np.inf)
HOUSEHOLD_SHARE = (0.25, 0.9995)
# The most pairs of one person that a record is in, on average. Where few fields tell people apart, as where all live in the same few streets, what
# makes pairs worth comparing looks like more: without a bound, 4,280 records of as many people were taken for 67 pairs each.
MOST_PAIRS_A_RECORD = 10


def settings(columns: set[str], extra: list[str]) -> dict[str, Any]:
    """Splink settings for records with these columns, not yet trained."""
    chosen = []
    for column, comparison in (
        ("given", comparisons.given_name()),
        ("family", comparisons.family_name()),
        ("birth_date", comparisons.birth_date()),
        ("email", comparisons.email()),
        ("phone", comparisons.code("phone", 2)),
        ("national_id", comparisons.code("national_id", 2)),
        ("street", comparisons.street()),
    ):
        if column in columns:
            chosen.append(comparison)
    if columns & {"postcode", "city", "country"}:
        chosen.append(comparisons.place(columns))
    # A vendor's ids link by a rule; two that differ say nothing.
    described = [column for column in ("other", *extra) if column in columns and not column.endswith("_id")]
    chosen.extend(comparisons.category(column) for column in described)
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "position",
        "comparisons": chosen,
        "blocking_rules_to_generate_predictions": [],
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
    }


def train(records: pa.Table, default_country: str = "GB", across_sources: bool = False) -> str:
    """Train a model on `records` (see `normalise`) without labels and return it as JSON.

    `across_sources` learns from pairs of different `source` only, for files that hold each person once. Raises ValueError when
    no column tells records apart.
    """
    with duckdb.connect() as con:
        extra = normalise(con, records, default_country)
        columns = known_columns(con)
        model = settings(columns, extra)
        if not model["comparisons"]:
            raise ValueError("nothing to compare: no role has two different values")
        names = [comparison["output_column_name"] for comparison in model["comparisons"]]
        write_random_pairs(con, across_sources)
        random = count_patterns(con, model, "random_pairs")
        blocks: list[Block] = []
        own = np.array([name in (*HOUSEHOLD_CAPS, "national_id") for name in names])
        for key, needs, decided in TRAINING_BLOCKS:
            compared = np.array([name not in decided for name in names])
            if len(blocks) == BLOCKS_USED or not set(needs) <= columns or not compared.any():
                continue
            write_block(con, key, across_sources)
            patterns = count_patterns(con, model, "block_pairs")
            if patterns.counts.sum() >= 20:
                judged = compared & own if (compared & own).sum() > 1 else compared
                blocks.append(Block(patterns, compared, judged))
        household = _household_block(con, model, columns, across_sources)
        sizes = [len(comparison["comparison_levels"]) - 1 for comparison in model["comparisons"]]
        told = _tells_relatives_apart(con, columns)
        different = DIFFERENT if told else DIFFERENT | BLIND
        ceilings = {(index, 0): different[name] for index, name in enumerate(names) if name in different}
        if "email" in names:
            ceilings[names.index("email"), OTHER_DIGITS_LEVEL] = OTHER_DIGITS
        parameters = estimate(random, blocks, sizes, ceilings)
        kindred = _kindred(con, model, parameters, columns, across_sources)
        limits = limits_for(con, columns)
        write_pairs(con, limits, across_sources=across_sources)
        pairs = (con.execute("select count(*) from pairs").fetchone() or (0,))[0]
        con.execute(
            "create or replace temp table sampled as "
            f"select * from pairs order by hash(left_position, right_position) limit {SAMPLED_PAIRS}"
        )
        share = match_share(count_patterns(con, model, "sampled"), parameters, 0.01) if pairs else 1e-6
        counted = con.execute("select count(*), count(*) filter (source = (select min(source) from normalised)) from normalised").fetchone()
        assert counted is not None
        possible = counted[1] * (counted[0] - counted[1]) if across_sources else counted[0] * (counted[0] - 1) / 2
        share_at_home = match_share(household.patterns, parameters, 0.5, household.judged) if household and own.any() else 1.0
        share_at_home = min(max(share_at_home, HOUSEHOLD_SHARE[0]), HOUSEHOLD_SHARE[1])
        model["probability_two_random_records_match"] = share_of_all(share * pairs, counted[0], possible)
        for comparison, m, u in zip(model["comparisons"], parameters.m, parameters.u, strict=True):
            best = len(m) - 1
            for number, level in enumerate(comparison["comparison_levels"][1:]):
                level["m_probability"] = float(f"{m[best - number]:.6g}")
                level["u_probability"] = float(f"{u[best - number]:.6g}")
        stored = {
            "kindred": kindred,
            "household_weight": round(float(np.log2(share_at_home / (1 - share_at_home))), 3),
            "terms": _terms(con, model),
            "splink": model,
        }
        if counted[0] > BIG_FILE:
            limits = _without_idle_keys(con, stored, limits)
    return json.dumps({**stored, "limits": {"records": limits.records, "idle": limits.idle}}, indent=1, sort_keys=True)


def share_of_all(matches: float, records: int, possible: float) -> float:
    """How many of all `possible` pairs of so many records are one person's, by how many of those worth comparing look so; six digits."""
    bounded = min(matches, MOST_PAIRS_A_RECORD * records)
    return float(f"{min(max(bounded / max(possible, 1), 1e-12), 0.5):.6g}")


def _without_idle_keys(con: duckdb.DuckDBPyConnection, stored: dict[str, Any], limits: Limits) -> Limits:
    """The limits with what table `sampled` teaches about keys that find pairs in vain."""
    con.execute("create or replace temp table pairs as select * from sampled")
    con.register("found", pairs_found(con, stored, KEEP_WEIGHT, is_few=True))
    sampled = con.execute(
        f"""
        with matches as (select left_position, right_position from found where {lowest_weight(stored)} >= {CUT.weight})
        select sampled.keys, matches.left_position is not null as is_match
        from sampled left join matches using (left_position, right_position)
        """
    ).fetchnumpy()
    con.unregister("found")
    return idle_keys(limits, np.asarray(sampled["keys"]), np.asarray(sampled["is_match"]))


def _terms(con: duckdb.DuckDBPyConnection, model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Per term column: the share of the commonest values, and the share that any other value is taken to have."""
    terms = {}
    for column in term_columns(model):
        rows = con.execute(
            f"""
            with counted as (select {column} as value, count(*) as records from normalised where {column} is not null group by {column})
            select value, records / sum(records) over () as share from counted order by records desc, value
            """
        ).fetchall()
        kept = {value: float(f"{share:.6g}") for value, share in rows[:TERMS_KEPT]}
        terms[column] = {"kept": kept, "other": float(f"{rows[-1][1]:.6g}") if rows else 1.0}
    return terms


def _kindred(
    con: duckdb.DuckDBPyConnection, model: dict[str, Any], parameters: Parameters, columns: set[str], across_sources: bool
) -> dict[str, dict[str, Any]]:
    """What the file shows about pairs that share a name: by "both", "given" and "family" the weights of the e-mail's levels between two such
    people (level 0 first), for "both" also the odds of one person (log2) and what the two names weigh there on average."""
    names = [comparison["output_column_name"] for comparison in model["comparisons"]]
    found: dict[str, dict[str, Any]] = {}
    if not {"given_name", "family_name", "email"} <= set(names):
        return found
    email = names.index("email")
    if len(names) == 3:
        weights = np.minimum(np.log2(parameters.m[email] / parameters.u[email]), KINDRED_AT_MOST)
        found = {which: {"email": [round(float(weight), 3) for weight in weights]} for which, _, _ in KINDRED}
    for which, key, decided in KINDRED:
        if len(names) == 3 and which == "both":
            continue
        write_block(con, key, across_sources)
        patterns = count_patterns(con, model, "block_pairs")
        if patterns.counts.sum() < 20:
            continue
        others = np.array([name not in decided for name in names])
        u, share = kindred_u(Block(patterns, others, others), parameters, email)
        found[which] = {"email": [round(float(weight), 3) for weight in np.log2(parameters.m[email] / u)]}
        if which == "both":
            found[which]["start"] = round(float(np.log2(share / (1 - share))), 3)
            found[which]["names"] = _weight_of_names(con, parameters, names)
    return found


def _weight_of_names(con: duckdb.DuckDBPyConnection, parameters: Parameters, names: list[str]) -> float:
    """What two equal names weigh in the mean of the pairs in `block_pairs`, by how common each is."""
    total = 0.0
    for name, column in (("given_name", "given"), ("family_name", "family")):
        row = con.execute(
            f"""
            with counted as (select {column} as value, count(*) as records from normalised where {column} is not null group by {column}),
            shares as (select value, records / sum(records) over () as share from counted)
            select avg(round(-log2(greatest(shares.share, 1e-5)), 3)::decimal(9, 3))
            from block_pairs
            inner join normalised on block_pairs.left_position = normalised.position
            inner join shares on normalised.{column} = shares.value
            """
        ).fetchone()
        total += float(row[0]) + float(np.log2(parameters.m[names.index(name)][-1])) if row and row[0] is not None else 0.0
    return round(total, 2)


def _tells_relatives_apart(con: duckdb.DuckDBPyConnection, columns: set[str]) -> bool:
    """Whether the records have ids or birth dates; couples are of like years and ages."""
    days = con.execute("select 2 * count(*) filter (strlen(birth_date) > 4) >= count(birth_date) from normalised").fetchone()
    return "national_id" in columns or ("birth_date" in columns and days == (True,))


def _household_block(con: duckdb.DuckDBPyConnection, model: dict[str, Any], columns: set[str], across_sources: bool) -> Block | None:
    """Pairs that share an address or a phone, else family name and postcode, compared on what is a person's own; None where no column says so."""
    keys = [key for column, key in HOUSEHOLD_KEYS if column in columns]
    if not keys and columns.issuperset(FAMILY_KEY[0]) and not _tells_relatives_apart(con, columns):
        keys = [FAMILY_KEY[1]]
    if not keys:
        return None
    patterns = []
    for key in keys:
        write_block(con, key, across_sources)
        patterns.append(count_patterns(con, model, "block_pairs"))
    joined = Patterns(np.concatenate([each.levels for each in patterns]), np.concatenate([each.counts for each in patterns]))
    if joined.counts.sum() < 20:
        return None
    names = [comparison["output_column_name"] for comparison in model["comparisons"]]
    own = np.array([name in (*HOUSEHOLD_CAPS, "national_id") for name in names])
    return Block(joined, own, own)
