"""Which model scores from when.

`scores.model_log` has a row per model, training day and candidate. A day is scored by the newest promoted row that was in force by then, or by
nobody where an abstention is newer. Nothing in it is ever changed: a promotion, a refusal, a roll-back are rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from dagster_project.warehouse import Warehouse

Row = dict[str, object]

MODEL_LOG = pa.schema(
    [
        ("entry", pa.int64()),
        ("model", pa.string()),
        ("candidate", pa.string()),
        ("trained_as_of", pa.timestamp("us")),
        ("effective_from", pa.timestamp("us")),
        ("artifact_sha256", pa.string()),
        ("promoted", pa.bool_()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("metrics", pa.string()),
    ]
)
# Of what was promoted or abstained, the newest in force.
IN_FORCE = """
select model, trained_as_of, artifact_sha256, status, reason, candidate from scores.model_log
where effective_from <= ? and (promoted or status = 'abstained')
qualify row_number() over (partition by model order by effective_from desc, entry desc) = 1
order by model
"""
LOGGED = """
select
    model, candidate, strftime(trained_as_of, '%Y-%m-%d'),
    case when promoted then strftime(effective_from, '%Y-%m-%d') when status = 'trained' then 'refused' else status end, reason
from scores.model_log order by entry desc
"""


@dataclass(frozen=True)
class InForce:
    """What scores by a moment: `sha256` is None where the newest training abstained."""

    model: str
    trained_as_of: datetime
    sha256: str | None
    status: str
    reason: str
    candidate: str


def has_log(warehouse: Warehouse) -> bool:
    """Whether the store has a model log of this layout."""
    sql = "select column_name from information_schema.columns where table_schema = 'scores' and table_name = 'model_log'"
    return {name for (name,) in warehouse.rows(sql)} == set(MODEL_LOG.names)


def in_force(warehouse: Warehouse, as_of: datetime) -> list[InForce]:
    """What scores by a moment, a row per model."""
    return [InForce(*row) for row in warehouse.rows(IN_FORCE, [as_of])] if has_log(warehouse) else []


def logged(rows: Sequence[Row]) -> pa.Table:
    """Rows for the model log, in their order."""
    return pa.Table.from_pylist([{**row, "entry": place} for place, row in enumerate(rows)], schema=MODEL_LOG)


def append(warehouse: Warehouse, rows: pa.Table) -> None:
    """Add rows to the model log in their order, in one piece; `entry` counts them. A log of another layout is begun anew: its training days are trained again."""
    same = has_log(warehouse)
    with warehouse.transaction() as connection:
        connection.register("incoming", rows)
        if not same:
            connection.execute("create or replace table scores.model_log as select * from incoming where false")
        connection.execute(
            "insert into scores.model_log by name "
            "select * replace ((select count(*) from scores.model_log) + row_number() over (order by entry) as entry) from incoming"
        )


def log_lines(warehouse: Warehouse) -> list[tuple[str, ...]]:
    """The log as a person reads it, newest first."""
    rows = warehouse.rows(LOGGED) if has_log(warehouse) else []
    return [tuple(str(value) for value in row) for row in rows]
