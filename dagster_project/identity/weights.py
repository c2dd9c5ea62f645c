"""The weight of a pair as SQL: what Splink's `predict` computes from a trained model, staged so that most pairs cost little.

A pair's weight is the sum of its comparisons' weights (log2 of m / u, the exact levels adjusted by how common the value is) over the prior. Most
pairs are two people, and that shows early: after the FIRST comparisons a pair goes on only if it can still reach the weight asked for, were all
the others to agree as well as they may. Nothing is lost by that: no pair that reaches the weight is dropped.
"""

from __future__ import annotations

import math
import re
from typing import Any

from dagster_project.identity.estimation import MISSING

# Compared first: cheap, or decisive.
FIRST = ("given_name", "family_name", "birth_date", "email")
# What a namesake's weight depends on: the level is a column `level_<comparison>` too.
LEVELS_KEPT = ("email",)

Model = dict[str, Any]
Comparison = dict[str, Any]


def columns_of(model: Model) -> list[str]:
    """The columns of `normalised` that the comparisons read."""
    conditions = " ".join(level["sql_condition"] for comparison in model["comparisons"] for level in comparison["comparison_levels"])
    return sorted(set(re.findall(r"\b([a-z]\w*)_[lr]\b", conditions)))


def term_columns(model: Model) -> list[str]:
    """The columns whose values differ in how much they say."""
    levels = [level for comparison in model["comparisons"] for level in comparison["comparison_levels"]]
    return sorted({level["tf_adjustment_column"] for level in levels if "tf_adjustment_column" in level})


def level_sql(comparison: Comparison) -> str:
    """SQL over columns `<name>_l`, `<name>_r`: MISSING, or the level counted from 0 = different up to the best."""
    levels = comparison["comparison_levels"]
    cases = []
    for number, level in enumerate(levels):
        value = MISSING if level.get("is_null_level") else len(levels) - 1 - number
        cases.append(f"else {value}" if level["sql_condition"] == "ELSE" else f"when {level['sql_condition']} then {value}")
    return f"case {' '.join(cases)} end"


def prior(model: Model) -> float:
    """The weight of two records of which nothing is known."""
    share = float(model["probability_two_random_records_match"])
    return math.log2(share / (1 - share))


def _weight(level: dict[str, Any]) -> float:
    return math.log2(level["m_probability"] / level["u_probability"])


def _weight_sql(comparison: Comparison) -> str:
    """SQL over columns `<name>_l`, `<name>_r`: the comparison's weight; the share of a value that both have is in `term_<column>_l` (log2)."""
    levels = comparison["comparison_levels"]
    if comparison["output_column_name"] in LEVELS_KEPT:
        listed = " ".join(f"when {len(levels) - 1 - number} then {_weight(level)}" for number, level in enumerate(levels) if number)
        return f"case level_{comparison['output_column_name']} {listed} else 0::double end"
    cases = []
    for level in levels:
        term = level.get("tf_adjustment_column")
        if level.get("is_null_level"):
            weight = "0::double"
        elif term:
            weight = f"{_weight(level) + math.log2(level['u_probability'])}::double - term_{term}_l"
        else:
            weight = f"{_weight(level)}::double"
        cases.append(f"else {weight}" if level["sql_condition"] == "ELSE" else f"when {level['sql_condition']} then {weight}")
    return f"case {' '.join(cases)} end"


def _most_sql(comparison: Comparison) -> str:
    """SQL: the most that the comparison can weigh, from what is missing and what is equal."""
    missing, *levels = comparison["comparison_levels"]
    cases = [f"when {missing['sql_condition']} then 0::double"]
    below: list[float] = []
    for level in levels:
        weight = _weight(level)
        if "tf_adjustment_column" in level:
            rarest = math.log2(level["u_probability"]) - math.log2(level["tf_minimum_u_value"])
            cases.append(f"when {level['sql_condition']} then {max([weight + max(rarest, 0.0), *below])}")
        elif len(cases) == 1:
            cases.append(f"when {level['sql_condition']} then {weight}")
        else:
            below.append(weight)
    return f"case {' '.join(cases)} else {max([0.0, *below])} end"


def weighed_sql(model: Model, keep_weight: float | None) -> str:
    """SQL: the pairs of temp table `pairs` that reach `keep_weight` (all, when None), from temp table `sides`.

    Columns: left_position, right_position, match_weight, `weight_<comparison>` and the levels of LEVELS_KEPT.
    """
    comparisons = {comparison["output_column_name"]: comparison for comparison in model["comparisons"]}
    first = [name for name in comparisons if name in FIRST]
    rest = [name for name in comparisons if name not in FIRST]
    sides = [*columns_of(model), *(f"term_{column}" for column in term_columns(model))]
    both = "".join(f", l.{side} as {side}_l, r.{side} as {side}_r" for side in sides)
    start = repr(prior(model))
    most = " + ".join([start, *(f"weight_{name}" for name in first), *(f"most_{name}" for name in rest)])
    total = " + ".join([start, *(f"weight_{name}" for name in comparisons)])
    likely, enough = ("", "") if keep_weight is None else (f"where {most} >= {keep_weight}", f"where {total} >= {keep_weight}")

    def weights(names: list[str]) -> str:
        return "".join(f", {_weight_sql(comparisons[name])} as weight_{name}" for name in names)

    kept = [name for name in comparisons if name in LEVELS_KEPT]
    levels = "".join(f", {level_sql(comparisons[name])} as level_{name}" for name in kept)
    known = "".join(f", {column}" for column in (*(f"weight_{name}" for name in first), *(f"level_{name}" for name in kept)))
    bounds = "".join(f", {_most_sql(comparisons[name])} as most_{name}" for name in rest)
    joined = """
        inner join sides as l on pairs.left_position = l.position
        inner join sides as r on pairs.right_position = r.position
    """
    # Materialised, or DuckDB works a weight out again wherever it is read.
    return f"""
    with
    begun as materialized (
        select left_position, right_position{weights(first)}{"".join(f", level_{name}" for name in kept)}{bounds}
        from (select *{levels} from (select pairs.left_position, pairs.right_position{both} from pairs {joined}))
    ),
    possible as (select left_position, right_position{known} from begun {likely}),
    compared as materialized (
        select left_position, right_position{known}{weights(rest)}
        from (select pairs.*{both} from possible as pairs {joined})
    )
    select *, {total} as match_weight from compared {enough}
    """
