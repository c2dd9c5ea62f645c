"""Contracts as Great Expectations suites, run on pandas frames.

    rules ──→ suite ──→ batch.validate(frame) ──→ positions of the rows that broke each rule

Great Expectations has what most rules need. What only this product knows is one expectation for a column (`ExpectColumnValuesToPass`: does the
text read as the type that staging will cast it to, is it an address, does it keep its JSON Schema) and one for a row
(`ExpectMulticolumnValuesToSatisfy`: a condition in SQL). Both ask about each distinct value once.

Importing this module imports Great Expectations, seconds of a process: only who has rows to judge does.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

import duckdb
import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow as pa
from great_expectations.execution_engine import pandas_execution_engine
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation, Expectation, MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import column_condition_partial
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import ColumnMapMetricProvider
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import multicolumn_condition_partial
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import MulticolumnMapMetricProvider
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from numpy.typing import NDArray

from dagster_project.sources.contact_points import email_point, phone_point
from dagster_project.sources.reading.engine import engine
from dagster_project.sources.rules import STEPS, Rule

# Its own expectations, which its package does not export to type checkers.
gxe: Any = gx.expectations
for chatty in ("great_expectations", "great_expectations.data_context.types.base"):
    logging.getLogger(chatty).setLevel(logging.ERROR)
# The fingerprint of a frame that is judged and gone costs as much as judging it.
pandas_execution_engine.HASH_THRESHOLD = 0

# How a value of the declared type reads; raw tables keep the text, staging casts it.
TYPE_TESTS = {
    "json": "case when json_valid(value) then json_type(value) in ('OBJECT', 'ARRAY') else false end",
    "integer": "try_cast(value as bigint) is not null",
    "decimal": "try_cast(value as decimal(18, 4)) is not null",
    "boolean": "lower(value) in ('true', 'false', 'yes', 'no', '1', '0')",
    "timestamp": "try_cast(value as timestamptz) is not null",
    "date": "try_cast(value as date) is not null",
}
# With these keywords alone, whether a document is valid depends on its shape: one of each shape is enough.
SHAPE_KEYWORDS = {"type", "required", "properties", "description"}
SHAPE_TYPES = {"object", "array", "string", "number", "boolean", "null"}


# Great Expectations keeps its batches in one context and is of one thread.
ONE_AT_A_TIME = threading.RLock()


@cache
def context() -> Any:
    """One context a process: each makes a folder of its own for pages that nobody looks at."""
    made = gx.get_context(mode="ephemeral")
    made.variables.progress_bars = cast("Any", {"globally": False})
    return made


def ask(sql: str, values: pa.Array) -> pa.Array:
    """One answer per value of an SQL expression over `value`, in order."""
    engine().register("asked", pa.table({"place": np.arange(len(values)), "value": values}))
    return engine().execute(f"select {sql} as answer from asked order by place").to_arrow_table()["answer"].combine_chunks()


def passing(test: str, argument: Any, values: pa.Array) -> pa.Array:
    """Which distinct values pass a test."""
    if test == "type":
        return ask(TYPE_TESTS[argument], values)
    if test == "email":
        return pa.array([email_point(value)[1] == "valid" for value in values.to_pylist()], pa.bool_())
    if test == "phone":
        return pa.array([phone_point(value, argument)[1] == "valid" for value in values.to_pylist()], pa.bool_())
    return keeps_schema(json.loads(argument), values)


def keeps_schema(schema: dict[str, Any], values: pa.Array) -> pa.Array:
    """Which JSON texts keep a JSON Schema; one of each shape is asked where the schema looks at nothing else."""
    validator = Draft202012Validator(schema)
    shape = "json_structure(value)::varchar" if is_of_shape(schema) else "value"
    shapes = ask(f"case when json_valid(value) then {shape} end", values).dictionary_encode(null_encoding="encode")
    # The first text of each shape; what has none is no JSON.
    firsts = np.unique(shapes.indices.to_numpy(), return_index=True)[1]
    verdicts = [
        said is not None and is_kept(validator, text)
        for said, text in zip(shapes.dictionary.to_pylist(), values.take(pa.array(firsts)).to_pylist(), strict=True)
    ]
    return pa.array(verdicts, pa.bool_()).take(shapes.indices)


def is_kept(validator: Draft202012Validator, text: str) -> bool:
    try:
        return validator.is_valid(json.loads(text, strict=False))
    except ValueError:
        return False


def departure(schema: dict[str, Any], text: str) -> str:
    """Where a JSON text departs from a JSON Schema, and from which keyword: `$.items[0].price (required)`. No value of it is said."""
    try:
        error = best_match(Draft202012Validator(schema).iter_errors(json.loads(text, strict=False)))
    except ValueError:
        return "$"
    if error is None:
        return "$"
    missing = [name for name in error.validator_value if name not in error.instance] if error.validator == "required" else []
    return f"{error.json_path}{''.join(f'.{name}' for name in missing[:1])} ({error.validator})"


def is_of_shape(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", [])
    return (
        set(schema) <= SHAPE_KEYWORDS
        and set([kinds] if isinstance(kinds, str) else kinds) <= SHAPE_TYPES
        and all(is_of_shape(inner) for inner in schema.get("properties", {}).values())
    )


def once_each(values: "pd.Series[str]", judge: Callable[[pa.Array], pa.Array]) -> "pd.Series[bool]":
    """A verdict per value, from one per distinct value."""
    encoded = pa.array(values, pa.string()).dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if len(encoded.dictionary) == 0:
        return pd.Series(True, index=values.index)
    return pd.Series(judge(encoded.dictionary).take(encoded.indices).fill_null(True).to_numpy(zero_copy_only=False), index=values.index)


class ColumnValuesPass(ColumnMapMetricProvider):
    condition_metric_name = "column_values.pass"
    condition_value_keys = ("test", "argument")

    @column_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column: "pd.Series[str]", test: str, argument: Any, **_: Any) -> "pd.Series[bool]":
        return once_each(column, lambda values: passing(test, argument, values))


class ExpectColumnValuesToPass(ColumnMapExpectation):
    """Each stated value passes a test: `type`, `email`, `phone` or `schema`."""

    test: str
    argument: str | None = None
    map_metric = "column_values.pass"
    success_keys = ("test", "argument", "mostly")


class MulticolumnValuesSatisfy(MulticolumnMapMetricProvider):
    condition_metric_name = "multicolumn_values.satisfy"
    condition_domain_keys = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
    condition_value_keys = ("good",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, good: str, **_: Any) -> "pd.Series[bool]":
        rows = pa.Table.from_pandas(column_list, schema=pa.schema([(name, pa.string()) for name in column_list]), preserve_index=False)
        return pd.Series(satisfying(good, rows), index=column_list.index, dtype=bool)


def satisfying(good: str, rows: pa.Table) -> NDArray[np.bool_]:
    """Which rows satisfy a condition in SQL; a row on which it cannot even be worked out (a cast that fails) does not."""
    engine().register("judged", rows.append_column("_place", pa.array(np.arange(len(rows)))))
    try:
        answers = engine().execute(f"select ({good}) is distinct from false as answer from judged order by _place").fetchnumpy()
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        half = len(rows) // 2
        if len(rows) == 1:
            return np.zeros(1, dtype=bool)
        return np.concatenate([satisfying(good, rows.slice(0, half)), satisfying(good, rows.slice(half))])
    return np.asarray(answers["answer"], dtype=bool)


class ExpectMulticolumnValuesToSatisfy(MulticolumnMapExpectation):
    """Each row satisfies a condition in SQL; one that it cannot decide is satisfied."""

    good: str
    map_metric = "multicolumn_values.satisfy"
    success_keys = ("good", "mostly")


def expectation_of(rule: Rule, columns: Iterable[str]) -> Expectation:
    """The expectation that stands for a rule."""
    column = rule.column
    if rule.kind == "present":
        return gxe.ExpectColumnValuesToNotBeNull(column=column)
    if rule.kind == "one_of":
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(rule.argument))
    if rule.kind == "pattern":
        return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=f"^(?:{rule.argument})$")
    if rule.kind == "between":
        return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=rule.argument[0], max_value=rule.argument[1])
    if rule.kind == "truth":
        return ExpectMulticolumnValuesToSatisfy(column_list=list(columns), good=rule.argument, ignore_row_if="never")
    argument = json.dumps(rule.argument) if rule.kind == "schema" else rule.argument
    return ExpectColumnValuesToPass(column=column, test=rule.kind, argument=argument)


class Judge:
    """Judges frames of one table by its rules. The rules of uniqueness look at whole extracts and are judged where those are (loading)."""

    def __init__(self, name: str, rules: list[Rule], columns: list[str]) -> None:
        self.rules = rules
        with ONE_AT_A_TIME:
            landed = context().data_sources.add_or_update_pandas(name)
            self.batches = landed.add_dataframe_asset(name).add_batch_definition_whole_dataframe("rows")
        self.steps = []
        for step in STEPS:
            places = [place for place, rule in enumerate(rules) if rule.kind in step and rule.kind != "unique"]
            expectations = [expectation_of(rules[place], columns) for place in places]
            for place, expectation in zip(places, expectations, strict=True):
                expectation.meta = {"rule": place}
            if expectations:
                self.steps.append(gx.ExpectationSuite(name=f"{name}: {step[0]}", expectations=expectations))

    def broken(self, rows: pa.Table) -> list[tuple[int, int]]:
        """(position, place of the rule) for every rule that a row broke, in the order in which rules are tried."""
        frame = rows.to_pandas().reset_index(drop=True)
        found: list[tuple[int, int]] = []
        for suite in self.steps:
            refused = {position for position, place in found if not self.rules[place].warns}
            asked = frame.drop(index=list(refused)) if refused else frame
            ranged = {rule.column for rule in self.rules if rule.kind == "between"} if suite.name.endswith(": between") else set()
            asked = asked.assign(**{column: pd.to_numeric(asked[column], errors="coerce") for column in ranged})
            if len(asked):
                found += validated(self.batches, suite, asked)
        return sorted(found)

    def repeated(self, keys: pa.Table, rule: Rule) -> list[int]:
        """The positions of rows that share the columns of a rule of uniqueness."""
        columns = list(rule.argument)
        unique = (
            gxe.ExpectColumnValuesToBeUnique(column=columns[0])
            if len(columns) == 1
            else gxe.ExpectCompoundColumnsToBeUnique(column_list=columns, ignore_row_if="any_value_is_missing")
        )
        unique.meta = {"rule": 0}
        suite = gx.ExpectationSuite(name=f"{rule.column}: unique", expectations=[unique])
        return [position for position, _ in validated(self.batches, suite, keys.select(columns).to_pandas())]


def validated(batches: Any, suite: gx.ExpectationSuite, frame: pd.DataFrame) -> list[tuple[int, int]]:
    """(position, rule) of what a suite finds in a frame.

    Raises:
        ValueError: a rule could not be judged at all, which is a mistake in the contract.
    """
    with ONE_AT_A_TIME:
        batch = batches.get_batch(batch_parameters={"dataframe": frame})
        # Most rules hold, and asking only whether they do costs half; which rows broke a rule is asked of the others.
        broken = [one.expectation_config for one in batch.validate(suite, result_format="BOOLEAN_ONLY").results if not one.success]
        if not broken:
            return []
        results = batch.validate(gx.ExpectationSuite(name=suite.name, expectations=broken), result_format="COMPLETE").results
    found = []
    for one in results:
        if "unexpected_index_list" not in one.result:
            raise ValueError(f"{suite.name}: {one.expectation_config.type} could not be judged: {one.exception_info}")
        found += [(int(position), one.expectation_config.meta["rule"]) for position in one.result["unexpected_index_list"]]
    return found
