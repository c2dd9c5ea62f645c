"""Pairs to learn from, drawn with a fixed seed, and how often each pattern of comparison levels occurs among them."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from dagster_project.identity.estimation import Patterns
from dagster_project.identity.weights import level_sql

# What a row of `normalised` is, beside what identifies a person.
ABOUT = ("record_id", "known_at", "source", "owner", "position")
# Every pair of a small file, else so many drawn.
ALL_PAIRS = 1_000_000
RANDOM_PAIRS = 300_000
BLOCK_PAIRS = 100_000
# Of a value that many records have so many of them are drawn: a common name's pairs alone would be more than a block takes.
DRAWN_OF_A_VALUE = 100
# What more records have than this, or than a fiftieth of all, is no value but stands for none.
MOST_OF_A_VALUE = 2_000
SEED = 20_260_101


def known_columns(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The columns of `normalised` in which at least two records carry a value and not all the same one."""
    names = [row[0] for row in con.execute("describe normalised").fetchall() if row[0] not in (*ABOUT, "given_roots")]
    counts = con.execute("select " + ", ".join(f"count({name}), count(distinct {name})" for name in names) + " from normalised").fetchone()
    assert counts is not None
    return {name for name, filled, values in zip(names, counts[::2], counts[1::2], strict=True) if filled > 1 and values > 1}


def count_patterns(con: duckdb.DuckDBPyConnection, model: dict[str, Any], pairs: str) -> Patterns:
    """Count the comparison patterns of the pairs in table `pairs` (left_position, right_position)."""
    names = [comparison["output_column_name"] for comparison in model["comparisons"]]
    levels = ", ".join(f"{level_sql(comparison)} as {comparison['output_column_name']}" for comparison in model["comparisons"])
    sides = [row[0] for row in con.execute("describe normalised").fetchall() if row[0] not in ABOUT]
    left = ", ".join(f"l.{name} as {name}_l, r.{name} as {name}_r" for name in sides)
    rows = con.execute(
        f"""
        with
        sides as (
            select {left} from {pairs} as pairs
            inner join normalised as l on pairs.left_position = l.position
            inner join normalised as r on pairs.right_position = r.position
        ),
        levelled as (select {levels} from sides)
        select {", ".join(names)}, count(*) as pairs from levelled group by all order by all
        """
    ).fetchnumpy()
    return Patterns(
        np.stack([np.asarray(rows[name], dtype=np.int64) for name in names], axis=1),
        np.asarray(rows["pairs"], dtype=np.float64),
    )


def write_random_pairs(con: duckdb.DuckDBPyConnection, across_sources: bool) -> None:
    """Temp table `random_pairs`: every pair of a small file, else RANDOM_PAIRS drawn with a fixed seed."""
    records = (con.execute("select count(*) from normalised").fetchone() or (0,))[0]
    if records * (records - 1) // 2 <= ALL_PAIRS:
        left, right = np.triu_indices(records, 1)
    else:
        left, right = np.random.default_rng(SEED).integers(0, records, size=(2, RANDOM_PAIRS))
    con.register("drawn", pa.table({"left_position": left.astype(np.int64), "right_position": right.astype(np.int64)}))
    different = "and l.source <> r.source" if across_sources else ""
    con.execute(
        f"""
        create or replace temp table random_pairs as
        select drawn.* from drawn
        inner join normalised as l on drawn.left_position = l.position
        inner join normalised as r on drawn.right_position = r.position {different}
        where drawn.left_position <> drawn.right_position and l.owner <> r.owner
        """
    )
    con.unregister("drawn")


def write_block(con: duckdb.DuckDBPyConnection, key: str, across_sources: bool) -> None:
    """Temp table `block_pairs`: pairs that agree on `key`, values and their records drawn by their hash until BLOCK_PAIRS are reached."""
    different = "and l.source <> r.source" if across_sources else ""
    con.execute(
        f"""
        create or replace temp table block_pairs as
        with
        valued as (select position, source, owner, record_id, {key} as value from normalised),
        counted as (
            select value, least(count(*), {DRAWN_OF_A_VALUE}) as taken
            from valued where value is not null group by value
            having count(*) between 2 and greatest({MOST_OF_A_VALUE}, (select count(*) // 50 from normalised))
        ),
        drawn as (select value, sum(taken * (taken - 1) // 2) over (order by md5(value), value) as total from counted),
        kept as (
            select valued.*
            from valued inner join drawn on valued.value = drawn.value
            where drawn.total <= {BLOCK_PAIRS}
            qualify row_number() over (partition by valued.value order by md5(valued.record_id), valued.position) <= {DRAWN_OF_A_VALUE}
        )
        select l.position as left_position, r.position as right_position
        from kept as l
        inner join kept as r on l.value = r.value and l.position < r.position and l.owner <> r.owner {different}
        """
    )
