"""`scores.score_reasons`: one row per as_of, customer, score and rank: the three things that move a person's score most, in words.

`effect` is what the score would lose if this were as in the middle of the day's customers, in the score's own unit: +0.12 of a probability, -30 of
a value.
"""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.scores.recording import Standing
from dagster_project.scores.score_models import SCORE_MODELS, ScoreModel
from dagster_project.warehouse import Warehouse
from ml.customer_scores import Trained
from ml.drivers import reasons
from ml.signals import numbers

SCORE_REASONS = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("customer_id", pa.string()),
        ("score", pa.string()),
        ("rank", pa.int32()),
        ("driver", pa.string()),
        ("reason", pa.string()),
        ("effect", pa.float64()),
    ]
)


def reasons_of(model: ScoreModel, trained: Standing, day: object, features: pa.Table, scored: pa.Table, as_of: datetime) -> pa.Table:
    """The rows of one model's scores; none where the model is a baseline, or does not score customer by customer."""
    column = model.column
    if not column or not scored["customer_id"].cast(pa.string()).equals(features["customer_id"].cast(pa.string())):
        return SCORE_REASONS.empty_table()
    inner = trained.model if isinstance(trained, Trained) else trained
    found = reasons(inner, day, features, numbers(scored, column), is_opposite=bool(model.opposite_of))
    if found is None:
        return SCORE_REASONS.empty_table()
    count = len(found.row)
    return pa.table(
        {
            "as_of": pa.array(np.full(count, np.datetime64(as_of, "us"))),
            "customer_id": pc.take(features["customer_id"].combine_chunks(), pa.array(found.row)).cast(pa.string()),
            "score": pa.array([column] * count, pa.string()),
            "rank": pa.array(found.rank.astype(np.int32)),
            "driver": pa.array(found.driver, pa.string()),
            "reason": pa.array(found.told, pa.string()),
            "effect": pa.array(found.effect),
        },
        schema=SCORE_REASONS,
    )


# What is not known moves a score in several ways and is said in the same words: once is enough.
STORY = """
select reasons.score, min(reasons.rank), reasons.reason, sum(reasons.effect)
from scores.score_reasons as reasons
where
    as_of = (select max(as_of) from scores.score_reasons)
    and (
        customer_id = ?
        or (as_of, customer_id) in (select as_of, customer_id from profile.customer_addresses where email = lower(trim(?)))
    )
group by customer_id, reasons.score, reasons.reason
order by customer_id, reasons.score, min(reasons.rank)
"""


def score_story(warehouse: Warehouse, customer: str) -> list[str]:
    """Why a customer (id or e-mail address) has their scores on the newest day, a line per score and reason."""
    found = warehouse.rows(STORY, [customer, customer]) if warehouse.exists("scores.score_reasons") else []
    if not found:
        return [f"No score of {customer} has reasons: nobody of that address or id may be profiled, or no model that learns scored them."]
    called = {model.column: f"{model.title} ({model.meaning})" for model in SCORE_MODELS.values() if model.title}
    lines = []
    for score, rank, reason, effect in found:
        if rank == 1:
            lines.append(f"{called.get(score, score.replace('_', ' '))}:")
        lines.append(f"  {reason} ({effect:+.2f})")
    return lines
