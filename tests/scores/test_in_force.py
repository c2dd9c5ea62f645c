"""Who scores from when, by the rows of the model log alone."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from made_up_shop import NoRegistry, made_up_outcomes
from test_clusters import shop_of

from dagster_project.moments import Moment
from dagster_project.scores.model_log import KEPT_DAYS, append, in_force, logged
from dagster_project.scores.recording import Recorder, champions
from dagster_project.scores.score_models import SCORE_MODELS
from dagster_project.scores.training_days import Training
from dagster_project.warehouse import Warehouse
from ml.abstention import Abstained
from ml.clusters import ClusterModel, train_clusters
from ml.planning import Plan
from ml.promotion import Verdict
from ml.propensity import PropensityModel, train_propensity
from ml.store import keep

MONDAY = datetime(2026, 3, 2, 23)


class Log:
    """A model log that is written by hand, a row a week."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.warehouse = folder, Warehouse(folder / "warehouse.duckdb")
        self.warehouse.create()
        with self.warehouse.transaction() as connection:
            connection.execute("create schema if not exists scores")

    def write(self, week: int, status: str, sha256: str | None = None, candidate: str = "challenger", model: str = "clusters") -> None:
        moment = MONDAY + timedelta(weeks=week)
        row = {"trained_as_of": moment, "effective_from": moment, "status": status, "reason": f"{status} in week {week}"}
        append(
            self.warehouse, logged([{"model": model, "candidate": candidate, "artifact_sha256": sha256, "promoted": bool(sha256), **row}])
        )

    def scores(self, days: int) -> str | None:
        """What scores so many days after the first Monday."""
        found = in_force(self.warehouse, MONDAY + timedelta(days=days))
        return found[0].sha256 if found else None


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_training_that_abstains_changes_nothing_until_eight_of_them_did(log: Log) -> None:
    log.write(0, "trained", "aaa")
    for week in range(1, 12):
        log.write(week, "abstained")
    assert log.scores(7) == log.scores(KEPT_DAYS) == "aaa"
    assert log.scores(KEPT_DAYS + 1) is None
    (found,) = in_force(log.warehouse, MONDAY + timedelta(weeks=9))
    assert (found.status, found.reason) == ("abstained", "abstained in week 9")
    # A challenger that could be trained and was refused says that the champion is still the better one.
    log.write(12, "trained", candidate="challenger")
    assert log.scores(12 * 7) == "aaa"
    log.write(13, "abstained")
    assert log.scores(13 * 7) == "aaa"


def test_where_nobody_scored_yet_the_abstention_is_said(log: Log) -> None:
    log.write(0, "abstained")
    (found,) = in_force(log.warehouse, MONDAY)
    assert (found.sha256, found.reason) == (None, "abstained in week 0")


@pytest.mark.parametrize("candidate", ["baseline", "brought"])
def test_a_verdict_and_a_model_that_is_gone_hold_at_once(log: Log, candidate: str) -> None:
    log.write(0, "trained", "aaa")
    log.write(1, "abstained", candidate=candidate)
    assert (log.scores(6), log.scores(7)) == ("aaa", None)


def test_what_a_person_chooses_while_trainings_abstain_scores(log: Log) -> None:
    log.write(0, "trained", "aaa")
    for week in range(1, 10):
        log.write(week, "abstained")
    log.write(10, "trained", "bbb", candidate="person")
    log.write(11, "abstained")
    assert log.scores(11 * 7) == "bbb"


def recorder(folder: Path, model: str) -> Recorder:
    planned = Plan(MONDAY, 0, (), None, (), ())
    return Recorder(folder, NoRegistry(), "shop", Training(Moment(MONDAY, MONDAY), {model: planned}, MONDAY), "data")  # type: ignore[arg-type]


def test_groups_keep_their_names_over_a_training_that_found_none(log: Log) -> None:
    features = shop_of(900, 0.25)[0]
    first = train_clusters(features)
    assert isinstance(first, ClusterModel)
    renamed = ClusterModel(**{**vars(first), "names": tuple(f"cluster_{number}" for number in range(len(first.names)))})
    log.write(0, "trained", keep(renamed, log.folder / "clusters"))
    for week in range(1, 12):
        log.write(week, "abstained")
    champion = champions(log.warehouse, log.folder, MONDAY + timedelta(weeks=11))["clusters"]
    assert isinstance(champion, ClusterModel)
    again = train_clusters(features, previous=champion)
    assert isinstance(again, ClusterModel)
    assert again.names == renamed.names
    assert again.verdict is not None


def test_a_champion_that_no_longer_scored_and_wins_scores_again(tmp_path: Path) -> None:
    snapshots, happened = made_up_outcomes(SCORE_MODELS["click"])
    champion = train_propensity("clicked", snapshots, happened)
    assert isinstance(champion, PropensityModel)
    worse = PropensityModel(**{**vars(champion), "auc": 0.51, "verdict": Verdict(False, "worse", {}, "champion")})
    rows = recorder(tmp_path, "click").rows("click", worse, champion, scores=False)
    assert [(row["candidate"], row["promoted"]) for row in rows] == [("challenger", False), ("champion", True)]
    assert rows[1]["artifact_sha256"] == keep(champion, tmp_path / "click")
    assert len(recorder(tmp_path, "click").rows("click", worse, champion, scores=True)) == 1


def test_everyones_rate_in_the_place_of_a_champion_is_logged_as_the_baseline(tmp_path: Path) -> None:
    (verdict,) = recorder(tmp_path, "click").rows("click", Abstained("as good as everyone's rate", is_verdict=True), None)
    (too_few,) = recorder(tmp_path, "click").rows("click", Abstained("40 customers"), None)
    assert (verdict["candidate"], too_few["candidate"]) == ("baseline", "challenger")
