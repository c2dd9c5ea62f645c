"""Trees evaluated as tables say what scikit-learn's own estimator says, and one row alone what it says among all."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from ml.boosting import BLOCK, SETTINGS, binned, fit_trees, stepped


@pytest.mark.parametrize("leaves", [8, 15])
def test_tables_say_what_the_estimator_says(leaves: int) -> None:
    generator = np.random.default_rng(3)
    ranks = generator.random((BLOCK + 777, 6))
    ranks[generator.random(ranks.shape) < 0.2] = np.nan
    target = (np.nan_to_num(ranks[:, 0], nan=0.9) + ranks[:, 1] > 1.0).astype(float)
    trees = fit_trees(binned(ranks), target, "log_loss", seeds=1, max_leaf_nodes=leaves)
    estimator = HistGradientBoostingClassifier(loss="log_loss", random_state=0, **(SETTINGS | {"max_leaf_nodes": leaves}))
    said = estimator.fit(stepped(ranks), target).decision_function(stepped(ranks))
    assert np.ptp(said) > 1.0
    np.testing.assert_allclose(trees.raw(ranks), said, rtol=0, atol=1e-12)
    assert np.array_equal(trees.raw(ranks), np.concatenate([trees.raw(row[None, :]) for row in ranks[:50]] + [trees.raw(ranks[50:])]))


def test_what_a_group_adds_is_the_prediction_less_that_with_the_group_at_the_middle() -> None:
    generator = np.random.default_rng(4)
    ranks = generator.random((3_000, 4))
    trees = fit_trees(binned(ranks), (ranks[:, 0] * ranks[:, 1] > 0.3).astype(float), "log_loss", seeds=2)
    group = np.array([1, 3])
    moved = ranks.copy()
    moved[:, group] = 0.5
    np.testing.assert_allclose(trees.added_by(ranks, [group])[:, 0], trees.raw(ranks) - trees.raw(moved), rtol=0, atol=1e-12)
