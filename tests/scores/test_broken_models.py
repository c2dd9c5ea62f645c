"""A model that can no longer be read, or reads what is gone, abstains for the day and asks to be trained; the others score."""

import shutil
from pathlib import Path

import pytest
from test_model_record import FIRST, SECOND, Store, copied, features, once

from dagster_project.scores.drift import DRIFT, REALISED, request
from dagster_project.scores.model_log import append, logged
from dagster_project.scores.scoring import CANNOT
from dagster_project.scores.training import score_day

__all__ = ["copied", "features", "once"]


@pytest.fixture
def store(copied) -> Store:
    """A store in which one model stands for two scores."""
    found: Store = copied()
    sha256 = found.scoring(FIRST)
    shutil.copytree(found.artifacts / "churn", found.artifacts / "purchase")
    row = {
        "trained_as_of": FIRST,
        "effective_from": FIRST,
        "artifact_sha256": sha256,
        "promoted": True,
        "status": "trained",
        "reason": "good",
    }
    append(found.warehouse, logged([{"model": "purchase", "candidate": "challenger", **row}]))
    for table, rows in (("drift", DRIFT.empty_table()), ("realised", REALISED.empty_table())):
        found.warehouse.replace_days(f"scores.{table}", rows, [SECOND])
    return found


def said(store: Store) -> tuple[dict[str, str], set[str]]:
    """Score a day: why each model abstained, and the scores there are."""
    scored = score_day(store.warehouse, store.artifacts, SECOND, SECOND.date())
    store.warehouse.replace_days("scores.daily_models", scored.models, [SECOND])
    rows = scored.models.to_pylist()
    assert {row["model"] for row in rows} == {"churn", "purchase"}
    return {row["model"]: row["reason"] for row in rows if row["status"] == "abstained"}, set(scored.scores.column_names) - {"customer_id"}


def artifact_of(store: Store) -> Path:
    (folder,) = (store.artifacts / "churn").iterdir()
    return folder


@pytest.mark.parametrize("harm", ["lost", "changed", "older"])
def test_a_model_whose_files_are_not_whole_abstains_and_the_other_scores(store: Store, harm: str) -> None:
    assert said(store) == ({}, {"churn_probability", "purchase_30d_probability"})
    assert not request(store.warehouse, SECOND)
    path = artifact_of(store) / "model.json"
    if harm == "lost":
        path.unlink()
    else:
        path.write_text(path.read_text().replace('"horizon_days"', '"horizon"' if harm == "older" else '"horizon_days" '))
    reasons, scores = said(store)
    assert scores == {"purchase_30d_probability"}
    assert reasons["churn"].startswith(f"{CANNOT}its files are lost or changed (")
    assert request(store.warehouse, SECOND)
    ((reason,),) = store.warehouse.rows("select reason from scores.training_requests")
    assert reason == f"churn {reasons['churn']}"
    # The training that is asked for does not need what is gone.
    store.train(SECOND)
    assert said(store) == ({}, {"churn_probability", "purchase_30d_probability"})


def test_a_model_that_reads_what_is_gone_abstains_and_names_it(store: Store) -> None:
    with store.warehouse.transaction() as connection:
        connection.execute("alter table features.order_features drop column gap_last_days")
    reasons, scores = said(store)
    assert scores == set()
    assert reasons["churn"] == f"{CANNOT}it reads gap_last_days, which the features no longer have"
    assert request(store.warehouse, SECOND)
    store.train(SECOND)
    reasons, scores = said(store)
    assert scores == {"churn_probability"}


def test_an_artifact_of_other_fields_is_refused(store: Store) -> None:
    from ml.store import RefusedArtifact, fingerprint, load

    path = artifact_of(store) / "model.json"
    path.write_text(path.read_text().replace('"horizon_days"', '"horizon"'))
    with pytest.raises(RefusedArtifact, match="kept with other fields than it has now"):
        load(path.parent, fingerprint(path.parent))
