"""Every kind of model meets its champion: a challenger that was taught wrongly is refused, an honest one takes the place."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from made_up_shop import AS_OF, Shop, made_up_outcomes
from test_clusters import shop_of

from dagster_project.moments import Moment
from dagster_project.scores.recording import Fitted, Model, Recorder
from dagster_project.scores.score_models import MODELS, SCORE_MODELS
from dagster_project.scores.training_days import Training
from ml import clusters, customer_models, customer_scores, promotion, propensity
from ml.abstention import Abstained
from ml.boosting import Trees
from ml.clusters import train_clusters
from ml.customer_scores import train
from ml.linear import Linear
from ml.promotion import Verdict
from ml.propensity import is_vip, train_propensity
from ml.registry import CHALLENGER, CHAMPION, Registry
from ml.signals import numbers
from ml.snapshots import days_of, of_day
from ml.validation import auc, deciles, pr_auc

NAMES = [model.name for model in MODELS]


@dataclass(frozen=True)
class School:
    """Trains a model of any kind on the made-up shop, and writes what came of it as a run does."""

    shop: Shop
    recorder: Recorder

    def teach(self, name: str, champion: Fitted | None = None) -> Model:
        model, shop = SCORE_MODELS[name], self.shop
        if model.learns == "clusters":
            assert not isinstance(champion, customer_scores.Trained | propensity.PropensityModel)
            return train_clusters(shop_of(900, 0.25)[0], previous=champion)
        if model.learns in ("outcome", "vip"):
            assert champion is None or isinstance(champion, propensity.PropensityModel)
            snapshots, happened = made_up_outcomes(model, people=1200) if model.learns == "outcome" else vips(shop)
            return train_propensity(model.outcome, snapshots, happened, champion=champion)
        assert champion is None or isinstance(champion, customer_scores.Trained)
        return train(model.opposite_of or name, shop.planned, shop.snapshots, shop.labels, champion=champion)


def vips(shop: Shop) -> tuple[list[pa.Table], list[np.ndarray]]:
    labels = shop.labels.filter(pc.equal(shop.labels["horizon_days"], shop.planned.horizons[0]))
    days = days_of(labels)
    return [of_day(shop.snapshots, day) for day in days], [is_vip(numbers(of_day(labels, day), "net_amount")) for day in days]


@pytest.fixture
def school(shop: Shop, tmp_path: Path) -> School:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow", "made_up")
    training = Training(Moment(AS_OF, AS_OF), dict.fromkeys(NAMES, shop.planned), AS_OF)
    return School(shop, Recorder(tmp_path / "mlartifacts", registry, "made_up", training, "0" * 64))


def teach_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on models learn from what happened to somebody else, and groups are found at random."""
    chance = np.random.default_rng(0)
    orders, outcomes = customer_models.fit, propensity._fit

    def of_others(name: str, snapshots: pa.Table, labels: pa.Table, *rest: object, **more: object) -> object:
        group = [
            f"{as_of:%j}{horizon}" for as_of, horizon in zip(labels["as_of"].to_pylist(), labels["horizon_days"].to_pylist(), strict=True)
        ]
        place = np.argsort(group, kind="stable")
        other = np.empty(len(place), dtype=np.int64)
        other[place] = np.lexsort((chance.random(len(group)), group))
        for column in ("orders_count", "net_amount", "first_order_at"):
            shuffled = labels[column].combine_chunks().take(pa.array(other))
            labels = labels.set_column(labels.schema.get_field_index(column), column, shuffled)
        return orders(name, snapshots, labels, *rest, **more)

    def of_strangers(ranks: np.ndarray, happened: np.ndarray, seeds: int = 2) -> tuple[np.ndarray, Linear, Trees]:
        return outcomes(ranks, chance.permutation(happened), seeds)

    def at_random(sample: np.ndarray, size: int, method: str) -> np.ndarray:
        """Equal shares along one column: they come back in every draw and say nothing of the others."""
        centres = np.zeros((size, sample.shape[1]))
        centres[:, -1] = np.quantile(sample[:, -1], (np.arange(size) + 0.5) / size)
        return centres

    monkeypatch.setattr(customer_models, "fit", of_others)
    monkeypatch.setattr(propensity, "_fit", of_strangers)
    monkeypatch.setattr(clusters, "_centres", at_random)


def test_a_purchase_model_is_measured_as_what_its_score_names(school: School) -> None:
    taught = school.teach("purchase")
    assert isinstance(taught, customer_scores.Trained) and taught.tested
    bought, said = 1.0 - taught.tested.truth, 1.0 - taught.tested.challenger
    (row,) = school.recorder.rows("purchase", taught, None)
    told = json.loads(str(row["metrics"]))
    assert told["measures"]["pr_auc"][0] == pytest.approx(pr_auc(bought, said), abs=1e-5)
    assert told["measures"]["auc"][0] == pytest.approx(auc(bought, said), abs=1e-5)
    # The tenth that is likeliest to buy, of whom so many did.
    assert told["curves"]["calibration"] == [pytest.approx(point, abs=1e-5) for point in deciles(bought, said)]
    assert taught.verdict
    assert told["gains"]["churn_auc"] == pytest.approx(taught.verdict.differences["churn_auc"], abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_worse_challenger_of_any_kind_is_refused_and_an_honest_one_is_not(
    name: str, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = school.teach(name)
    assert not isinstance(champion, Abstained), champion
    (first,) = school.recorder.rows(name, champion, None)
    assert first["promoted"]

    honest = school.teach(name, champion)
    (again,) = school.recorder.rows(name, honest, champion)
    assert again["promoted"]
    assert "to the champion" in str(again["reason"])
    registry = school.recorder.registry
    scoring = registry.by_alias(name, CHAMPION)

    teach_wrongly(monkeypatch)
    worse = school.teach(name, champion)
    (refused,) = school.recorder.rows(name, worse, champion)
    assert not refused["promoted"]
    assert refused["status"] == "trained"
    assert str(refused["reason"]).startswith("champion stays: ")
    assert registry.by_alias(name, CHAMPION) == scoring
    challenger = registry.by_alias(name, CHALLENGER)
    assert challenger
    assert challenger.sha256 == refused["artifact_sha256"]


@pytest.mark.parametrize("name", ["click", "clusters"])
def test_a_rule_that_believes_everybody_would_have_let_the_worse_challenger_in(
    name: str, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = school.teach(name)
    assert not isinstance(champion, Abstained), champion
    teach_wrongly(monkeypatch)
    for module in (propensity, clusters):
        monkeypatch.setattr(module, "judge", lambda tested: Verdict(True, "it says it is good", {}))
    (believed,) = school.recorder.rows(name, school.teach(name, champion), champion)
    assert believed["promoted"]


def test_where_neither_is_better_than_everyones_rate_nobody_is_scored() -> None:
    snapshots, happened = made_up_outcomes(SCORE_MODELS["click"])
    champion = train_propensity("clicked", snapshots, happened)
    assert isinstance(champion, propensity.PropensityModel)
    chance = np.random.default_rng(1)
    noise = [chance.permutation(day) for day in happened]
    found = train_propensity("clicked", snapshots, noise, champion=champion)
    assert isinstance(found, Abstained)
    assert "neither the challenger nor the champion" in found.reason
    assert found.is_verdict


def test_fewer_groups_are_not_held_to_the_spread_of_more() -> None:
    """Halving a group that is one leaves less spread in each half; it does not make a better number of groups."""
    generator = np.random.default_rng(3)
    scaled = np.concatenate([generator.normal(middle, 0.2, (500, 5)) for middle in (-1.0, 1.0)])
    two = np.repeat([0, 1], 500)
    four = two * 2 + (scaled[:, 0] > np.where(two == 0, -1.0, 1.0))
    kept, _ = promotion.keeps_up(
        clusters.Backtest("groups", two, two, clusters._left_within(scaled, two), np.ones(1000), clusters._left_within(scaled, four)),
        clusters._left_within(scaled, two),
        clusters._left_within(scaled, four),
    )
    assert kept
