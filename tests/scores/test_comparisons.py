"""What scores was compared: nobody is promoted where nothing can be, and a champion of another horizon is held against as well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from made_up_shop import AS_OF, NoRegistry, Shop

from dagster_project.moments import Moment
from dagster_project.scores.recording import Recorder
from dagster_project.scores.training_days import Training
from ml.abstention import MIN_CUSTOMERS
from ml.customer_models import Baseline
from ml.customer_scores import Trained, train
from ml.past import Past
from ml.signals import feature_columns
from ml.snapshots import of_day


def trained(found: object) -> Trained:
    assert isinstance(found, Trained), found
    return found


def rows_of(shop: Shop, folder: Path, name: str, found: Trained, standing: Trained | None) -> list[dict[str, Any]]:
    training = Training(Moment(AS_OF, AS_OF), {name: shop.planned}, AS_OF)
    return Recorder(folder, NoRegistry(), "shop", training, "data").rows(name, found, standing)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def champion(shop: Shop) -> Trained:
    return trained(train("churn", shop.planned, shop.snapshots, shop.labels))


def a_growing_shop(shop: Shop) -> tuple[pa.Table, pa.Table]:
    """Enough customers today and too few at the back-test, with outcomes dealt out at random: there is nothing to learn."""
    then = set(of_day(shop.snapshots, shop.planned.backtest_day)["customer_id"].to_pylist())  # type: ignore[arg-type]
    today = shop.today["customer_id"].to_pylist()
    kept = [one for one in today if one in then][: MIN_CUSTOMERS - 10] + [one for one in today if one not in then]
    assert len(kept) >= MIN_CUSTOMERS
    snapshots, labels = (table.filter(pc.is_in(table["customer_id"], pa.array(kept))) for table in (shop.snapshots, shop.labels))
    rows, chance = labels.to_pandas(), np.random.default_rng(1)
    columns = ["orders_count", "net_amount", "first_order_at"]
    for _, day in rows.groupby(["as_of", "horizon_days"]):
        rows.loc[day.index, columns] = day[columns].to_numpy()[chance.permutation(len(day))]
    return snapshots, pa.Table.from_pandas(rows, preserve_index=False).cast(labels.schema)


def test_a_challenger_that_cannot_be_compared_leaves_the_champion_in_its_place(shop: Shop, champion: Trained, tmp_path: Path) -> None:
    found = trained(train("churn", shop.planned, *a_growing_shop(shop), champion=champion))
    (row,) = rows_of(shop, tmp_path, "churn", found, champion)
    assert not row["promoted"]
    assert row["status"] == "not compared"
    assert (
        row["reason"]
        == f"champion stays: no back-test as of {shop.planned.backtest_day:%Y-%m-%d}: 290 customers had bought, a model needs 300"
    )


def test_where_none_stood_the_baseline_scores_until_there_is_a_comparison(shop: Shop, tmp_path: Path) -> None:
    found = trained(train("churn", shop.planned, *a_growing_shop(shop)))
    assert isinstance(found.model, Baseline)
    challenger, baseline = rows_of(shop, tmp_path, "churn", found, None)
    assert not challenger["promoted"]
    assert baseline["promoted"]
    again = trained(train("churn", shop.planned, *a_growing_shop(shop), champion=found))
    assert len(rows_of(shop, tmp_path, "churn", again, found)) == 1, "the same baseline is not promoted anew every week"


def test_a_back_test_on_which_all_did_the_same_compares_nobody(shop: Shop, champion: Trained) -> None:
    """A shop that was closed since then: no candidate can be told from another."""
    rows = shop.labels.to_pandas()
    closed = (rows["as_of"] == shop.planned.backtest_day) & (rows["horizon_days"] == shop.planned.backtest_horizons[0])
    rows.loc[closed, "orders_count"] = 0
    labels = pa.Table.from_pandas(rows, preserve_index=False).cast(shop.labels.schema)
    verdict = trained(train("churn", shop.planned, shop.snapshots, labels, champion=champion)).verdict
    assert verdict
    assert (verdict.promoted, verdict.stays) == (False, "champion")
    assert "0 bought within 60 days" in verdict.reason


@pytest.mark.parametrize("name", ["churn", "value", "next_order"])
def test_a_champion_of_another_horizon_is_held_against_at_the_one_that_is_tested(shop: Shop, name: str) -> None:
    short = shop.planned.backtest_horizons[1]
    young = replace(shop.planned, backtest_horizons=(short,))
    stood = Past(name, young, shop.snapshots, shop.labels, shop.labels).rehearse(feature_columns(shop.snapshots))
    assert stood.horizon_days == short
    tested = trained(train(name, shop.planned, shop.snapshots, shop.labels, champion=Trained(name, AS_OF, stood, None, stood))).tested
    assert tested is not None
    assert tested.champion is not None
    # Asked about the longer horizon, the champion answers for it: not with the many who do not buy, or the little they spend, in the shorter.
    if name == "churn":
        assert tested.champion.mean() == pytest.approx(tested.challenger.mean(), abs=0.03)
    elif name == "value":
        assert tested.champion.sum() == pytest.approx(tested.challenger.sum(), rel=0.1)
    else:
        assert tested.champion.mean() < tested.baseline.mean() - 0.03
