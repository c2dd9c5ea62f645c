"""What the model says of two records: the lowest of what it weighs against two strangers, two of one household, two who share a name.

    normalised -> pairs (blocking) -> against strangers (weights) -> weighed

A pair's weight is a function of the model and of its two records, whatever else there is. Weights rank pairs well and are badly calibrated in absolute
terms: nothing may read `match_probability` as a probability of being right. The cuts live in `clustering.py`.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.blocking import Limits, write_pairs
from dagster_project.identity.comparisons import SMALLEST_SHARE
from dagster_project.identity.weights import Numbers, Sides, columns_of, term_columns, weighed

# Pairs below this weight are dropped at once: clustering keeps pairs from -2 and review starts there too.
KEEP_WEIGHT = -2.0
# Against another member of the household: fields that say nothing, and the most that others may say (log2).
HOUSEHOLD_SHARED = ("family_name", "street", "place", "phone")
HOUSEHOLD_CAPS = {"given_name": 5.0, "birth_date": 4.5, "email": 2.0}
# Two birth dates that differ altogether speak for parent and child of one name at least so much, whatever learning made of such pairs: it sees
# them agree on all else and takes them for one person.
HOUSEHOLD_DIFFERENT = {"birth_date": -5.0}
# From this weight on, names agree.
NAMES_AGREE = 3.0


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
    con.register("found", pairs_found(con, stored, keep_weight, is_few=start > 0 or pair is not None))
    parts = ", ".join(f"round({weight}, 3) as {weight}" for weight in _weights(stored).values())
    con.execute(
        f"""
        create or replace temp table weighed as
        with lowest as (select record_a, record_b, round({lowest_weight(stored)}, 3) as match_weight, known_at, {parts} from found)
        select *, round(1 / (1 + pow(2, -match_weight)), 6) as match_probability from lowest
        """
    )
    con.unregister("found")


def pairs_found(con: duckdb.DuckDBPyConnection, stored: dict[str, Any], keep_weight: float | None, is_few: bool) -> pa.Table:
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


def lowest_weight(stored: dict[str, Any]) -> str:
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
            most = f"case when level_{name} = 0 then {HOUSEHOLD_DIFFERENT[name]} else {cap} end" if name in HOUSEHOLD_DIFFERENT else cap
            terms.append(weight if name == "national_id" else f"least({weight}, {most})")
    return " + ".join(terms)
