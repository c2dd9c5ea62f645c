"""After Christmas a model promises Christmas again, unless it looks a year back."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.transactions import Columns, build_features, load_transactions
from ml.customer_scores import Baseline, Plan, Trained, measure, plan, score, train
from ml.season import off_in_logits, off_in_logs, shift
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
    assert not isinstance(trained.model, Baseline) or trained.model.season.horizon
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
