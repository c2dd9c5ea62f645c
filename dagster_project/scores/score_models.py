"""The score models as data: what each learns, from which features, how far ahead it looks, and which columns of customer_scores it gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pydantic import Field

from dagster_project.located_yaml import Strict

ORDER_FEATURES, CUSTOMER_FEATURES = "features.order_features", "features.customer_features"
Learns = Literal["orders", "vip", "outcome", "clusters", "brought"]


@dataclass(frozen=True)
class ScoreModel:
    """One model. `learns`: what orders follow (`ml.customer_scores`), who becomes a VIP, an outcome of `features.outcome_labels`
    (`ml.propensity`; `outcome` says it in words), which groups there are (`ml.clusters`; no days ahead), or nothing: it was brought
    (`ml.brought`). `key` is what a row of its features is of, `scored` who of them gets a score. `predicts` is what the model card says;
    `title`, `meaning` and `unit` what the report calls it and what it counts in. `realised` is 0 or 1 of a customer's
    `features.training_labels`, where what came true tells. `opposite_of` names the kind of model that says how likely the opposite is: a purchase
    model is a churn model over a shorter horizon, read the other way round.
    """

    name: str
    horizon_days: int
    columns: dict[str, pa.DataType]
    learns: Learns
    outcome: str = ""
    features: str = ORDER_FEATURES
    key: tuple[str, ...] = ("as_of", "customer_id")
    scored: str = "true"
    predicts: str = ""
    title: str = ""
    meaning: str = ""
    unit: Literal["probability", "money"] = "probability"
    realised: str = ""
    opposite_of: str = ""

    @property
    def column(self) -> str:
        """The column of customer_scores that the model is known by, its first number; empty where it gives none."""
        return next((name for name, kind in self.columns.items() if pa.types.is_floating(kind)), "")


MODELS = (
    ScoreModel(
        "churn",
        91,
        {"churn_probability": pa.float64()},
        "orders",
        predicts="Who has bought buys nothing within the horizon.",
        title="Churn",
        meaning="probability that somebody who has bought buys nothing within 91 days",
        realised="(labels.orders_count = 0)::integer",
    ),
    # A value model looks as far as churn and is carried on to a year.
    ScoreModel(
        "value",
        91,
        {name: pa.float64() for name in ("clv_365d_amount", "clv_365d_low", "clv_365d_high", "clv_365d_median")},
        "orders",
        predicts="Net revenue of a customer who has bought, within the horizon and a year.",
        title="Value of the next year",
        meaning="expected net revenue in 365 days",
        unit="money",
    ),
    ScoreModel(
        "purchase",
        30,
        {"purchase_30d_probability": pa.float64()},
        "orders",
        predicts="Who has bought buys again within 30 days.",
        title="Purchase",
        meaning="probability that somebody who has bought buys again within 30 days",
        realised="(labels.orders_count > 0)::integer",
        opposite_of="churn",
    ),
    ScoreModel(
        "next_order",
        91,
        {"next_order_date": pa.date32(), "next_order_low": pa.date32(), "next_order_high": pa.date32(), "next_order_reason": pa.string()},
        "orders",
        predicts="The day of the next order of who has bought, with an interval.",
    ),
    ScoreModel(
        "vip",
        364,
        {"vip_probability": pa.float64()},
        "vip",
        "became a VIP",
        predicts="A customer is among the tenth of highest value in the next year.",
        title="VIP",
        meaning="probability of being in the top tenth by next year's value",
    ),
    ScoreModel(
        "first_purchase",
        30,
        {"first_purchase_probability": pa.float64()},
        "outcome",
        "made a first purchase",
        features=CUSTOMER_FEATURES,
        scored="orders_count = 0",
        predicts="Somebody who never bought does so within 30 days.",
        title="First purchase",
        meaning="probability that somebody who never bought does within 30 days",
    ),
    ScoreModel(
        "click",
        30,
        {"click_probability": pa.float64()},
        "outcome",
        "clicked the next mail",
        features=CUSTOMER_FEATURES,
        predicts="Who gets a mail within 30 days clicks in the first.",
        title="Click",
        meaning="probability of clicking the next mail",
    ),
    ScoreModel(
        "category",
        30,
        {"top_category": pa.string(), "top_category_probability": pa.float64()},
        "outcome",
        "bought from a category",
        features="features.category_features",
        key=("as_of", "customer_id", "category"),
        predicts="A customer buys from a category within 30 days.",
    ),
    ScoreModel("clusters", 0, {"cluster": pa.string()}, "clusters", predicts="Nothing: customers who buy alike are one group."),
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


class BroughtScore(Strict):
    """A model trained elsewhere, as shop.yaml states it under the name of its score."""

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


def column_of(model: str, gives: str) -> str:
    """The column of customer_scores that a brought model fills."""
    return SCORE_MODELS[model].column if model in SCORE_MODELS else f"{model}_{gives}"


def customer_scores_of(models: Mapping[str, ScoreModel]) -> pa.Schema:
    """The columns of customer_scores: the fixed ones, and those of brought models."""
    schema = CUSTOMER_SCORES
    for model in models.values():
        for name, kind in model.columns.items():
            schema = schema if name in schema.names else schema.append(pa.field(name, kind))
    return schema
