"""A shop that does not say what was paid: what is learned from money abstains, and says why."""

from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.scores.training import train_model
from ml.abstention import Abstained
from ml.planning import Plan


@pytest.mark.parametrize("name", ["value", "vip"])
def test_a_model_of_money_abstains_where_no_order_says_what_was_paid(name: str) -> None:
    labels = pa.table({"net_amount": pa.array([Decimal("0.00")] * 500, pa.decimal128(18, 2))})
    planned = Plan(datetime(2024, 1, 1), 364, (364,), None, (), ())
    trained = train_model(None, SCORE_MODELS[name], planned, pa.table({}), labels, None)  # type: ignore[arg-type]
    assert trained == Abstained("no order of a past day says what was paid")
