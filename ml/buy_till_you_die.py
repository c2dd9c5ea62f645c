"""BG/NBD (how often, and whether still alive) and Gamma-Gamma (how much), by maximum likelihood on whole arrays.

Sources: Fader, Hardie, Lee (2005), "Counting your customers" the easy way; Fader, Hardie (2013), The Gamma-Gamma model of monetary value.
`frequency` is the number of repeat purchase days, `recency` the days from the first to the last one, `age` the days from the first to now.
All times share one unit, days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, gammaln, hyp2f1, psi

from ml.remembering import remembered

Vector = NDArray[np.float64]

# Wide enough for every fit seen on real shops; without them a shop where nobody comes back sends parameters to infinity.
LOG_BOUNDS = (-12.0, 12.0)
# Four parameters are known to the third digit from so many customers; of more a fixed sample is fitted.
MOST_CUSTOMERS = 100_000


@dataclass(frozen=True)
class Purchasing:
    """A fitted BG/NBD: purchase rates are Gamma(r, alpha), drop-out chances after each purchase Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float

    def p_alive(self, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        """The probability of not having dropped out. Not a churn score: it is 1 for everyone who bought once."""
        alive: Vector = expit(-self._log_odds_dead(frequency, recency, age))
        return alive

    def buys_probability(self, frequency: Vector, recency: Vector, age: Vector, horizon: float | Vector) -> Vector:
        """The probability of at least one purchase in the next `horizon` days."""
        silent = np.exp((self.r + frequency) * (np.log(self.alpha + age) - np.log(self.alpha + age + horizon)))
        buys: Vector = self.p_alive(frequency, recency, age) * (1.0 - silent)
        return buys

    def purchases_expected(self, frequency: Vector, recency: Vector, age: Vector, horizon: float) -> Vector:
        """The expected number of purchase days in the next `horizon` days."""
        # The formula divides by a - 1; next to 1 its limit is taken a little to the side.
        a = self.a if abs(self.a - 1.0) > 1e-6 else 1.0 + 1e-6
        shift = self.alpha + age + horizon
        decay = np.exp((self.r + frequency) * (np.log(self.alpha + age) - np.log(shift)))
        series = hyp2f1(self.r + frequency, self.b + frequency, a + self.b + frequency - 1.0, horizon / shift)
        with np.errstate(invalid="ignore", over="ignore"):
            expected = (a + self.b + frequency - 1.0) / (a - 1.0) * (1.0 - decay * series)
        # Where nearly nobody drops out the series overflows; without drop-out the expectation is the rate times the days.
        steady = (self.r + frequency) / (self.alpha + age) * horizon
        expected = np.where(np.isfinite(expected), np.clip(expected, 0.0, steady), steady)
        return expected * self.p_alive(frequency, recency, age)

    def _log_odds_dead(self, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        repeated = np.maximum(frequency, 1.0)
        odds = (
            np.log(self.a)
            - np.log(self.b + repeated - 1.0)
            + (self.r + frequency) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        )
        return np.where(frequency > 0, odds, -np.inf)


@dataclass(frozen=True)
class Spending:
    """A fitted Gamma-Gamma: a purchase day's value is Gamma(p, nu), nu is Gamma(q, v) over customers."""

    p: float
    q: float
    v: float

    def value_expected(self, frequency: Vector, value: Vector) -> Vector:
        """The expected value of a purchase day, in the unit of `value`: the shop's mean pulled towards the customer's own."""
        repeats = np.where(frequency > 0, frequency, 0.0)
        own = np.where(repeats > 0, value, 0.0)
        return self.p * (self.v + repeats * own) / (self.p * repeats + self.q - 1.0)


@remembered
def fit_purchasing(frequency: Vector, recency: Vector, age: Vector) -> Purchasing:
    """The maximum-likelihood BG/NBD of these customers. Equal customers are counted once and weighted."""
    frequency, recency, age = (sampled(array) for array in (frequency, recency, age))
    scale = float(max(age.max(), 1.0)) / 10.0
    unique, weight = np.unique(np.column_stack([frequency, recency, age]), axis=0, return_counts=True)
    x, t_x, t = unique[:, 0], unique[:, 1] / scale, unique[:, 2] / scale
    weight = weight / weight.sum()

    def loss(log_parameters: Vector) -> tuple[float, Vector]:
        r, alpha, a, b = np.exp(log_parameters)
        alive = -(r + x) * np.log(alpha + t)
        dead = np.where(x > 0, np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) - (r + x) * np.log(alpha + t_x), -np.inf)
        both = np.logaddexp(alive, dead)
        share = np.exp(dead - both)
        likelihood = (
            gammaln(r + x) - gammaln(r) + r * np.log(alpha)
            + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
            + both
        )  # fmt: skip
        log_mix = (1 - share) * np.log(alpha + t) + share * np.log(alpha + t_x)
        rate_mix = (1 - share) / (alpha + t) + share / (alpha + t_x)
        slopes = np.array(
            [
                weight @ (psi(r + x) - psi(r) + np.log(alpha) - log_mix),
                weight @ (r / alpha - (r + x) * rate_mix),
                weight @ (psi(a + b) - psi(a + b + x) + share / a),
                weight @ (psi(a + b) + psi(b + x) - psi(b) - psi(a + b + x) - share / (b + np.maximum(x, 1.0) - 1.0)),
            ]
        )
        return -float(weight @ likelihood), -slopes * np.array([r, alpha, a, b])

    best = _minimised(loss, np.zeros(4))
    r, alpha, a, b = (float(value) for value in np.exp(best))
    return Purchasing(r=r, alpha=alpha * scale, a=a, b=b)


@remembered
def fit_spending(frequency: Vector, value: Vector) -> Spending:
    """The maximum-likelihood Gamma-Gamma of the customers who came back (`frequency` > 0 and `value` > 0), whose mean is finite (q >
    1).
    """
    frequency, value = sampled(frequency), sampled(value)
    kept = (frequency > 0) & (value > 0)
    if kept.sum() < 2:
        mean = float(value[kept].mean()) if kept.any() else 0.0
        return Spending(p=1.0, q=2.0, v=mean)
    x, scale = frequency[kept], float(value[kept].mean())
    m = value[kept] / scale

    def loss(log_parameters: Vector) -> tuple[float, Vector]:
        p, above, v = np.exp(log_parameters)
        q = 1.0 + above
        likelihood = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
            + q * np.log(v) + (p * x - 1) * np.log(m) + p * x * np.log(x) - (p * x + q) * np.log(x * m + v)
        )  # fmt: skip
        slopes = np.array(
            [
                np.mean(x * (psi(p * x + q) - psi(p * x) + np.log(m) + np.log(x) - np.log(x * m + v))),
                np.mean(psi(p * x + q) - psi(q) + np.log(v) - np.log(x * m + v)),
                np.mean(q / v - (p * x + q) / (x * m + v)),
            ]
        )
        return -float(np.mean(likelihood)), -slopes * np.array([p, above, v])

    p, above, v = (float(number) for number in np.exp(_minimised(loss, np.zeros(3))))
    return Spending(p=p, q=1.0 + above, v=v * scale)


def sampled(array: Vector) -> Vector:
    """At most MOST_CUSTOMERS of the entries, the same places of every array of one length."""
    if len(array) <= MOST_CUSTOMERS:
        return array
    return array[np.sort(np.random.default_rng(0).choice(len(array), MOST_CUSTOMERS, replace=False))]


def _minimised(loss, start: Vector) -> Vector:  # type: ignore[no-untyped-def]
    """L-BFGS to the floor of double precision: two starts that reach the same optimum agree in the likelihood to 1e-9."""
    result = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[LOG_BOUNDS] * len(start),
        options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
    )  # fmt: skip
    return np.asarray(result.x, dtype=np.float64)
