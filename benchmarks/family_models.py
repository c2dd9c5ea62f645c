"""Families of models on the same folds as ours: what each would have said of people, or of days, that it had not seen."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from ml.boosting import SETTINGS
from ml.linear import centred

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

# Each as well as its usual settings do on ranks; missing counts as the middle, except for boosting, which knows missing.
FAMILIES: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(C=0.02, max_iter=1000),
    "tree": lambda: DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=60, random_state=0),
    "forest": lambda: RandomForestClassifier(150, min_samples_leaf=20, max_features=0.3, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0, **SETTINGS),
    # Stopped early by hand: its own rule looks at accuracy, which rare outcomes do not move.
    "network": lambda: MLPClassifier((16,), alpha=0.1, max_iter=30, random_state=0),
}


def said_by(family: str, ranks: Matrix, happened: Vector, unseen: Matrix) -> Vector:
    """The probability of each unseen row, by a family that learned from the others."""
    used = ~np.isnan(ranks).all(axis=0)
    learned, asked = ranks[:, used], unseen[:, used]
    if family != "boosting":
        learned, asked = centred(learned), centred(asked)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = FAMILIES[family]().fit(learned, happened)
        return np.asarray(model.predict_proba(asked)[:, 1], dtype=np.float64)
