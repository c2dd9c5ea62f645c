"""Linear models on ranks as plain weights. A missing rank counts as the middle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, TweedieRegressor
from threadpoolctl import threadpool_limits

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

# Of the logistic regression and of the Tweedie regression, as their library counts them.
INVERSE_PENALTY = 0.02
PENALTY = 0.01


@dataclass(frozen=True)
class Linear:
    """One weight per column and an intercept."""

    weights: Vector
    intercept: float

    def raw(self, ranks: Matrix) -> Vector:
        """The prediction before the link function, one per row."""
        # einsum keeps the order of additions whatever the number of rows and threads; a matrix product does not.
        total: Vector = np.einsum("ij,j->i", centred(ranks), self.weights) + self.intercept
        return total


def centred(ranks: Matrix) -> Matrix:
    return np.nan_to_num(ranks, nan=0.5) - 0.5


def fit_logistic(ranks: Matrix, target: Vector) -> Linear:
    """L2 logistic regression; `raw` is a logit."""
    with threadpool_limits(1):
        model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit(centred(ranks), target)
    return Linear(weights=model.coef_[0].astype(np.float64), intercept=float(model.intercept_[0]))


def fit_tweedie(ranks: Matrix, target: Vector) -> Linear:
    """Tweedie regression of power 1.5 (many zeros, a long tail); `raw` is a log."""
    with threadpool_limits(1):
        model = TweedieRegressor(power=1.5, alpha=PENALTY, link="log", max_iter=1000).fit(centred(ranks), target)
    return Linear(weights=np.asarray(model.coef_, dtype=np.float64), intercept=float(model.intercept_))
