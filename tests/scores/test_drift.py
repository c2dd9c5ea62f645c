"""Drift: what has moved since training is seen, what has not is not, and a red check asks for a training."""

from datetime import datetime

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from dagster_project.resources import Store
from dagster_project.scores.assets import score_assets
from dagster_project.scores.drift import DRIFT, REALISED, off, shifted
from dagster_project.settings import load
from ml.drift import SHIFTED, population_stability

DAY = datetime(2026, 3, 9, 23)


def drift(**indices: float) -> pa.Table:
    rows = [{"as_of": DAY, "model": "churn", "name": n, "reference_as_of": DAY, "stability_index": v} for n, v in indices.items()]
    return pa.Table.from_pylist(rows, schema=DRIFT)


def test_a_population_that_is_the_same_has_not_moved_and_another_one_has() -> None:
    generator = np.random.default_rng(0)
    before, same = generator.normal(0, 1, 3000), generator.normal(0, 1, 3000)
    assert population_stability(before, before) == 0
    assert population_stability(before, same) < 0.05
    assert population_stability(before, same + 1) > SHIFTED
    assert population_stability(before, np.where(np.arange(3000) % 2, same, np.nan)) > SHIFTED
    assert population_stability(before, np.zeros(0)) == 0


def test_one_odd_column_is_no_alarm_but_the_scores_or_many_columns_are() -> None:
    calm = {f"c{number}": 0.01 for number in range(9)}
    assert shifted(drift(**calm, odd=0.9, score=0.1)) == []
    assert shifted(drift(**calm, odd=0.1, score=0.3)) == ["churn: the scores moved by 0.30 since 2026-03-09"]
    (said,) = shifted(drift(a=0.4, b=0.5, c=0.0, d=0.0))
    assert said == "churn: 2 of 4 features moved since training, most b 0.50, a 0.40"


@pytest.mark.parametrize(("realised", "customers", "is_red"), [(0.42, 400, False), (0.70, 400, True), (0.70, 50, False)])
def test_what_came_true_is_held_against_what_was_said(realised: float, customers: int, is_red: bool) -> None:
    row = {"as_of": DAY, "model": "churn", "scored_as_of": DAY, "customers": customers, "predicted": 0.4, "realised": realised}
    assert bool(off(pa.Table.from_pylist([row], schema=REALISED))) == is_red


@pytest.mark.parametrize("passed", [True, False])
def test_a_red_check_asks_for_a_training_and_a_green_one_does_not(passed: bool) -> None:
    days = dg.DailyPartitionsDefinition(start_date="2026-03-01", end_date="2026-03-20")
    definitions = dg.Definitions(assets=score_assets(days), resources={"store": Store.of(load(shop="small"))})
    with dg.DagsterInstance.ephemeral() as instance:
        at = datetime(2026, 3, 10, 12)
        before = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=at)
        assert before.total_requested == 0
        for name, key in (("population_is_stable", "drift"), ("scores_come_true", "realised")):
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(["scores", key]),
                    check_name=name,
                    passed=passed,
                    metadata={},
                    severity=dg.AssetCheckSeverity.WARN,
                )
            )
        after = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=at, cursor=before.cursor)
        assert after.get_requested_partitions(dg.AssetKey(["scores", "training_requests"])) == (set() if passed else {"2026-03-09"})
        again = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=at, cursor=after.cursor)
        assert again.total_requested == 0
