"""A model trained elsewhere becomes a score by a name in MLflow and a column map; what cannot be trusted or does not fit abstains and says why."""

import pickle
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from dagster_project.checks import findings
from dagster_project.scores.choosing import registry_of
from dagster_project.settings import SHOPS, Settings
from dagster_project.settings import load as load_settings
from dagster_project.shop import load_shop
from ml.abstention import Abstained
from ml.brought import BroughtModel, Unusable, bring, measure_brought, score_brought
from ml.drivers import reasons
from ml.store import load, save

COLUMNS = {"days_silent": "recency_days", "baskets": "orders_count"}


def taught(kind: object = None) -> object:
    """Who has been silent for long, and had few orders, is lost: taught with the names of somebody else's columns."""
    generator = np.random.default_rng(1)
    rows = pd.DataFrame({"days_silent": generator.uniform(0, 400, 500), "baskets": generator.integers(1, 9, 500).astype(float)})
    lost = (rows["days_silent"] - 20 * rows["baskets"] + generator.normal(0, 40, 500) > 100).astype(int)
    model = kind or make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    return model.fit(rows, lost)  # type: ignore[attr-defined]


def features() -> pa.Table:
    return pa.table({"customer_id": ["a", "b", "c"], "recency_days": [5, 390, None], "orders_count": [8, 1, 3]})


def log(tracking_uri: str, artifacts: Path, name: str, how: str = "skops") -> None:
    """What an agency does: log and register its model, and point an alias at it."""
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    experiment = mlflow.create_experiment(f"elsewhere {name}", artifact_location=artifacts.resolve().as_uri())
    plain = {"skops_trusted_types": ["numpy.dtype"]} if how == "skops" else {}
    with mlflow.start_run(experiment_id=experiment):
        mlflow.sklearn.log_model(
            taught(), name="m", registered_model_name=name, serialization_format=how, pip_requirements=["scikit-learn"], **plain
        )
    client = mlflow.MlflowClient(tracking_uri, tracking_uri)
    newest = max(int(one.version) for one in client.search_model_versions(f"name='{name}'"))
    client.set_registered_model_alias(name, "champion", str(newest))


def test_it_scores_by_our_columns_alone_as_in_the_batch_and_says_why(tmp_path: Path) -> None:
    for kind in (None, HistGradientBoostingClassifier(max_iter=20)):
        model = bring("lost", "1", skops.io.dumps(taught(kind)), COLUMNS, "probability")
        assert isinstance(model, BroughtModel)
        said = score_brought(model, features())
        assert said[0] < 0.2 < 0.8 < said[1]
        np.testing.assert_allclose(score_brought(model, features().slice(1, 1)), said[1:2], atol=1e-9)
        again = load(tmp_path / str(kind), save(model, tmp_path / str(kind)))
        np.testing.assert_array_equal(score_brought(again, features()), said)
        found = reasons(model, measure_brought(model, features()), features(), said)
        assert found
        rows = zip(found.row.tolist(), found.rank.tolist(), found.driver, found.told, found.effect.tolist(), strict=True)
        first = {row: (driver, told, effect) for row, rank, driver, told, effect in rows if rank == 1}
        assert first[1][:2] == ("last order", "last order 390 days ago")
        assert first[1][2] > 0 > first[0][2]


@pytest.mark.parametrize(
    ("content", "columns", "gives", "why"),
    [
        (lambda: pickle.dumps(taught()), COLUMNS, "probability", "cannot be read as a skops file"),
        (
            lambda: skops.io.dumps(taught(make_pipeline(FunctionTransformer(somebody_elses), LogisticRegression()))),
            COLUMNS,
            "probability",
            "not trusted",
        ),
        (lambda: skops.io.dumps(taught()), {"days": "recency_days"}, "probability", "reads days_silent, baskets; the shop maps days"),
        (lambda: skops.io.dumps(taught(LinearRegression())), COLUMNS, "probability", "LinearRegression, which gives no probability"),
    ],
)
def test_what_is_not_plain_or_does_not_fit_abstains(content: object, columns: dict[str, str], gives: str, why: str) -> None:
    found = bring("lost", "1", content(), columns, gives)  # type: ignore[operator, arg-type]
    assert isinstance(found, Abstained)
    assert why in found.reason


def somebody_elses(rows: object) -> object:
    """A function of somebody else's, which a skops file only names."""
    return rows


def test_scores_that_are_none_are_not_written() -> None:
    model = bring("lost", "1", skops.io.dumps(taught(make_pipeline(StandardScaler(), LogisticRegression()))), COLUMNS, "probability")
    assert isinstance(model, BroughtModel)
    with pytest.raises(Unusable, match="fails on the rows: ValueError: Input X contains NaN"):
        score_brought(model, features())
    with pytest.raises(Unusable, match="reads recency_days, which the features do not have"):
        score_brought(model, features().drop_columns(["recency_days"]))


def test_a_classifier_that_answers_in_words_is_no_amount() -> None:
    numbers = pd.DataFrame({"days_silent": [1.0, 300.0], "baskets": [9.0, 1.0]})
    in_words = LogisticRegression().fit(numbers, ["stays", "goes"])
    model = bring("lost", "1", skops.io.dumps(in_words), COLUMNS, "amount")
    assert isinstance(model, BroughtModel)
    with pytest.raises(Unusable, match="fails on the rows: ValueError: could not convert string to float"):
        score_brought(model, features().slice(0, 2))


def test_a_shop_brings_a_model_and_it_is_a_score_from_the_next_night_on(
    nine_nights: Settings, copy_of, tenth_night, build, days, rows, tmp_path: Path
) -> None:
    settings = copy_of(nine_nights)
    shop_yaml = settings.shop_folder / "shop.yaml"
    stated = yaml.safe_load(shop_yaml.read_text())
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    stated["brought_models"] = {
        "lost": {"registry_name": "agency_lost", "columns": COLUMNS, "features": "features.order_features"},
        "churn": {"registry_name": "agency_churn", "tracking_uri": elsewhere, "columns": COLUMNS, "features": "features.order_features"},
        "upset": {"registry_name": "agency_pickle", "columns": COLUMNS},
        "gone": {"registry_name": "nobody_has_it", "columns": COLUMNS},
    }
    shop_yaml.write_text(yaml.safe_dump(stated))
    own = registry_of(settings, load_shop(settings.shop_folder))
    log(own.tracking_uri, tmp_path / "a", "agency_lost")
    log(own.tracking_uri, tmp_path / "b", "agency_pickle", how="cloudpickle")
    log(elsewhere, tmp_path / "c", "agency_churn")
    tenth_night(settings)
    build(settings, [days[9]])

    newest = "as_of = (select max(as_of) from scores.customer_scores)"
    found = rows(settings, f"select count(*), count(lost_probability), count(churn_probability) from scores.customer_scores where {newest}")
    # Who may not be profiled has neither.
    profiled = f"select count(*) from scores.customer_scores inner join features.order_features using (as_of, customer_id) where {newest}"
    buyers = rows(settings, profiled)
    assert found[0][1] == found[0][2] == buyers[0][0] > 200
    wrong = f"select count(*) from scores.customer_scores where not {newest} and lost_probability is not null"
    assert rows(settings, wrong) == [(0,)]
    follows = f"""
    select corr(lost_probability, recency_days), corr(lost_probability, churn_probability)
    from scores.customer_scores inner join features.order_features using (as_of, customer_id) where {newest}
    """
    ((with_silence, with_churn),) = rows(settings, follows)
    assert with_silence > 0.7
    assert with_churn > 0.999
    said = dict(rows(settings, f"select model, status || ': ' || reason from scores.daily_models where {newest}"))
    assert said["lost"] == "scored: version 1 of agency_lost, trained elsewhere"
    assert said["gone"] == "abstained: MLflow has no nobody_has_it with the alias champion"
    assert "is saved as cloudpickle, and nothing is unpickled" in said["upset"]
    why = rows(
        settings, f"select count(*), count(distinct customer_id) from scores.score_reasons where {newest} and score = 'lost_probability'"
    )
    assert why[0][1] == buyers[0][0]
    drifted = rows(settings, "select count(*) from scores.drift where model = 'lost' and name = 'score'")
    assert drifted == [(1,)]


def test_a_model_that_is_trained_here_cannot_be_brought_as_well(tmp_path: Path) -> None:
    stated = yaml.safe_load((SHOPS / "small" / "shop.yaml").read_text())
    stated |= {"models": ["churn"], "brought_models": {"churn": {"registry_name": "agency", "columns": COLUMNS}}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(stated))
    with pytest.raises(ValueError, match="churn is trained here too; leave churn out of models"):
        load_shop(tmp_path)


def test_a_column_that_the_features_do_not_have_is_told_before_the_night(tmp_path: Path) -> None:
    stated = yaml.safe_load((SHOPS / "small" / "shop.yaml").read_text())
    wrong = {"since": "recency_dayz", "zeal": "zzz_zzz"}
    stated |= {"brought_models": {"lost": {"registry_name": "agency", "columns": COLUMNS | wrong, "features": "features.order_features"}}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(stated))
    found = [one for one in findings(load_settings({"DEARLY_HOME": str(tmp_path)}, shop=str(tmp_path))) if "brought_models" in one]
    nearly, nothing_like_it = found
    assert nearly.endswith("features.order_features has no column recency_dayz; did you mean recency_days?")
    assert nothing_like_it.endswith("_order_features__models.yml lists them.")
