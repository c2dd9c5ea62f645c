"""The score models as data: what each learns, from which features, how far ahead it looks, and which columns of customer_scores it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

Learns = Literal["orders", "vip", "outcome", "clusters", "brought"]


@dataclass(frozen=True)
class ScoreModel:
    """One model. `learns`: what orders follow (`ml.customer_scores`), who becomes a VIP, an outcome of `features.outcome_labels`
    (`ml.propensity`; `outcome` says it in words), which groups there are (`ml.clusters`; no days ahead), or nothing: it was brought
    (`ml.brought`). `key` is what a row of its
    features is of, `scored` who of them gets a score.
    """

    name: str
    horizon_days: int
    columns: dict[str, pa.DataType]
    learns: Learns
    outcome: str = ""
    features: str = "features.order_features"
    key: tuple[str, ...] = ("as_of", "customer_id")
    scored: str = "true"


MODELS = (
    ScoreModel("churn", 91, {"churn_probability": pa.float64()}, "orders"),
    # A value model looks as far as churn and is carried on to a year.
    ScoreModel(
        "value",
        91,
        {name: pa.float64() for name in ("clv_365d_amount", "clv_365d_low", "clv_365d_high", "clv_365d_median")},
        "orders",
    ),
    ScoreModel("purchase", 30, {"purchase_30d_probability": pa.float64()}, "orders"),
    ScoreModel(
        "next_order",
        91,
        {"next_order_date": pa.date32(), "next_order_low": pa.date32(), "next_order_high": pa.date32(), "next_order_reason": pa.string()},
        "orders",
    ),
    ScoreModel("vip", 364, {"vip_probability": pa.float64()}, "vip", "became a VIP"),
    ScoreModel(
        "first_purchase",
        30,
        {"first_purchase_probability": pa.float64()},
        "outcome",
        "made a first purchase",
        features="features.customer_features",
        scored="orders_count = 0",
    ),
    ScoreModel("click", 30, {"click_probability": pa.float64()}, "outcome", "clicked the next mail", features="features.customer_features"),
    ScoreModel(
        "category",
        30,
        {"top_category": pa.string(), "top_category_probability": pa.float64()},
        "outcome",
        "bought from a category",
        features="features.category_features",
        key=("as_of", "customer_id", "category"),
    ),
    ScoreModel("clusters", 0, {"cluster": pa.string()}, "clusters"),
)
SCORE_MODELS = {model.name: model for model in MODELS}

CUSTOMER_SCORES = pa.schema(
    [
        ("as_of", pa.timestamp("us")),
        ("customer_id", pa.string()),
        *((name, kind) for model in MODELS for name, kind in model.columns.items()),
        ("best_send_hour", pa.int64()),
    ]
)


class BroughtScore(BaseModel):
    """A model trained elsewhere, as shop.yaml states it under the name of its score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    registry_name: str = Field(description="its name in MLflow")
    alias: str = Field("champion", description="the version that scores")
    tracking_uri: str | None = Field(None, description="where it is registered, where that is not the shop's own MLflow")
    gives: Literal["probability", "amount"] = "probability"
    columns: dict[str, str] = Field(
        min_length=1, description="column that the model reads → column of the features; in its order where it was taught without names"
    )
    features: Literal["features.order_features", "features.customer_features"] = "features.customer_features"


def models_of(brought: Mapping[str, BroughtScore]) -> dict[str, ScoreModel]:
    """Our models, and those of a shop that take their place or stand beside them."""
    theirs = {
        name: ScoreModel(name, 0, {column_of(name, one.gives): pa.float64()}, "brought", features=one.features)
        for name, one in brought.items()
    }
    return SCORE_MODELS | theirs


def column_of(model: str, gives: str = "probability") -> str:
    """The column of customer_scores that a model is known by."""
    return SCORE_COLUMNS.get(model, f"{model}_{gives}")


SCORE_COLUMNS = {"churn": "churn_probability", "value": "clv_365d_amount", "purchase": "purchase_30d_probability"}


def customer_scores_of(models: Mapping[str, ScoreModel]) -> pa.Schema:
    """The columns of customer_scores: the fixed ones, and those of brought models."""
    schema = CUSTOMER_SCORES
    for model in models.values():
        for name, kind in model.columns.items():
            schema = schema if name in schema.names else schema.append(pa.field(name, kind))
    return schema
