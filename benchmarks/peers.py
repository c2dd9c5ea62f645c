"""What is usually done about churn and lifetime value, each as well as it can be done: the peers of `benchmarks.scores`."""

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ml.buy_till_you_die import Purchasing, fit_purchasing, fit_spending

Vector = NDArray[np.float64]

PENALTIES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Population:
    """Everyone with a purchase before the cut, one entry per customer; days and the file's currency. The last two are what followed."""

    customers: NDArray[np.object_]
    horizon_days: int
    frequency: Vector
    span: Vector
    age: Vector
    recency: Vector
    repeat_value: Vector
    past: Vector
    churned: Vector
    value: Vector


@dataclass(frozen=True)
class Prediction:
    """Orders (higher: likelier to churn, worth more) and, where a method gives them, a probability and an amount."""

    churn_order: Vector
    value_order: Vector
    churn_probability: Vector | None = None
    value: Vector | None = None
    value_median: Vector | None = None


def peers_of(population: Population) -> dict[str, Prediction]:
    """BG/NBD with Gamma-Gamma (lifetimes), RFM score, recency, past spend."""
    # Who came last week has not shown a horizon's spend: less than one is not extrapolated.
    pace = population.past * population.horizon_days / np.maximum(population.age, population.horizon_days)
    rfm = _fifths(-population.recency) + _fifths(population.frequency) + _fifths(population.past)
    return {
        "bg_nbd_gamma_gamma": _buy_till_you_die(population),
        "rfm": Prediction(churn_order=-rfm, value_order=rfm),
        "recency": Prediction(churn_order=population.recency, value_order=-population.recency),
        "past_spend": Prediction(churn_order=-population.past, value_order=population.past, value=np.maximum(pace, 0.0)),
    }


def _fifths(values: Vector) -> Vector:
    return np.ceil(rankdata(values) / len(values) * 5)


def _buy_till_you_die(population: Population) -> Prediction:
    """lifetimes' fit, at the smallest penalty that converges, by its own formula for P(no purchase); our fit where it has none."""
    purchasing = _fitted_by_lifetimes(population) or fit_purchasing(population.frequency, population.span, population.age)
    spending = fit_spending(population.frequency, population.repeat_value)
    history = (population.frequency, population.span, population.age)
    probability = 1.0 - purchasing.buys_probability(*history, population.horizon_days)
    purchases = purchasing.purchases_expected(*history, population.horizon_days)
    value = purchases * spending.value_expected(population.frequency, population.repeat_value)
    if not np.isfinite(value).all():
        own = fit_purchasing(*history)
        value = own.purchases_expected(*history, population.horizon_days) * spending.value_expected(
            population.frequency, population.repeat_value
        )
    return Prediction(churn_order=probability, churn_probability=probability, value_order=value, value=value)


def _fitted_by_lifetimes(population: Population) -> Purchasing | None:
    try:
        from lifetimes import BetaGeoFitter
        from lifetimes.utils import ConvergenceError
    except ImportError:
        return None
    for penalty in PENALTIES:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                fitter = BetaGeoFitter(penalizer_coef=penalty).fit(population.frequency, population.span, population.age)
            except (ConvergenceError, ValueError, FloatingPointError):
                continue
        found = {name: float(value) for name, value in fitter.params_.items()}
        if all(np.isfinite(value) and value > 0 for value in found.values()):
            return Purchasing(**found)
    return None
