"""Which model scores from when: the log, the registry, a worse challenger refused, a roll-back obeyed."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_shop import made_up_transactions

from benchmarks.transactions import Columns, build_features, load_transactions
from dagster_project.moments import Moment
from dagster_project.scores import training
from dagster_project.scores.assets import whole
from dagster_project.scores.choosing import NoSuchModel, RefusedModel, choose_version, follow_aliases, roll_back
from dagster_project.scores.drift import drift_of, realised_by, request
from dagster_project.scores.model_log import append, in_force, log_lines
from dagster_project.scores.recording import champions, numbers_of
from dagster_project.scores.score_models import CUSTOMER_FEATURES, SCORE_MODELS
from dagster_project.scores.training import learned_from, score_day, train_all
from dagster_project.scores.training_days import Training, trainings_due
from dagster_project.settings import SHOPS
from dagster_project.shop import Shop, load_shop
from dagster_project.warehouse import Warehouse
from ml import customer_models, customer_scores
from ml.customer_scores import Trained, measure, score
from ml.model_card import Card, write_card
from ml.planning import plan
from ml.promotion import Verdict
from ml.registry import CHALLENGER, CHAMPION, Registry
from ml.snapshots import of_day

FIRST, SECOND = datetime(2023, 10, 2), datetime(2023, 10, 9)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, pa.Table]]:
    """The made-up shop's features for two training days, a week apart."""
    before = os.environ.get("DEARLY_WAREHOUSE")
    path = tmp_path_factory.mktemp("features") / "warehouse.duckdb"
    pq.write_table(made_up_transactions(700), path.parent / "transactions.parquet")
    load_transactions(path, path.parent / "transactions.parquet", Columns("customer", "at", "amount"))
    plans = [training_of(day).plans["churn"] for day in (FIRST, SECOND)]
    days = sorted({FIRST, *(day for planned in plans for day in planned.days)})
    snapshots, labels = build_features(path, SECOND, days, sorted({horizon for planned in plans for horizon in planned.label_horizons}))
    yield {"features.order_features": snapshots, "features.training_labels": labels}
    os.environ.pop("DEARLY_WAREHOUSE", None) if before is None else os.environ.update(DEARLY_WAREHOUSE=before)


def training_of(day: datetime) -> Training:
    return Training(Moment(day, day), {"churn": plan(day, (day - datetime(2023, 1, 1)).days, 60, aligned=True)}, day)


class Store:
    """A store in a folder, with a model log, artifacts and a registry."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.artifacts = folder, folder / "mlartifacts"
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.registry = Registry(f"sqlite:///{folder}/mlflow.db", folder / "mlflow", "made_up")
        self.shop: Shop = load_shop(SHOPS / "small").model_copy(update={"zone": "UTC", "first_day": FIRST.date()})

    def train(self, day: datetime) -> None:
        append(self.warehouse, train_all(self.warehouse, self.artifacts, self.registry, training_of(day)))

    def build(self, day: datetime) -> None:
        with self.warehouse.transaction() as connection:
            connection.execute("insert into sources.built_days values (?)", [day])

    def scoring(self, day: datetime) -> str:
        (standing,) = in_force(self.warehouse, day)
        assert standing.sha256
        return standing.sha256


@pytest.fixture(scope="module")
def once(features: dict[str, pa.Table], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One honest training."""
    store = Store(tmp_path_factory.mktemp("once"))
    store.warehouse.create()
    for table, rows in features.items():
        store.warehouse.replace(table, rows)
    with store.warehouse.transaction() as connection:
        connection.execute("create schema scores")
    store.train(FIRST)
    return store


@pytest.fixture
def copied(once: Store, tmp_path: Path) -> Callable[[], Store]:
    """The store after its first training, which a test may change."""
    return lambda: Store(Path(shutil.copytree(once.folder, tmp_path / "store")))


def teach_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on challengers learn from shuffled outcomes."""
    real = customer_models.fit

    def wrong(name: str, snapshots: pa.Table, labels: pa.Table, *rest: object, **more: object) -> object:
        shuffled = pa.array(np.random.default_rng(0).permutation(labels["orders_count"].to_numpy()))
        place = labels.schema.get_field_index("orders_count")
        return real(name, snapshots, labels.set_column(place, "orders_count", shuffled), *rest, **more)

    monkeypatch.setattr(customer_models, "fit", wrong)


def test_what_a_log_of_another_layout_says_is_trained_again(copied: Callable[[], Store]) -> None:
    store = copied()
    shop = store.shop.model_copy(update={"models": ("churn",), "training_weekday": 6})

    def due() -> list[datetime]:
        return [one.moment.as_of for one in trainings_due(store.warehouse, shop, [Moment(FIRST, FIRST)])]

    assert due() == []
    with store.warehouse.transaction() as connection:
        connection.execute("alter table scores.model_log drop column metrics")
    assert due() == [FIRST]


def test_a_run_says_what_it_learned_from_how_it_did_and_gives_a_model_that_mlflow_can_call(once: Store) -> None:
    champion = once.registry.by_alias("churn")
    assert champion
    assert champion.sha256 == once.scoring(FIRST)
    client = once.registry._client()
    run = client.get_run(champion.run_id)
    assert len(run.data.params["data_sha256"]) == 64
    assert run.data.params["as_of_days"].count("2023-") == len(training_of(FIRST).plans["churn"].days)
    for name in ("auc", "pr_auc", "log_loss", "brier", "churn_auc_gain"):
        assert run.data.metrics[f"{name}_low"] <= run.data.metrics[name] <= run.data.metrics[f"{name}_high"]
    assert max((value, name) for name, value in run.data.metrics.items() if name.startswith("importance."))[0] > 0.005
    assert client.get_experiment(run.info.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"
    files = {entry.path for folder in ("plots", "model", None) for entry in client.list_artifacts(champion.run_id, folder)}
    assert {"plots/performance.png", "model/MLmodel", "model/requirements.txt", "model/arrays.npz", "model_card.md"} <= files
    assert not [path for path in files if path.endswith((".pkl", ".pickle"))]
    mlflow.set_tracking_uri(once.registry.tracking_uri)
    mlflow.set_registry_uri(once.registry.tracking_uri)
    served = mlflow.pyfunc.load_model("models:/churn@champion")
    assert served.metadata.signature.inputs.has_input_names()
    today = of_day(learned_from(once.warehouse, [FIRST])[0], FIRST)
    model = champions(once.warehouse, once.artifacts, FIRST)["churn"]
    assert isinstance(model, Trained)
    ours = score(model, measure(model, today), today)["churn_probability"].to_numpy()
    frame = today.to_pandas().astype(dict.fromkeys(model.model.columns, "float64"))
    np.testing.assert_array_equal(served.predict(frame)["churn_probability"].to_numpy(), ours)


def test_an_honest_challenger_is_compared_with_the_champion_and_takes_its_place(copied: Callable[[], Store]) -> None:
    store = copied()
    before = store.scoring(FIRST)
    store.train(SECOND)
    assert store.scoring(SECOND) != before
    assert store.scoring(SECOND - timedelta(days=1)) == before
    assert "to the champion" in log_lines(store.warehouse)[0][4]


def test_a_worse_challenger_is_refused_and_the_champion_scores_on(copied: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    store = copied()
    before = store.scoring(FIRST)
    teach_wrongly(monkeypatch)
    store.train(SECOND)
    assert store.scoring(SECOND) == before
    assert log_lines(store.warehouse)[0][3] == "refused"
    assert "champion stays" in log_lines(store.warehouse)[0][4]
    champion, challenger = store.registry.by_alias("churn", CHAMPION), store.registry.by_alias("churn", CHALLENGER)
    assert champion and challenger
    assert champion.sha256 == before
    assert challenger.sha256 != before


def test_a_worse_challenger_does_not_score_by_command_or_by_alias_either(
    copied: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copied()
    here, tomorrow = (store.warehouse, store.shop, store.registry, store.artifacts), SECOND + timedelta(days=1)
    teach_wrongly(monkeypatch)
    store.train(SECOND)
    store.build(SECOND)
    before = store.scoring(SECOND)
    worse = store.registry.by_alias("churn", CHALLENGER)
    assert worse
    with pytest.raises(
        RefusedModel, match=rf"Version {worse.version} of churn was refused when it was trained: champion stays: .*--anyway"
    ):
        choose_version(*here, "churn", worse.version, "anna")
    store.registry.point("churn", worse.version)
    assert follow_aliases(*here, [tomorrow]) == []
    champion = store.registry.by_alias("churn")
    assert champion and champion.sha256 == before == store.scoring(tomorrow)
    # Whoever insists is in the log with what spoke against it, and can take it back.
    choose_version(*here, "churn", worse.version, "anna", anyway=True)
    assert store.scoring(tomorrow) == worse.sha256
    assert roll_back(*here, "churn", "anna").sha256 == before


def test_a_rule_that_believes_everybody_would_have_let_the_worse_challenger_in(
    copied: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copied()
    before = store.scoring(FIRST)
    teach_wrongly(monkeypatch)
    monkeypatch.setattr(customer_scores, "judge", lambda tested: Verdict(True, "it says it is good", {}))
    store.train(SECOND)
    assert store.scoring(SECOND) != before


def test_a_roll_back_holds_from_the_next_day_on_and_moves_the_alias(copied: Callable[[], Store]) -> None:
    store = copied()
    store.train(SECOND)
    store.build(SECOND)
    older, newer = store.scoring(FIRST), store.scoring(SECOND)
    chosen = roll_back(store.warehouse, store.shop, store.registry, store.artifacts, "churn", "anna")
    assert chosen.sha256 == older
    assert store.scoring(SECOND) == newer
    assert store.scoring(SECOND + timedelta(days=1)) == older
    champion = store.registry.by_alias("churn")
    assert champion
    assert champion.sha256 == older
    with pytest.raises(NoSuchModel, match="nothing to roll back to"):
        roll_back(store.warehouse, store.shop, store.registry, store.artifacts, "churn", "anna")
    with pytest.raises(NoSuchModel, match="has no model 'chrun'; it has churn"):
        roll_back(store.warehouse, store.shop, store.registry, store.artifacts, "chrun", "anna")
    with pytest.raises(NoSuchModel, match="no version 9 of churn; it has 2, 1"):
        choose_version(store.warehouse, store.shop, store.registry, store.artifacts, "churn", "9", "anna")
    with pytest.raises(NoSuchModel, match="has no model 'chrun'; it has churn"):
        choose_version(store.warehouse, store.shop, store.registry, store.artifacts, "chrun", "1", "anna")


def test_a_version_chosen_by_a_person_is_taken_back_by_a_roll_back(copied: Callable[[], Store]) -> None:
    store = copied()
    store.train(SECOND)
    store.build(SECOND)
    here, tomorrow = (store.warehouse, store.shop, store.registry, store.artifacts), SECOND + timedelta(days=1)
    older, newer = store.scoring(FIRST), store.scoring(SECOND)
    version = next(one.version for one in store.registry.versions("churn") if one.sha256 == older)
    choose_version(*here, "churn", version, "anna")
    assert store.scoring(tomorrow) == older
    assert roll_back(*here, "churn", "anna").sha256 == newer
    assert store.scoring(tomorrow) == newer


def test_an_alias_moved_in_mlflow_is_followed_by_the_next_unbuilt_day_and_by_no_other(copied: Callable[[], Store]) -> None:
    store = copied()
    store.train(SECOND)
    store.build(SECOND)
    older, newer = store.scoring(FIRST), store.scoring(SECOND)
    version = next(one.version for one in store.registry.versions("churn") if one.sha256 == older)
    store.registry.point("churn", version)

    def follow(day: datetime) -> int:
        return len(follow_aliases(store.warehouse, store.shop, store.registry, store.artifacts, [day]))

    assert follow(SECOND) == 0
    assert store.scoring(SECOND) == newer
    assert follow(SECOND + timedelta(days=1)) == 1
    assert follow(SECOND + timedelta(days=1)) == 0
    assert store.scoring(SECOND + timedelta(days=1)) == older
    assert store.scoring(SECOND) == newer


def test_a_day_is_scored_in_parts_as_in_one(once: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_day = score_day(once.warehouse, once.artifacts, SECOND, SECOND.date())
    monkeypatch.setattr(training, "MOST_ROWS", 101)
    parts = score_day(once.warehouse, once.artifacts, SECOND, SECOND.date())
    assert parts.scores.schema == whole_day.scores.schema
    assert parts.scores["customer_id"].equals(whole_day.scores["customer_id"])
    churn = [day.scores["churn_probability"].to_numpy() for day in (parts, whole_day)]
    assert np.allclose(*churn, rtol=0, atol=2e-6)
    assert parts.reasons.select(["customer_id", "score", "rank"]).equals(whole_day.reasons.select(["customer_id", "score", "rank"]))


def test_each_score_has_its_three_reasons_and_its_drift(once: Store) -> None:
    scored = score_day(once.warehouse, once.artifacts, SECOND, SECOND.date())
    churn = dict(zip(scored.scores["customer_id"].to_pylist(), scored.scores["churn_probability"].to_pylist(), strict=True))
    reasons = scored.reasons.to_pylist()
    assert len(reasons) == 3 * len(churn)
    for row in reasons:
        assert 0 <= churn[row["customer_id"]] - row["effect"] <= 1
        assert row["reason"]
    # Who ordered lately is told so, and it lowers the risk; who has not for long, the other way round.
    recency = dict(once.warehouse.rows("select customer_id, recency_days from features.order_features where as_of = ?", [SECOND]))
    days = sorted(recency.values())
    for row in reasons:
        if row["driver"] == "last order":
            assert row["reason"].startswith(f"last order {recency[row['customer_id']]:.0f} day")
            if recency[row["customer_id"]] > days[int(len(days) * 0.9)]:
                assert row["effect"] > 0
    whole_rows = whole(SECOND, scored.scores, scored.scores.append_column("best_send_hour", pa.nulls(len(churn), pa.int64())))
    for table, rows in (("daily_models", scored.models), ("customer_scores", whole_rows), ("score_reasons", scored.reasons)):
        once.warehouse.replace_days(f"scores.{table}", rows, [SECOND])
    drift = drift_of(once.warehouse, SECOND)
    indices = dict(zip(drift["name"].to_pylist(), drift["stability_index"].to_pylist(), strict=True))
    assert indices["score"] == 0
    # A model that learned from other features, as one that a shop brings, is held against its score alone.
    elsewhere = SCORE_MODELS | {"churn": replace(SCORE_MODELS["churn"], features=CUSTOMER_FEATURES)}
    assert [row["name"] for row in drift_of(once.warehouse, SECOND, elsewhere).to_pylist() if row["model"] == "churn"] == ["score"]
    assert 0 < indices["recency_days"] < 0.25
    assert realised_by(once.warehouse, SECOND).num_rows == 0
    once.warehouse.replace_days("scores.drift", drift, [SECOND])
    once.warehouse.replace_days("scores.realised", realised_by(once.warehouse, SECOND), [SECOND])
    assert not request(once.warehouse, SECOND)
    moved = drift.set_column(4, "stability_index", pa.array([1.0] * len(drift)))
    once.warehouse.replace_days("scores.drift", moved, [SECOND])
    assert request(once.warehouse, SECOND)


def test_a_card_gives_no_interval_where_none_was_worked_out() -> None:
    card = Card("vip", "who", {}, {"auc": (0.8764, 0.8764, 0.8764), "brier": (0.1, 0.09, 0.11)}, {}, "better", True)
    lines = write_card(card).splitlines()
    assert "| auc | 0.8764 |  | share of pairs that it orders rightly |" in lines
    assert "| brier | 0.1000 | 0.0900 to 0.1100 | squared error of the probability, less is better |" in lines


def test_a_run_gives_no_interval_where_none_was_worked_out() -> None:
    measures = {"measures": {"auc": (0.88, 0.88, 0.88)}, "gains": {"churn_auc": (0.02, 0.01, 0.03)}, "drivers": {"last order": 0.1}}
    assert numbers_of(measures) == {
        "importance.last_order": 0.1,
        "auc": 0.88,
        "churn_auc_gain": 0.02,
        "churn_auc_gain_low": 0.01,
        "churn_auc_gain_high": 0.03,
    }
