"""A horizon at which everybody did the same teaches nothing: it is left out, and the model learns from the other."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from made_up_shop import Shop

from dagster_project.scores.training import train_vip
from ml.abstention import MIN_EACH_OUTCOME, Abstained
from ml.churn import ChurnModel
from ml.customer_scores import Trained, measure, score, train
from ml.horizons import at, two_sided
from ml.propensity import PropensityModel
from ml.snapshots import MAX_ROWS, drawn, followed, of_day, taught_days
from ml.value import ValueModel


def where_some_became_one(shop: Shop) -> pa.Table:
    """The labels, but that on each day, at each horizon, another few customers were found to be somebody else before it closed."""
    rows = shop.labels.to_pandas()
    place = rows.groupby(["as_of", "horizon_days"], sort=True).cumcount()
    group = rows.groupby(["as_of", "horizon_days"], sort=True).ngroup()
    return pa.Table.from_pandas(rows[(place + group) % 40 != 0], preserve_index=False).cast(shop.labels.schema)


@pytest.mark.parametrize("name", ["churn", "value", "next_order"])
def test_who_became_somebody_else_before_a_horizon_closed_teaches_and_judges_nothing(shop: Shop, name: str) -> None:
    labels = where_some_became_one(shop)
    trained = train(name, shop.planned, shop.snapshots, labels)
    assert isinstance(trained, Trained)
    assert trained.tested is not None
    assert trained.tested.features is not None
    day, horizon = shop.planned.backtest_day, shop.planned.backtest_horizons[0]
    came = of_day(at(labels, (horizon,)), day)
    assert trained.tested.features["customer_id"].to_pylist() == came["customer_id"].to_pylist()
    assert len(came) < len(of_day(shop.snapshots, day))
    if name == "churn":
        assert trained.tested.truth.tolist() == [float(orders == 0) for orders in came["orders_count"].to_pylist()]
    # All are scored all the same.
    assert len(score(trained, measure(trained, shop.today), shop.today)) == len(shop.today)


def test_who_became_somebody_else_is_no_vip_to_learn_from(shop: Shop) -> None:
    everybody = train_vip(shop.planned, shop.snapshots, shop.labels, "vip")
    trained = train_vip(shop.planned, shop.snapshots, where_some_became_one(shop), "vip")
    assert isinstance(everybody, PropensityModel) and isinstance(trained, PropensityModel)
    assert trained.tested is not None and everybody.tested is not None
    assert 0 < len(trained.tested.truth) < len(everybody.tested.truth)


def test_a_label_of_no_customer_is_refused(shop: Shop) -> None:
    day, horizon = shop.planned.backtest_day, shop.planned.backtest_horizons[0]
    fewer = shop.snapshots.filter(pc.not_equal(shop.snapshots["customer_id"], of_day(shop.snapshots, day)["customer_id"][0]))
    with pytest.raises(ValueError, match="not of the customers"):
        followed(fewer, at(shop.labels, (horizon,)), day)


def where_all_did_the_same(shop: Shop, horizon: int, bought: bool) -> pa.Table:
    """The labels, but that at one horizon everybody, or nobody, bought."""
    rows = shop.labels.to_pandas()
    there = rows["horizon_days"] == horizon
    rows.loc[there, "orders_count"] = rows.loc[there, "orders_count"].clip(lower=1) if bought else 0
    if not bought:
        rows.loc[there, "net_amount"], rows.loc[there, "first_order_at"] = 0, None
    return pa.Table.from_pandas(rows, preserve_index=False).cast(shop.labels.schema)


@pytest.mark.parametrize("name", ["churn", "value", "next_order"])
@pytest.mark.parametrize("bought", [True, False])
def test_a_horizon_of_one_outcome_is_left_out_and_the_other_teaches(shop: Shop, name: str, bought: bool) -> None:
    longest, half = shop.planned.horizons
    gone, left = (longest, half) if bought else (half, longest)
    trained = train(name, shop.planned, shop.snapshots, where_all_did_the_same(shop, gone, bought))
    assert isinstance(trained, Trained)
    learned = [model for model in (trained.model, trained.rehearsal) if isinstance(model, ChurnModel | ValueModel)]
    assert [[part.horizon_days for part in model.parts] for model in learned] == [[left]] * len(learned)
    assert learned or bought or name == "next_order"
    said = score(trained, measure(trained, shop.today), shop.today)
    if name != "next_order":
        assert np.isfinite(said.column(1).to_numpy()).all()


def test_a_model_abstains_where_no_horizon_is_left(shop: Shop) -> None:
    labels = shop.labels
    for horizon in set(labels["horizon_days"].to_pylist()):
        closed = Shop(shop.planned, shop.snapshots, labels, shop.today, shop.churned, shop.file)
        labels = where_all_did_the_same(closed, horizon, bought=False)
    found = train("churn", shop.planned, shop.snapshots, labels)
    assert isinstance(found, Abstained)
    assert f"0 bought within {shop.planned.horizons[0]} days" in found.reason


def test_the_few_are_counted_among_the_rows_that_are_learned_from(shop: Shop) -> None:
    """Buyers of days before the newest four, or whom the draw of rows leaves out, teach nobody."""
    horizon = shop.planned.horizons[0]
    labels = where_all_did_the_same(shop, horizon, bought=False)
    rows = labels.to_pandas()
    there = (rows["horizon_days"] == horizon) & ~rows["as_of"].isin(taught_days(labels.filter(pc.equal(labels["horizon_days"], horizon))))
    assert there.sum() > MIN_EACH_OUTCOME
    rows.loc[there, "orders_count"] = 1
    assert horizon not in two_sided(pa.Table.from_pandas(rows, preserve_index=False).cast(labels.schema), (horizon,))
    many = np.zeros(20 * MAX_ROWS, dtype=np.int64)
    many[:MIN_EACH_OUTCOME] = 1
    assert many[drawn(len(many))].sum() < MIN_EACH_OUTCOME
