"""The probabilistic model: a Splink model as JSON, trained once, and the weights it gives to pairs of records.

    train(records) -> model (JSON text)        weigh(con, model) -> edges, one row per pair worth keeping

The model holds Splink's settings (comparisons, m and u probabilities) under `splink`, which any Splink can read, how often each
value occurs (`terms`), how far each blocking key reaches (`limits`), and what independent comparisons cannot know: the weight of
two records at one address being one person (`household_weight`) and what is usual between people who share a name (`kindred`). So the
weight of a pair is a function of the model and of the two records, whatever else there is.
Weights rank pairs well and are badly calibrated in absolute terms: nothing may read `match_probability` as a probability of being
right. The cuts live in `clustering.py`.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity import comparisons
from dagster_project.identity.blocking import BIG_FILE, Limits, idle_keys, limits_for, write_pairs
from dagster_project.identity.clustering import CUT
from dagster_project.identity.comparisons import OTHER_DIGITS_LEVEL, SMALLEST_SHARE
from dagster_project.identity.estimation import Block, Parameters, Patterns, estimate, kindred_u, match_share
from dagster_project.identity.normalise import normalise
from dagster_project.identity.patterns import count_patterns, known_columns, write_block, write_random_pairs
from dagster_project.identity.weights import Numbers, Sides, columns_of, term_columns, weighed

SAMPLED_PAIRS = 200_000
# Of each column's values so many are kept with how often they occur; any other counts as the rarest does.
TERMS_KEPT = 5_000
# Pairs below this weight are dropped at once: clustering keeps pairs from -2 and review starts there too.
KEEP_WEIGHT = -2.0

# Where m is estimated, in this order: the first whose columns are known, each without the comparisons it decides; after two only
# what is still open. Which pairs are matches is judged, where it can be, by what is a person's own and not a household's. Phone and
# address come last: their blocks are full of families, who agree on names and places without being one person.
TRAINING_BLOCKS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("given || ' ' || family", ("given", "family"), ("given_name", "family_name")),
    ("birth_date", ("birth_date",), ("birth_date",)),
    ("email", ("email",), ("email",)),
    ("national_id", ("national_id",), ("national_id",)),
    ("phone", ("phone",), ("phone",)),
    ("street_key || coalesce(postcode, city, '')", ("street",), ("street", "place")),
    ("family || coalesce(postcode, city)", ("family", "postcode"), ("family_name", "place")),
)
BLOCKS_USED = 3

# Where relatives meet: the share of one person among such pairs is what a file says about its households.
HOUSEHOLD_KEYS: tuple[tuple[str, str], ...] = (("street", "street_key || coalesce(postcode, city, '')"), ("phone", "phone"))
# Against another member of the household: fields that say nothing, and the most that others may say (log2).
HOUSEHOLD_SHARED = ("family_name", "street", "place", "phone")
NAMES_AGREE = 3.0
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
# The ceiling of `different` where no birth date and no id tell relatives who share a mailbox from one person.
BLIND = {"given_name": 0.03}
# The most that a mailbox says between two who share a name, where the file has nothing else to learn it from: level 0 = different, up to same.
KINDRED_AT_MOST = (np.inf, 0.0, 0.0, np.inf, -4.0, np.inf, np.inf)
HOUSEHOLD_SHARE = (0.25, 0.9995)
HOUSEHOLD_CAPS = {"given_name": 5.0, "birth_date": 4.5, "email": 2.0}


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
        chosen.append(comparisons.place())
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
        open_ = np.ones(len(names), dtype=bool)
        for key, needs, decided in TRAINING_BLOCKS:
            estimated = open_ & np.array([name not in decided for name in names])
            if len(blocks) == BLOCKS_USED or not set(needs) <= columns or not estimated.any():
                continue
            write_block(con, key, across_sources)
            patterns = count_patterns(con, model, "block_pairs")
            if patterns.counts.sum() >= 20:
                compared = np.array([name not in decided for name in names])
                judged = compared & own if (compared & own).sum() > 1 else compared
                blocks.append(Block(patterns, estimated, judged))
                open_ &= ~estimated if len(blocks) > 1 else True
        household = _household_block(con, model, columns, across_sources)
        sizes = [len(comparison["comparison_levels"]) - 1 for comparison in model["comparisons"]]
        told = bool({"birth_date", "national_id"} & set(names))
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
        model["probability_two_random_records_match"] = float(f"{min(max(share * pairs / max(possible, 1), 1e-12), 0.5):.6g}")
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


def _without_idle_keys(con: duckdb.DuckDBPyConnection, stored: dict[str, Any], limits: Limits) -> Limits:
    """The limits with what table `sampled` teaches about keys that find pairs in vain."""
    con.execute("create or replace temp table pairs as select * from sampled")
    con.register("found", _found(con, stored, KEEP_WEIGHT, is_few=True))
    sampled = con.execute(
        f"""
        with matches as (select left_position, right_position from found where {_lowest(stored)} >= {CUT})
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
        return {which: {"email": [round(float(weight), 3) for weight in weights]} for which, _, _ in KINDRED}
    for which, key, decided in KINDRED:
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


def _household_block(con: duckdb.DuckDBPyConnection, model: dict[str, Any], columns: set[str], across_sources: bool) -> Block | None:
    """Pairs that share an address or a phone, compared on what is a person's own; None where no column says so."""
    keys = [key for column, key in HOUSEHOLD_KEYS if column in columns]
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


def weigh(
    con: duckdb.DuckDBPyConnection,
    model: str,
    across_sources: bool = False,
    keep_weight: float | None = KEEP_WEIGHT,
    pair: tuple[str, str] | None = None,
    start: int = 0,
) -> None:
    """Weigh the pairs worth comparing of table `normalised` of `con`: temp table `weighed`, one row per pair that strangers would hardly be.

    Pairs from `keep_weight` on against a stranger are kept; those that a relative explains better have a low `match_weight` and speak against
    a merge. Columns: record_a (known before) and record_b (the owners), match_weight (log2 odds, the lowest of against a stranger, a relative,
    a namesake), known_at, `weight_<comparison>` (the part of each against a stranger), match_probability. Pairs hold one record from position
    `start` on; with `pair` they are those of the statements of these two records alone.
    """
    stored = json.loads(model)
    if pair is None:
        write_pairs(con, Limits(**stored["limits"]), start, across_sources)
    else:
        con.execute(
            "create or replace temp table pairs as "
            "select least(l.position, r.position) as left_position, greatest(l.position, r.position) as right_position "
            "from normalised as l inner join normalised as r on l.owner = ? and r.owner = ?",
            list(pair),
        )
    con.register("found", _found(con, stored, keep_weight, is_few=start > 0 or pair is not None))
    parts = ", ".join(f"round({weight}, 3) as {weight}" for weight in _weights(stored).values())
    con.execute(
        f"""
        create or replace temp table weighed as
        with lowest as (select record_a, record_b, round({_lowest(stored)}, 3) as match_weight, known_at, {parts} from found)
        select *, round(1 / (1 + pow(2, -match_weight)), 6) as match_probability from lowest
        """
    )
    con.unregister("found")


def _found(con: duckdb.DuckDBPyConnection, stored: dict[str, Any], keep_weight: float | None, is_few: bool) -> pa.Table:
    """The pairs of table `pairs` that reach `keep_weight` against a stranger: positions, owners, known_at, weights and levels (see `weighed`)."""
    sides = read_sides(con, stored["splink"], stored["terms"], is_few)
    records = sides.records
    found = weighed(stored["splink"], sides, *rows_of_pairs(con, records["position"]), keep_weight)
    left, right = pa.array(found.pop("left")), pa.array(found.pop("right"))
    return pa.table(
        {
            "left_position": records["position"].take(left),
            "right_position": records["position"].take(right),
            "record_a": records["owner"].take(left),
            "record_b": records["owner"].take(right),
            "known_at": pc.max_element_wise(records["known_at"].take(left), records["known_at"].take(right)),
            **found,
        }
    )


def read_sides(con: duckdb.DuckDBPyConnection, model: dict[str, Any], terms: dict[str, Any], is_few: bool) -> Sides:
    """What is read of each record to weigh it: position, owner, known_at and the columns compared; of those in `pairs` alone when they `is_few`."""
    columns = columns_of(model["comparisons"])
    wanted = "semi join (select left_position as position from pairs union select right_position from pairs) as wanted using (position)"
    records = con.execute(
        f"select position, owner, known_at, {', '.join(columns)} from normalised {wanted if is_few else ''}"
    ).to_arrow_table()
    shares = {}
    for column in term_columns(model):
        kept, floor = terms[column]["kept"], terms[column]["other"]
        place = pc.fill_null(pc.index_in(records[column], value_set=pa.array(list(kept), pa.string())), len(kept)).to_numpy()
        shares[column] = np.log2(np.maximum([*kept.values(), floor], SMALLEST_SHARE))[place]
    return Sides(con, records, columns, shares)


def rows_of_pairs(con: duckdb.DuckDBPyConnection, positions: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """The rows of the records of each pair in `pairs`, given the position of each row."""
    pairs = con.execute("select left_position, right_position from pairs").fetchnumpy()
    at = positions.to_numpy()
    row = np.zeros(int(at.max(initial=0)) + 1, dtype=np.int64)
    row[at] = np.arange(len(at))
    return row[pairs["left_position"]], row[pairs["right_position"]]


def _weights(stored: dict[str, Any]) -> dict[str, str]:
    """The column of each comparison's weight."""
    return {
        comparison["output_column_name"]: f"weight_{comparison['output_column_name']}" for comparison in stored["splink"]["comparisons"]
    }


def _lowest(stored: dict[str, Any]) -> str:
    """SQL: the lowest of the three weights of a pair."""
    weights = _weights(stored)
    return f"least(match_weight, {_household_weight(weights, stored['household_weight'])}, {_namesake_weight(weights, stored['kindred'])})"


def _namesake_weight(weights: dict[str, str], kindred: dict[str, dict[str, Any]]) -> str:
    """SQL: the weight of "one person" against "two people who share a name", whose mailboxes are alike because their names are.

    Where both names agree the odds start from what the file shows about its namesakes, and rarer names count more, commoner ones less:
    given and family names go together (by country, by generation), which a stranger's weight knows nothing of.
    """
    given, family = (
        f"coalesce({weights[name]} > {NAMES_AGREE}, false)" if name in weights else "" for name in ("given_name", "family_name")
    )
    cases = []
    for which, condition in (("both", f"{given} and {family}"), ("given", given), ("family", family)):
        if which not in kindred:
            continue
        levels = " ".join(f"when {level} then {weight}" for level, weight in enumerate(kindred[which]["email"]))
        mailbox = f"case level_email {levels} else 0 end"
        if "start" in kindred[which]:
            start = f"{kindred[which]['start']} + {weights['given_name']} + {weights['family_name']} - {kindred[which]['names']}"
            others = [weight for name, weight in weights.items() if name not in ("given_name", "family_name", "email")]
            cases.append(f"when {condition} then {' + '.join([start, *others, mailbox])}")
        else:
            cases.append(f"when {condition} then match_weight - {weights['email']} + {mailbox}")
    return f"case {' '.join(cases)} end" if cases else "null"


def _household_weight(weights: dict[str, str], start: float) -> str:
    """SQL: the weight of "one person" against "two of one household" instead of against two strangers.

    Family name, address and phone then say nothing; `start` is what the file says about two records at one address; what
    relatives may share (a mailbox, a twin's birth date, a father's given name) counts up to HOUSEHOLD_CAPS only. Independence of
    the fields, which the stranger's weight assumes, is worst exactly here.
    """
    terms = [str(start)]
    for name, weight in weights.items():
        if name not in HOUSEHOLD_SHARED:
            cap = HOUSEHOLD_CAPS.get(name, 0.0)
            terms.append(weight if name == "national_id" else f"least({weight}, {cap})")
    return " + ".join(terms)
