"""Churn, value, propensity and next order on a made-up shop whose customers buy at their own pace and drop out."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_up_shop import AS_OF, HORIZON, Shop, made_up_outcomes, made_up_transactions
from threadpoolctl import threadpool_limits

from benchmarks import scores as benchmark
from dagster_project.scores import scoring
from dagster_project.scores.score_models import SCORE_MODELS
from ml import customer_models
from ml.abstention import Abstained
from ml.boosting import binned, fit_trees
from ml.churn import ChurnModel
from ml.customer_models import Baseline
from ml.customer_scores import Trained, measure, score, train
from ml.next_order import WIDEST_DAYS, days_to_order, measure_next_order, score_next_order, train_next_order
from ml.planning import plan
from ml.promotion import judge_churn, judge_value
from ml.propensity import PropensityModel, is_vip, train_propensity
from ml.ranks import fit_ranks
from ml.registry import CHAMPION, Account, Registry
from ml.signals import feature_columns, numbers
from ml.snapshots import of_day
from ml.store import RefusedArtifact, load, save
from ml.validation import auc, log_loss
from ml.value import ValueModel


@pytest.fixture(scope="module")
def trained(shop: Shop) -> dict[str, Trained]:
    churn = train("churn", shop.planned, shop.snapshots, shop.labels)
    value = train("value", shop.planned, shop.snapshots, shop.labels, churn=churn)
    assert isinstance(churn, Trained)
    assert isinstance(churn.model, ChurnModel), churn.verdict
    assert isinstance(value, Trained)
    assert isinstance(value.model, ValueModel), value.verdict
    return {"churn": churn, "value": value}


def unrounded(trained: Trained, day: customer_models.Day, features: pa.Table) -> np.ndarray:
    table = score(trained, day, features, decimals=15)
    return np.column_stack([table[name].to_numpy() for name in table.column_names[1:]])


def test_churn_orders_and_calibrates_people_it_has_not_seen(shop: Shop, trained: dict[str, Trained]) -> None:
    probability = score(trained["churn"], measure(trained["churn"], shop.today), shop.today)["churn_probability"].to_numpy()
    base = Trained("churn", AS_OF, Baseline(HORIZON, feature_columns(shop.snapshots)), None)
    usual = score(base, measure(base, shop.today), shop.today)["churn_probability"].to_numpy()
    assert auc(shop.churned, probability) > auc(shop.churned, usual)
    assert log_loss(shop.churned, probability) < log_loss(shop.churned, usual)
    assert log_loss(shop.churned, probability) < log_loss(shop.churned, np.full(len(probability), shop.churned.mean()))


def model_and_day(name: str, shop: Shop, trained: dict[str, Trained]) -> tuple[Trained | PropensityModel, pa.Table]:
    """A trained model of this name and the features of a day it scores."""
    model = SCORE_MODELS[name]
    if model.learns == "outcome":
        snapshots, happened = made_up_outcomes(model)
        learned = train_propensity(model.outcome, snapshots, happened)
        assert isinstance(learned, PropensityModel), learned
        return learned, snapshots[-1]
    if model.learns == "vip":
        learned = vip_model(shop)
        assert isinstance(learned, PropensityModel), learned
        return learned, shop.today
    if name == "next_order":
        found = train("next_order", shop.planned, shop.snapshots, shop.labels)
        assert isinstance(found, Trained)
        return found, shop.today
    return trained["value" if name == "value" else "churn"], shop.today


def differs(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether two rows of scores are not the same to 1e-9."""
    return any(
        abs(one[name] - other[name]) > 1e-9 if isinstance(one[name], float) and isinstance(other[name], float) else one[name] != other[name]
        for name in one
    )


@pytest.mark.parametrize("name", sorted(name for name, model in SCORE_MODELS.items() if model.learns != "clusters"))
def test_one_customer_alone_gets_the_scores_of_the_batch(name: str, shop: Shop, trained: dict[str, Trained]) -> None:
    """The control, for models that abstain on few people: distributions taken from the one customer alone would give another score."""
    model, features = model_and_day(name, shop, trained)
    day, first_day = scoring.measure(model, features), date(2023, 10, 8)

    def rows(measured: scoring.Day, of: pa.Table) -> dict[str, dict[str, object]]:
        return {row["customer_id"]: row for row in scoring.columns_of(name, model, measured, of, first_day, decimals=15).to_pylist()}

    batch = rows(day, features)
    assert set(SCORE_MODELS[name].columns) | {"customer_id"} == set(next(iter(batch.values())))
    mistaken = []
    for customer in sorted(batch)[::150]:
        own = features.filter(pc.equal(features["customer_id"], customer))
        assert not differs(rows(day, own)[customer], batch[customer])
        if isinstance(model, PropensityModel):
            mistaken.append(differs(rows(scoring.measure(model, own), own)[customer], batch[customer]))
    assert any(mistaken) or not isinstance(model, PropensityModel)


def test_an_outcome_is_checked_on_people_the_model_has_not_seen() -> None:
    """A person's luck, repeated on every day, can be learned by heart but not of others; a check by days alone would pass."""
    generator = np.random.default_rng(3)
    luck, outcome = generator.random(1500), (generator.random(1500) < 0.4).astype(np.float64)
    names = [f"c{person:04d}" for person in range(1500)]
    day = pa.table({"customer_id": names, **{f"noise_{n}": generator.permutation(luck) for n in range(12)}})
    found = train_propensity("were lucky", [day] * 4, [outcome] * 4)
    assert isinstance(found, Abstained)
    assert "on customers it had not seen" in found.reason
    ranked = [fit_ranks(np.column_stack([numbers(day, f"noise_{n}") for n in range(12)]))]
    rows = ranked[0].of(np.column_stack([numbers(day, f"noise_{n}") for n in range(12)]))
    by_heart = fit_trees(binned(np.concatenate([rows] * 3)), np.concatenate([outcome] * 3), "log_loss").raw(rows)
    assert auc(outcome, by_heart) > 0.6


def regulars(people: int, bought: str) -> tuple[list[pa.Table], list[np.ndarray]]:
    """Two days of people who buy from a category of theirs, one of three (`bought`: "own"), from all or from none."""
    generator, categories = np.random.default_rng(0), ("tea", "coffee", "mugs")
    own = generator.integers(3, size=people)
    rows = [(person, category) for person in range(people) for category in range(3)]
    is_own = np.array([own[person] == category for person, category in rows])
    snapshot = pa.table(
        {
            "customer_id": [f"c{person:04d}" for person, _ in rows],
            "category": [categories[category] for _, category in rows],
            "purchases_count": generator.poisson(np.where(is_own, 8.0, 1.0)).astype(np.float64),
        }
    )
    happened = {"own": is_own, "all": np.ones(len(rows)), "none": np.zeros(len(rows))}[bought]
    return [snapshot] * 2, [happened.astype(np.float64)] * 2


def test_a_shop_where_everybody_buys_from_one_of_three_categories_has_its_model() -> None:
    """Each person bought, and each did not buy from the others: both outcomes have as many people as there are."""
    found = train_propensity("bought from a category", *regulars(600, "own"))
    assert isinstance(found, PropensityModel), found
    assert found.auc > 0.9


@pytest.mark.parametrize(("bought", "people"), [("all", 600), ("none", 0)])
def test_one_outcome_of_all_people_teaches_nothing(bought: str, people: int) -> None:
    expected = f"of 600 past cases {people} bought from a category, a model needs 30 with and 30 without"
    assert train_propensity("bought from a category", *regulars(600, bought)) == Abstained(expected)


def test_forty_people_get_no_score_of_any_outcome() -> None:
    for model in SCORE_MODELS.values():
        if model.learns == "outcome":
            snapshots, happened = made_up_outcomes(model, people=40)
            assert train_propensity(model.outcome, snapshots, happened) == Abstained("40 customers can be learned from, a model needs 300")


def test_training_gives_the_same_bytes_with_one_and_two_threads(shop: Shop, tmp_path: Path) -> None:
    names = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            model = train("churn", shop.planned, shop.snapshots, shop.labels)
            names.append((save(model, tmp_path / f"m{threads}"), save(measure(model, shop.today), tmp_path / f"d{threads}")))
    assert names[0] == names[1]


def test_rows_after_the_trained_day_teach_nothing(shop: Shop, trained: dict[str, Trained], tmp_path: Path) -> None:
    future = shop.labels.slice(0, 50)
    later = pa.array([AS_OF + timedelta(days=1)] * 50, future.schema.field("label_until").type)
    future = future.set_column(future.schema.get_field_index("label_until"), "label_until", later)
    again = train("churn", shop.planned, shop.snapshots, pa.concat_tables([shop.labels, future]))
    assert save(again, tmp_path / "a") == save(trained["churn"], tmp_path / "b")


def test_a_stored_model_comes_back_and_scores_the_same(shop: Shop, trained: dict[str, Trained], tmp_path: Path) -> None:
    day = measure(trained["value"], shop.today)
    model_name, day_name = save(trained["value"], tmp_path / "model"), save(day, tmp_path / "day")
    again = unrounded(load(tmp_path / "model", model_name), load(tmp_path / "day", day_name), shop.today)
    np.testing.assert_array_equal(again, unrounded(trained["value"], day, shop.today))


def test_a_changed_artifact_is_refused(trained: dict[str, Trained], tmp_path: Path) -> None:
    name = save(trained["churn"], tmp_path)
    content = bytearray((tmp_path / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "arrays.npz").write_bytes(bytes(content))
    with pytest.raises(RefusedArtifact, match="not the model that was trained"):
        load(tmp_path, name)


def test_a_type_that_is_not_ours_is_refused(trained: dict[str, Trained], tmp_path: Path) -> None:
    save(trained["churn"], tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"type": "Popen", "fields": {"args": "true"}}))
    from ml.store import fingerprint

    with pytest.raises(RefusedArtifact, match="Popen"):
        load(tmp_path, fingerprint(tmp_path))


def test_medians_lie_in_their_ranges_and_a_year_is_worth_more_than_two_months(shop: Shop, trained: dict[str, Trained]) -> None:
    values = score(trained["value"], measure(trained["value"], shop.today), shop.today)
    low, median, high = (values[f"value_{name}"].to_numpy() for name in ("low", "median", "high"))
    assert ((low <= median) & (median <= high) & (low >= 0)).all()
    assert (values["clv_365d_amount"].to_numpy() >= values["value_amount"].to_numpy()).all()


def test_a_worse_challenger_is_refused_and_a_better_one_promoted() -> None:
    generator = np.random.default_rng(1)
    truth = generator.random(2000)
    happened = (generator.random(2000) < truth).astype(np.float64)
    good, noisy = np.clip(truth, 0.01, 0.99), np.clip(truth + generator.normal(0, 0.3, 2000), 0.01, 0.99)
    assert not judge_churn(happened, champion=good, challenger=noisy).promoted
    assert judge_churn(happened, champion=noisy, challenger=good).promoted
    assert not judge_churn(happened, champion=good, challenger=good).promoted
    # The right order at a wrong level is refused as well.
    assert not judge_churn(happened, champion=noisy, challenger=good**6).promoted
    value = truth * 100 * happened
    assert not judge_value(value, champion=good, challenger=noisy).promoted
    assert judge_value(value, champion=noisy, challenger=good).promoted


def test_the_baseline_stays_when_the_challenger_loses_the_back_test(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = customer_models.fit

    def taught_wrongly(name: str, snapshots: pa.Table, labels: pa.Table, *rest: object, **more: object) -> object:
        shuffled = pa.array(np.random.default_rng(0).permutation(labels["orders_count"].to_numpy()))
        return real(
            name, snapshots, labels.set_column(labels.schema.get_field_index("orders_count"), "orders_count", shuffled), *rest, **more
        )

    monkeypatch.setattr(customer_models, "fit", taught_wrongly)
    found = train("churn", shop.planned, shop.snapshots, shop.labels)
    assert isinstance(found, Trained)
    assert isinstance(found.model, Baseline)
    assert found.verdict is not None
    assert not found.verdict.promoted


def test_forty_customers_get_an_abstention_with_its_reason(shop: Shop) -> None:
    forty = shop.today["customer_id"].slice(0, 40)
    few = shop.snapshots.filter(pc.is_in(shop.snapshots["customer_id"], forty.combine_chunks()))
    found = train("churn", shop.planned, few, shop.labels)
    assert found == Abstained("40 customers have bought, a model needs 300")


def test_too_short_a_history_is_said() -> None:
    assert plan(AS_OF, history_days=50, horizon_days=60).horizons == ()
    assert plan(AS_OF, history_days=130, horizon_days=60).horizons == (60, 28)
    # Under two horizons it learns at the longest that fits and BG/NBD carries it on.
    assert plan(AS_OF, history_days=90, horizon_days=60).horizons[0] == 42


def test_the_back_test_uses_only_days_before_its_own(shop: Shop) -> None:
    assert shop.planned.backtest_day is not None
    assert max(shop.planned.days) < AS_OF
    assert shop.planned.backtest_day + timedelta(days=shop.planned.backtest_horizons[0]) <= AS_OF


def vip_model(shop: Shop) -> PropensityModel | Abstained:
    labels = shop.labels.filter(pc.equal(shop.labels["horizon_days"], shop.planned.horizons[0]))
    days = sorted(pc.unique(labels["as_of"]).to_pylist())[-3:]
    vips = [is_vip(numbers(of_day(labels, day), "net_amount")) for day in days]
    return train_propensity("were VIPs", [of_day(shop.snapshots, day) for day in days], vips)


def test_vips_are_found_and_noise_is_not(shop: Shop) -> None:
    found = vip_model(shop)
    assert isinstance(found, PropensityModel)
    assert found.auc > 0.7
    chance = np.random.default_rng(2)
    snapshots = [of_day(shop.snapshots, day) for day in sorted(pc.unique(shop.snapshots["as_of"]).to_pylist())[-3:]]
    noise = [(chance.random(len(snapshot)) < 0.3).astype(np.float64) for snapshot in snapshots]
    abstained = train_propensity("bought by chance", snapshots, noise)
    assert isinstance(abstained, Abstained)
    assert "no better than everyone's rate" in abstained.reason


def test_next_orders_come_with_a_narrow_range_or_not_at_all(shop: Shop) -> None:
    first_orders = days_to_order(shop.labels, shop.planned.horizons[0])
    model = train_next_order(shop.snapshots, first_orders, feature_columns(shop.snapshots), shop.planned.horizons[0])
    day = measure_next_order(model, shop.today)
    assert [why is None for why in score_next_order(model, day, shop.today).reason] == (
        ~np.isnan(score_next_order(model, day, shop.today).days)
    ).tolist()
    found = score_next_order(model, day, shop.today)
    dated = ~np.isnan(found.days)
    assert 0 < dated.sum() < len(found.days)
    assert ((found.high_days - found.low_days)[dated] <= WIDEST_DAYS).all()
    assert auc(shop.churned, found.expected_days) > 0.75
    alone = score_next_order(model, day, shop.today.slice(5, 1))
    assert alone.expected_days[0] == pytest.approx(found.expected_days[5], abs=1e-9)


def test_mlflow_mirrors_champions_and_gives_back_the_model(shop: Shop, trained: dict[str, Trained], tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlartifacts", "small")
    first = registry.record("churn", trained["churn"], Account({"horizon_days": HORIZON}, {"auc": 0.8}), promoted=True)
    second = registry.record("churn", trained["churn"], Account({"horizon_days": HORIZON}, {"auc": 0.7}))
    assert registry.by_alias("churn") == first
    registry.point("churn", second.version)
    assert registry.by_alias("churn", CHAMPION) == second
    again = registry.fetch(second)
    np.testing.assert_array_equal(
        unrounded(again, measure(again, shop.today), shop.today)[:5],
        unrounded(trained["churn"], measure(trained["churn"], shop.today), shop.today)[:5],
    )


def test_the_benchmark_abstains_on_forty_customers_and_says_so_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(made_up_transactions(40), tmp_path / "few.parquet")
    arguments = [
        str(tmp_path / "few.parquet"),
        "--customer",
        "customer",
        "--at",
        "at",
        "--amount",
        "amount",
        "--cut",
        "2023-10-01",
        "--horizon",
        "60",
        "--json",
    ]
    assert benchmark.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "a model needs 300" in printed["abstained"]
    assert printed["ours"] == {}
    assert "churn_auc" in printed["peers"]["bg_nbd_gamma_gamma"]
