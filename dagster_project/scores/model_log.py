"""Which model scores from when.

`scores.model_log` has a row per model, training day and candidate. A day is scored by the newest promoted row that was in force by then. A training
that had too little to learn from says nothing of who scores: that goes on until no training has learned anything for KEPT_DAYS. Nobody scores where
the baseline took a champion's place and scores nobody, or a model that was brought is gone. Nothing in it is ever changed: a promotion, a refusal, an
abstention, a roll-back are rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

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
# How long a model scores on while trainings abstain: eight of a week.
KEPT_DAYS = 56
REACHED = """
select model, trained_as_of, artifact_sha256, status, reason, candidate, promoted, effective_from from scores.model_log
where effective_from <= ? order by model, effective_from, entry
"""
NEWEST_PROMOTED = """
select model, artifact_sha256 from scores.model_log where effective_from <= ? and promoted
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
    """What scores by a moment: `sha256` is None where nobody does."""

    model: str
    trained_as_of: datetime
    sha256: str | None
    status: str
    reason: str
    candidate: str
    promoted: bool
    effective_from: datetime

    @property
    def has_learned_nothing(self) -> bool:
        """Whether the row is of a training that had too little to learn from."""
        return self.status == "abstained" and self.candidate == "challenger"


def has_log(warehouse: Warehouse) -> bool:
    """Whether the store has a model log of this layout."""
    sql = "select column_name from information_schema.columns where table_schema = 'scores' and table_name = 'model_log'"
    return {name for (name,) in warehouse.rows(sql)} == set(MODEL_LOG.names)


def in_force(warehouse: Warehouse, as_of: datetime) -> list[InForce]:
    """What scores by a moment, a row per model."""
    rows = [InForce(*row) for row in warehouse.rows(REACHED, [as_of])] if has_log(warehouse) else []
    found = (_in_force(list(of_model), as_of) for _, of_model in groupby(rows, lambda row: row.model))
    return [one for one in found if one]


def _in_force(rows: Sequence[InForce], as_of: datetime) -> InForce | None:
    """What scores of a model's rows, oldest first."""
    learned = [row for row in rows if not row.has_learned_nothing]
    said = [row for row in learned if row.promoted or row.status == "abstained"]
    given_up = rows[-1].has_learned_nothing and as_of - (learned or rows)[-1].effective_from > timedelta(days=KEPT_DAYS)
    if said and said[-1].promoted and not given_up:
        return said[-1]
    return next((row for row in reversed(rows) if row.status == "abstained"), None)


def newest_promoted(warehouse: Warehouse, as_of: datetime) -> dict[str, str]:
    """The SHA-256 of what scored last by a moment, whether or not it still does, by model: what a challenger is held against."""
    return {model: sha256 for model, sha256 in warehouse.rows(NEWEST_PROMOTED, [as_of])} if has_log(warehouse) else {}


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
