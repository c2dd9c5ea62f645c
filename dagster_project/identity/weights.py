"""The weight of a pair: what Splink's `predict` computes from a trained model, at the cost of its distinct values.

A pair's weight is the sum of its comparisons' weights (log2 of m / u, the exact levels adjusted by how common the value is) over the prior.
Records repeat each other's values, so all is done on numbers that stand for them: what is missing or equal is seen at once, and the dearer levels
(edit distances) are asked once of two values, however many pairs of records say them. Most pairs are two people, and that shows early: before
each comparison those are dropped that could not reach the weight asked for, were all that is still open to agree as well as it may. Nothing is
lost by that.
"""

from __future__ import annotations

import math
import re
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dagster_project.identity.estimation import MISSING

Model = dict[str, Any]
Comparison = dict[str, Any]
Numbers = NDArray[np.int64]
Weights = NDArray[np.float64]

# A condition that asks for no more than whether values are missing or equal; numbers that stand for them answer it as well.
PLAIN = re.compile(r"(?:\w+_[lr] is null|\w+_[lr] = \w+_[lr]|\band\b|\bor\b|[\s()])+")
OPEN = -2
# Asked last, of the few pairs that are left: long texts.
DEAR = ("street", "email")


def columns_of(comparisons: list[Comparison]) -> list[str]:
    """The columns of `normalised` that the comparisons read."""
    conditions = " ".join(level["sql_condition"] for comparison in comparisons for level in comparison["comparison_levels"])
    return sorted(set(re.findall(r"\b([a-z]\w*)_[lr]\b", conditions)))


def term_columns(model: Model) -> list[str]:
    """The columns whose values differ in how much they say."""
    levels = [level for comparison in model["comparisons"] for level in comparison["comparison_levels"]]
    return sorted({level["tf_adjustment_column"] for level in levels if "tf_adjustment_column" in level})


def level_sql(comparison: Comparison, upto: int | None = None) -> str:
    """SQL over columns `<name>_l`, `<name>_r`: MISSING, or the level counted from 0 = different up to the best. OPEN where none of the first
    `upto` levels is met."""
    levels = comparison["comparison_levels"]
    cases = []
    for number, level in enumerate(levels[:upto]):
        value = MISSING if level.get("is_null_level") else len(levels) - 1 - number
        cases.append(f"else {value}" if level["sql_condition"] == "ELSE" else f"when {level['sql_condition']} then {value}")
    return f"(case {' '.join(cases)} {'' if upto is None else f'else {OPEN}'} end)::tinyint" if cases else f"{OPEN}::tinyint"


def prior(model: Model) -> float:
    """The weight of two records of which nothing is known."""
    share = float(model["probability_two_random_records_match"])
    return math.log2(share / (1 - share))


class Compared:
    """One comparison of pairs of rows `left`, `right` of a table of records: `levels` a pair, OPEN where it is still to be asked, and `weights`,
    the most that it may weigh where it is open."""

    def __init__(self, comparison: Comparison, sides: Sides, left: Numbers, right: Numbers) -> None:
        self.comparison = comparison
        self.name: str = comparison["output_column_name"]
        conditions = [level["sql_condition"] for level in comparison["comparison_levels"]]
        self.plain = next(number for number, condition in enumerate(conditions) if not PLAIN.fullmatch(condition))
        self.levels = sides.ask(level_sql(comparison, self.plain), columns_of([comparison]), left, right, coded=True)
        self.weights = self._weighed(sides, left)

    def _weighed(self, sides: Sides, left: Numbers) -> Weights:
        """The weight of each pair's level."""
        levels = self.comparison["comparison_levels"]
        each = np.zeros(len(levels) + 2)
        most = []
        for number, level in enumerate(levels):
            if level.get("is_null_level"):
                most.append(0.0)
                continue
            ratio = math.log2(level["m_probability"] / level["u_probability"])
            rarest = math.log2(level["u_probability"]) - math.log2(level["tf_minimum_u_value"]) if "tf_minimum_u_value" in level else 0.0
            most.append(ratio + max(rarest, 0.0))
            each[len(levels) - 1 - number] = ratio
        each[OPEN] = max(most[self.plain :])
        weights = each[self.levels]
        for number, level in enumerate(levels):
            if "tf_adjustment_column" in level:
                which = np.flatnonzero(self.levels == len(levels) - 1 - number)
                weights[which] += math.log2(level["u_probability"]) - sides.terms[level["tf_adjustment_column"]][left[which]]
        return weights

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Go on with some of the pairs."""
        self.levels, self.weights = self.levels[which], self.weights[which]

    def settle(self, sides: Sides, left: Numbers, right: Numbers) -> None:
        """Ask what is open, once of each two forms."""
        is_open = np.flatnonzero(self.levels == OPEN)
        if not len(is_open):
            return
        rest = {**self.comparison, "comparison_levels": self.comparison["comparison_levels"][self.plain :]}
        columns = columns_of([rest])
        forms, example = sides.forms(columns)
        asked, pairs = pd.factorize(forms[left[is_open]] * len(example) + forms[right[is_open]])
        one, other = np.divmod(pairs, len(example))
        self.levels[is_open] = sides.ask(level_sql(rest), columns, example[one], example[other])[asked]
        self.weights[is_open] = self._weighed(sides, left)[is_open]


class Sides:
    """What comparisons read of records, one row each: the columns, a number for each text (equal where the texts are, across columns too; null
    where missing), and log2 of the share of each value whose rarity counts (`terms`)."""

    def __init__(self, con: duckdb.DuckDBPyConnection, records: pa.Table, columns: list[str], terms: dict[str, Weights]) -> None:
        self.con, self.records, self.terms = con, records.combine_chunks(), terms
        texts = [column for column in columns if pa.types.is_string(records.schema.field(column).type)]
        rows, nothing = self.records.num_rows, pa.array([], pa.string())
        every = pa.concat_arrays([nothing, *(self.records[column].chunk(0) if rows else nothing for column in texts)]).dictionary_encode()
        self.codes = {column: every.indices.slice(place * rows, rows) for place, column in enumerate(texts)}
        self.values = len(every.dictionary)

    def ask(self, sql: str, columns: list[str], left: Numbers, right: Numbers, coded: bool = False) -> NDArray[np.int8]:
        """The answer of `sql` on each pair of rows, read from the numbers of the texts when `coded`."""
        sides = {
            f"{column}_{side}": (self.codes[column] if coded else self.records[column]).take(pa.array(rows))
            for column in columns
            if not coded or column in self.codes
            for side, rows in (("l", left), ("r", right))
        }
        self.con.register("asked_pairs", pa.table(sides))
        answer = self.con.execute(f"select {sql} as level from asked_pairs").fetchnumpy()["level"]
        self.con.unregister("asked_pairs")
        return np.asarray(answer, dtype=np.int8)

    def forms(self, columns: list[str]) -> tuple[Numbers, Numbers]:
        """A number per record for what it says in `columns`, and for each number a record that says so. A list of texts follows from the other
        columns of its comparison."""
        form = np.zeros(self.records.num_rows, dtype=np.int64)
        for column in columns:
            if column in self.codes:
                code = pc.fill_null(self.codes[column], -1).to_numpy(zero_copy_only=False).astype(np.int64)
                form = pd.factorize(form * (self.values + 1) + code + 1)[0].astype(np.int64)
        example = np.zeros(int(form.max(initial=0)) + 1, dtype=np.int64)
        example[form] = np.arange(len(form))
        return form, example


def weighed(model: Model, sides: Sides, left: Numbers, right: Numbers, keep_weight: float | None) -> dict[str, NDArray[Any]]:
    """The pairs of rows `left`, `right` of `sides` that reach `keep_weight` (all, when None): left, right, match_weight, and `weight_<comparison>`
    and `level_<comparison>` of each."""
    comparisons = [Compared(comparison, sides, left, right) for comparison in model["comparisons"]]
    least = -math.inf if keep_weight is None else keep_weight
    for comparison in [*sorted(comparisons, key=lambda each: (*DEAR, each.name).index(each.name) if each.name in DEAR else -1), None]:
        # Always in the same order: so a sum with more open is never below the one with less.
        total = np.full(len(left), prior(model))
        for each in comparisons:
            total += each.weights
        possible = total >= least
        left, right, total = left[possible], right[possible], total[possible]
        for each in comparisons:
            each.keep(possible)
        if comparison is not None:
            comparison.settle(sides, left, right)
    found: dict[str, NDArray[Any]] = {"left": left, "right": right, "match_weight": total}
    found |= {f"weight_{each.name}": each.weights for each in comparisons}
    return found | {f"level_{each.name}": each.levels for each in comparisons}
