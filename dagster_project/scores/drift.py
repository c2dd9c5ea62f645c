"""How far a day is from what its models learned, and whether what they said came true.

`scores.drift`: one row per as_of, model and column: its population stability index against the day the model was trained on; `score` is the score
itself, against the first day that the same model scored.
`scores.realised`: one row per as_of, model and scored day whose horizon closed in the week before: what was predicted on average and what came
true.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from dagster_project.scores.score_models import ORDER_FEATURES, SCORE_MODELS, ScoreModel
from dagster_project.scores.scoring import CANNOT
from dagster_project.warehouse import Warehouse
from ml.drift import SHIFTED, population_stability, stabilities
from ml.signals import numbers

DRIFT = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("model", pa.string()),
        ("name", pa.string()),
        ("reference_as_of", pa.timestamp("us")),
        ("stability_index", pa.float64()),
    ]
)
REALISED = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("model", pa.string()),
        ("scored_as_of", pa.timestamp("us")),
        ("customers", pa.int64()),
        ("predicted", pa.float64()),
        ("realised", pa.float64()),
    ]
)
# A shop is another one when its scores are, or when more than this share of what a model reads is.
SHIFTED_SHARE = 0.2
# What came true may be off by this factor, where at least so many customers were predicted.
OFF_BY, AMONG = 1.25, 200
# Models trained so few days ago have learned what there is to learn.
FRESH_DAYS = 3
# Columns that are named, those that moved most.
LISTED = 10
REFERENCE = "select * from features.order_features where as_of = ? order by customer_id"
FIRST_SCORED = "select min(as_of) from scores.daily_models where model = ? and artifact_sha256 = ? and status = 'scored' and as_of <= ?"
SCORED = "select {column} as score from scores.customer_scores where as_of = ? and {column} is not null order by customer_id"
COULD_NOT = (
    "select model, reason from scores.daily_models where as_of = ? and status = 'abstained' and starts_with(reason, ?) order by model"
)
TRAINED = "select max(trained_as_of) from scores.model_log where candidate not in ('brought', 'person') and effective_from <= ?"
# Sums of exact numbers: the same on one thread and on two.
CAME_TRUE = """
select
    ?::timestamp as as_of, ? as model, scores.as_of as scored_as_of, count(*)::bigint as customers,
    sum(cast(scores.{column} as decimal(9, 6)))::double / count(*) as predicted, sum({outcome})::double / count(*) as realised
from scores.customer_scores as scores
inner join features.training_labels as labels using (as_of, customer_id)
where labels.horizon_days = ? and labels.label_until <= ? and labels.label_until > ? and scores.{column} is not null
group by scores.as_of order by scores.as_of
"""
# What is no measure of a customer: the shop's own history, and a gap that for everyone who bought once is the whole shop's, so that they all move
# together by a little and models, which read ranks, see nothing of it.
KEYS = ("as_of", "customer_id", "history_days", "gap_expected_days")


def drift_of(warehouse: Warehouse, as_of: datetime, models: Mapping[str, ScoreModel] = SCORE_MODELS) -> pa.Table:
    """The drift rows of a day that is scored: of each model's score, and of the features where it learns from those of orders."""
    scored = warehouse.rows(
        "select model, trained_as_of, artifact_sha256 from scores.daily_models where as_of = ? and status = 'scored' order by model",
        [as_of],
    )
    today = warehouse.read(REFERENCE, [as_of])
    columns = [name for name in today.column_names if name not in KEYS]
    measured: dict[datetime, dict[str, float]] = {}
    rows = []
    for model, trained_as_of, sha256 in scored:
        if trained_as_of not in measured:
            measured[trained_as_of] = stabilities(warehouse.read(REFERENCE, [trained_as_of]), today, columns)
        if models[model].features == ORDER_FEATURES:
            rows += [(as_of, model, name, trained_as_of, index) for name, index in measured[trained_as_of].items()]
        column = models[model].column
        ((first,),) = warehouse.rows(FIRST_SCORED, [model, sha256, as_of])
        if column and first is not None:
            before, now = (numbers(warehouse.read(SCORED.format(column=column), [day]), "score") for day in (first, as_of))
            rows.append((as_of, model, "score", first, population_stability(before, now)))
    names = DRIFT.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=DRIFT)


def realised_by(warehouse: Warehouse, as_of: datetime) -> pa.Table:
    """What came true by a day of the scores whose horizon closed in the week before."""
    tables = [REALISED.empty_table()]
    if warehouse.exists("features.training_labels"):
        for model in (one for one in SCORE_MODELS.values() if one.realised):
            sql = CAME_TRUE.format(column=model.column, outcome=model.realised)
            tables.append(warehouse.read(sql, [as_of, model.name, model.horizon_days, as_of, as_of - timedelta(days=7)]).cast(REALISED))
    return pa.concat_tables(tables)


def shifted(drift: pa.Table) -> list[str]:
    """One sentence per model whose shop is another one than it learned from; empty when all is as it was."""
    said = []
    rows = drift.to_pylist()
    for model in sorted({row["model"] for row in rows}):
        own = [row for row in rows if row["model"] == model]
        features = [row for row in own if row["name"] != "score"]
        far = sorted((row for row in features if row["stability_index"] > SHIFTED), key=lambda row: (-row["stability_index"], row["name"]))
        for row in own:
            if row["name"] == "score" and row["stability_index"] > SHIFTED:
                said.append(f"{model}: the scores moved by {row['stability_index']:.2f} since {row['reference_as_of']:%Y-%m-%d}")
        if len(far) > SHIFTED_SHARE * len(features):
            worst = ", ".join(f"{row['name']} {row['stability_index']:.2f}" for row in far[:3])
            said.append(f"{model}: {len(far)} of {len(features)} features moved since training, most {worst}")
    return said


def off(realised: pa.Table) -> list[str]:
    """One sentence per scored day that came out otherwise than was said."""
    said = []
    for row in realised.to_pylist():
        low, high = sorted((max(row["predicted"], 1e-6), max(row["realised"], 1e-6)))
        if row["customers"] >= AMONG and high / low > OFF_BY:
            said.append(
                f"{row['model']} of {row['scored_as_of']:%Y-%m-%d}: {row['predicted']:.1%} predicted, {row['realised']:.1%} came true"
            )
    return said


def strongest(drift: pa.Table) -> Sequence[tuple[str, str, float]]:
    """The columns that moved most: model, name, index."""
    order = np.argsort(-np.asarray(drift["stability_index"].to_numpy()), kind="stable")[:LISTED]
    return [(drift["model"][int(at)].as_py(), drift["name"][int(at)].as_py(), drift["stability_index"][int(at)].as_py()) for at in order]


def request(warehouse: Warehouse, as_of: datetime) -> bool:
    """Ask for a training as of a day whose drift is red, or on which a model could not score, unless the last training is of these days; say
    whether it was asked for."""
    with warehouse.transaction() as connection:
        connection.execute("create table if not exists scores.training_requests (as_of timestamp, reason varchar)")
    rows = [warehouse.read(f"select * from scores.{table} where as_of = ?", [as_of]) for table in ("drift", "realised")]
    found = shifted(rows[0]) + off(rows[1]) + [f"{model} {reason}" for model, reason in warehouse.rows(COULD_NOT, [as_of, CANNOT])]
    ((trained,),) = warehouse.rows(TRAINED, [as_of])
    asked = bool(found) and trained is not None and as_of - trained >= timedelta(days=FRESH_DAYS)
    with warehouse.transaction() as connection:
        connection.execute("delete from scores.training_requests where as_of = ?", [as_of])
        if asked:
            connection.execute("insert into scores.training_requests values (?, ?)", [as_of, "; ".join(found)])
    return asked
