"""After Christmas a model promises Christmas again, unless it looks a year back."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_up_shop import NoRegistry

from benchmarks.transactions import Columns, build_features, load_transactions
from dagster_project.moments import Moment
from dagster_project.scores.recording import Recorder
from dagster_project.scores.training_days import Training
from ml import customer_scores
from ml.churn import ChurnModel
from ml.customer_models import Baseline
from ml.customer_scores import Trained, measure, score, train
from ml.planning import Plan, plan
from ml.promotion import Verdict
from ml.season import MOST, NO_SEASON, Season, off_in_logits, off_in_logs, shift
from ml.snapshots import of_day
from ml.store import load, save

START, CUT, HORIZON = datetime(2021, 1, 1), datetime(2024, 1, 1), 91
DAYS = 4 * 365


def gifts(folder: Path, christmas: float, customers: int = 1500) -> Path:
    """Purchases of four years; around 10 December people buy `christmas` times as often again."""
    generator = np.random.default_rng(1)
    weight = 1 + christmas * np.exp(-(((np.arange(DAYS) % 365 - 344) / 18.0) ** 2))
    passed = np.concatenate([[0.0], np.cumsum(weight)])
    rows: list[tuple[str, int, float]] = []
    for number, first in enumerate(generator.choice(DAYS, customers, p=weight / weight.sum())):
        spend, last = generator.lognormal(3.5, 0.6), min(int(first + generator.geometric(1 / 500)), DAYS - 1)
        between = passed[last + 1] - passed[first + 1]
        when = passed[first + 1] + generator.random(generator.poisson(generator.gamma(0.8, 1 / 90) * between)) * between
        for day in [first, *(np.searchsorted(passed, when) - 1)]:
            rows.append((f"c{number:05d}", int(day), round(float(spend * generator.lognormal(0, 0.4)), 2)))
    customer, day, amount = zip(*rows, strict=True)
    path = folder / "transactions.parquet"
    pq.write_table(pa.table({"customer": customer, "at": [START + timedelta(days=one) for one in day], "amount": amount}), path)
    return path


class Built:
    """A shop's features as of the cut, and what its customers then spent."""

    def __init__(self, folder: Path, christmas: float) -> None:
        transactions = pq.read_table(gifts(folder, christmas))
        self.planned = plan(CUT, (CUT - START).days, HORIZON)
        load_transactions(folder / "warehouse.duckdb", folder / "transactions.parquet", Columns("customer", "at", "amount"))
        self.snapshots, self.labels = build_features(
            folder / "warehouse.duckdb", CUT, self.planned.snapshot_days, self.planned.label_horizons
        )
        self.today = of_day(self.snapshots, CUT)
        after = transactions.filter(pc.greater_equal(transactions["at"], CUT))
        after = after.filter(pc.is_in(after["customer"], self.today["customer_id"].combine_chunks()))
        soon = after.filter(pc.less(after["at"], CUT + timedelta(days=HORIZON)))
        self.spent, self.spent_in_a_year = pc.sum(soon["amount"]).as_py(), pc.sum(after["amount"]).as_py()
        self.came = len(pc.unique(soon["customer"])) / len(self.today)

    def trained(self, name: str, planned: Plan) -> Trained:
        trained = train(name, planned, self.snapshots, self.labels)
        assert isinstance(trained, Trained)
        return trained

    def said(self, name: str, planned: Plan) -> pa.Table:
        trained = self.trained(name, planned)
        return score(trained, measure(trained, self.today), self.today)


@pytest.fixture(scope="module")
def seasonal(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("seasonal"), christmas=6.0)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("steady"), christmas=0.0)


def without(planned: Plan) -> Plan:
    return replace(planned, season=None, backtest_season=None)


def test_the_quarter_after_christmas_is_promised_what_it_brings_and_not_christmas(seasonal: Built) -> None:
    def over(planned: Plan) -> float:
        return float(pc.sum(seasonal.said("value", planned)["value_amount"]).as_py() / seasonal.spent)

    assert over(seasonal.planned) < 1.5
    assert over(without(seasonal.planned)) > 2.0, "the control: a model that does not look a year back promises Christmas"


def test_so_is_the_share_of_customers_who_come_back(seasonal: Built) -> None:
    def off(planned: Plan) -> float:
        stay = 1 - np.mean(seasonal.said("churn", planned)["churn_probability"].to_numpy())
        return float(abs(stay - seasonal.came))

    assert off(seasonal.planned) < 0.03 < off(without(seasonal.planned))


def test_a_year_has_one_christmas_in_it_and_not_four(seasonal: Built) -> None:
    def over(planned: Plan) -> float:
        return float(pc.sum(seasonal.said("value", planned)["clv_365d_amount"]).as_py() / seasonal.spent_in_a_year)

    assert 0.75 < over(seasonal.planned) < 1.3
    assert over(without(seasonal.planned)) > 1.5


def test_where_no_season_is_the_level_stays(steady: Built) -> None:
    looking, not_looking = (steady.said("value", planned) for planned in (steady.planned, without(steady.planned)))
    for name, spent in (("value_amount", steady.spent), ("clv_365d_amount", steady.spent_in_a_year)):
        with_season, plain = (float(pc.sum(said[name]).as_py()) / spent for said in (looking, not_looking))
        assert abs(with_season - 1) < abs(plain - 1) + 0.05, name


def test_a_season_is_kept_with_the_model(seasonal: Built, tmp_path: Path) -> None:
    trained = seasonal.trained("churn", seasonal.planned)
    assert trained.model.season != NO_SEASON  # type: ignore[union-attr]
    again = load(tmp_path / "model", save(trained, tmp_path / "model"))
    assert again.model.season == trained.model.season  # type: ignore[union-attr]


def test_a_history_too_short_for_two_years_ago_plans_no_season() -> None:
    short = plan(CUT, 364 + 4 * HORIZON - 1, HORIZON)
    assert short.season is None
    assert short.snapshot_days == short.days
    long = plan(CUT, 364 + 4 * HORIZON, HORIZON)
    assert long.season is not None
    assert set(long.label_horizons) == {*short.label_horizons, 364}


def test_what_chance_explains_is_no_season() -> None:
    assert shift((0.10, 0.01), (0.05, 0.01)) == 0.0
    assert 0.9 < shift((1.0, 0.01), (0.0, 0.01)) < 1.0
    generator = np.random.default_rng(3)
    said = generator.normal(-1.0, 1.0, 20_000)
    happened = (generator.random(20_000) < 1 / (1 + np.exp(-(said + 0.7)))).astype(np.float64)
    moved, variance = off_in_logits(said, happened)
    assert moved == pytest.approx(0.7, abs=4 * np.sqrt(variance))
    assert off_in_logs(np.full(4, 2.0), np.array([1.0, 1.0, 1.0, 1.0])) == (pytest.approx(np.log(0.5)), pytest.approx(0.0))


def recorded(seasonal: Built, folder: Path, trained: Trained, standing: Trained) -> list[str]:
    training = Training(Moment(CUT, CUT), {"churn": seasonal.planned}, CUT)
    rows = Recorder(folder, NoRegistry(), "shop", training, "data").rows("churn", trained, standing)  # type: ignore[arg-type]
    assert all(("for the time of year x 0." in row["reason"]) == bool(row["promoted"]) for row in rows), "who scores says what moved it"
    return [f"{row['candidate']} {'scores' if row['promoted'] else 'is refused'}" for row in rows]


def test_the_baseline_is_recorded_anew_when_its_season_is_another(seasonal: Built, tmp_path: Path) -> None:
    """Or the autumn's baseline, which looked forward to Christmas, would score on in January."""
    trained = seasonal.trained("churn", seasonal.planned)
    assert isinstance(trained.model, Baseline)
    autumn = replace(trained, model=replace(trained.model, season=Season(1.0)))
    assert recorded(seasonal, tmp_path, trained, autumn) == ["challenger is refused", "baseline scores"]
    assert recorded(seasonal, tmp_path, trained, trained) == ["challenger is refused"]


def test_a_champion_that_stays_gets_the_season_of_the_training_day(seasonal: Built, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(customer_scores, "judge", lambda _: Verdict(True, "better", {}))
    winner = seasonal.trained("churn", seasonal.planned)
    assert isinstance(winner.model, ChurnModel)
    champion = replace(winner, model=replace(winner.model, season=Season(2.0)))
    monkeypatch.setattr(customer_scores, "judge", lambda _: Verdict(False, "worse", {}, "champion"))
    refused = train("churn", seasonal.planned, seasonal.snapshots, seasonal.labels, champion=champion)
    assert isinstance(refused, Trained)
    assert refused.standing == winner.model
    assert recorded(seasonal, tmp_path, refused, champion) == ["challenger is refused", "champion scores"]


def test_a_quarter_that_was_closed_is_no_season(seasonal: Built) -> None:
    coming = seasonal.planned.season.coming  # type: ignore[union-attr]
    closed = pc.and_(
        pc.equal(seasonal.labels["as_of"], pa.scalar(coming, pa.timestamp("us"))), pc.equal(seasonal.labels["horizon_days"], HORIZON)
    )
    at = seasonal.labels.column_names.index("orders_count")
    none = pc.if_else(closed, pa.scalar(0, seasonal.labels["orders_count"].type), seasonal.labels["orders_count"])
    trained = train("churn", seasonal.planned, seasonal.snapshots, seasonal.labels.set_column(at, "orders_count", none))
    assert isinstance(trained, Trained)
    assert trained.model.season == NO_SEASON  # type: ignore[union-attr]
    assert abs(shift((9.0, 0.01), (0.0, 0.01))) == MOST
