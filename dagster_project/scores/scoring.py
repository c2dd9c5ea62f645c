"""What a model says of rows of its features, one customer's or a whole day's: the same function, the same numbers.

`measure` takes the distributions of a day from all its rows; with them at hand `columns_of` scores any rows of that day.
"""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.scores.recording import Standing
from dagster_project.scores.score_models import column_of
from ml import customer_models, customer_scores
from ml.brought import BroughtDay, BroughtModel, Unusable, measure_brought, score_brought
from ml.clusters import ClusterModel
from ml.customer_scores import DECIMALS
from ml.propensity import IS, PropensityDay, PropensityModel, measure_propensity, score_propensity

# Groups need nothing of the day.
Day = customer_models.Day | PropensityDay | BroughtDay | None
# What the reason of a model of ours begins with that could score yesterday and cannot today: learning anew helps.
CANNOT = "cannot score: "
LATEST_DAYS = {"next_order_date": "next_order_days", "next_order_low": "next_order_low_days", "next_order_high": "next_order_high_days"}


def check_columns(trained: Standing, features: pa.Table) -> None:
    """See that the features have every column that a model reads; one that was brought says so itself.

    Raises:
        Unusable: they do not; the message names the columns.
    """
    if isinstance(trained, BroughtModel):
        return
    model = trained.model if isinstance(trained, customer_scores.Trained) else trained
    gone = sorted({column.partition(IS)[0] for column in model.columns} - set(features.column_names))
    if gone:
        raise Unusable(f"{CANNOT}it reads {', '.join(gone)}, which the features no longer have")


def measure(trained: Standing, features: pa.Table) -> Day:
    """A day's distributions, from all its rows."""
    if isinstance(trained, ClusterModel):
        return None
    if isinstance(trained, BroughtModel):
        return measure_brought(trained, features)
    return measure_propensity(trained, features) if isinstance(trained, PropensityModel) else customer_scores.measure(trained, features)


def columns_of(model: str, trained: Standing, day: Day, features: pa.Table, first_day: date, decimals: int = DECIMALS) -> pa.Table:
    """A row per customer of these features: customer_id and the columns of customer_scores that the model gives. `first_day` is the
    shop's day that begins at the moment.
    """
    if isinstance(trained, ClusterModel):
        return pa.table({"customer_id": features["customer_id"], "cluster": pa.array(trained.assign(features), pa.string())})
    if isinstance(trained, BroughtModel):
        said = np.round(score_brought(trained, features), decimals)
        return pa.table({"customer_id": features["customer_id"], column_of(model, trained.gives): said})
    if isinstance(trained, PropensityModel):
        if not isinstance(day, PropensityDay):
            raise TypeError(f"no {model} score with {type(day).__name__}")
        probability = np.round(score_propensity(trained, day, features), decimals)
        if model == "category":
            return _top_category(features, probability)
        return pa.table({"customer_id": features["customer_id"], f"{model}_probability": probability})
    if day is None or isinstance(day, PropensityDay | BroughtDay):
        raise TypeError(f"no {model} score with {type(day).__name__}")
    scores = customer_scores.score(trained, day, features, decimals)
    customers = {"customer_id": scores["customer_id"]}
    if model == "churn":
        return scores.select(["customer_id", "churn_probability"])
    if model == "purchase":
        return pa.table(customers | {"purchase_30d_probability": pc.round(pc.subtract(1.0, scores["churn_probability"]), decimals)})
    if model == "next_order":
        dates = {name: _dates(scores[days], first_day) for name, days in LATEST_DAYS.items()}
        return pa.table(customers | dates | {"next_order_reason": scores["next_order_reason"]})
    return scores.select(["customer_id", "clv_365d_amount", "clv_365d_low", "clv_365d_high", "clv_365d_median"])


def _dates(days: pa.ChunkedArray, first_day: date) -> pa.Array:
    return pa.array([None if number is None else first_day + timedelta(days=number) for number in days.to_pylist()], pa.date32())


def _top_category(features: pa.Table, probability: np.ndarray) -> pa.Table:
    """Per customer the likeliest category; of equals the first by name."""
    rows = pa.table(
        {
            "customer_id": features["customer_id"],
            "top_category": features["category"],
            "top_category_probability": probability,
        }
    ).sort_by([("customer_id", "ascending"), ("top_category_probability", "descending"), ("top_category", "ascending")])
    customers = rows["customer_id"].combine_chunks()
    first = np.ones(len(customers), dtype=bool)
    if len(customers) > 1:
        first[1:] = pc.not_equal(customers[1:], customers[:-1]).to_numpy(zero_copy_only=False)
    return rows.filter(pa.array(first))
