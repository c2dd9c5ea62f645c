"""The made-up shop's features and labels, built once."""

import os
from datetime import timedelta

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_up_shop import AS_OF, HORIZON, Shop, made_up_transactions

from benchmarks.transactions import Columns, build_features, load_transactions
from ml.planning import plan
from ml.snapshots import of_day


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The order features and labels that the dbt models build of the made-up shop, and who then did not come back."""
    before = os.environ.get("DEARLY_WAREHOUSE")
    folder = tmp_path_factory.mktemp("shop")
    transactions = made_up_transactions(700)
    pq.write_table(transactions, folder / "transactions.parquet")
    load_transactions(folder / "warehouse.duckdb", folder / "transactions.parquet", Columns("customer", "at", "amount"))
    planned = plan(AS_OF, 280, HORIZON)
    snapshots, labels = build_features(folder / "warehouse.duckdb", AS_OF, planned.days, planned.label_horizons)
    today = of_day(snapshots, AS_OF)
    after = transactions.filter(
        pc.and_(pc.greater_equal(transactions["at"], AS_OF), pc.less(transactions["at"], AS_OF + timedelta(days=HORIZON)))
    )
    came = set(after["customer"].to_pylist())
    churned = np.array([customer not in came for customer in today["customer_id"].to_pylist()], dtype=np.float64)
    os.environ.pop("DEARLY_WAREHOUSE", None) if before is None else os.environ.update(DEARLY_WAREHOUSE=before)
    return Shop(planned, snapshots, labels, today, churned, folder / "transactions.parquet")
