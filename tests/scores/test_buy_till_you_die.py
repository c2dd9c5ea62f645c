"""BG/NBD and Gamma-Gamma against the lifetimes package, and where it has no answer."""

import numpy as np
import pytest

from ml.buy_till_you_die import Purchasing, Spending, fit_purchasing, fit_spending


def drawn(customers: int = 800, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Customers drawn from the model itself: r 0.8, alpha 20, a 0.9, b 3 over up to 300 days; values from Gamma-Gamma."""
    generator = np.random.default_rng(seed)
    frequency, recency, age, value = (np.zeros(customers) for _ in range(4))
    for customer in range(customers):
        rate, dropout, mean = generator.gamma(0.8, 1 / 20), generator.beta(0.9, 3.0), 30 / generator.gamma(4.0, 0.25)
        age[customer] = round(generator.uniform(30, 300))
        day = 0.0
        while (day := day + generator.exponential(1 / rate)) < age[customer]:
            frequency[customer] += 1
            recency[customer] = day
            if generator.random() < dropout:
                break
        if frequency[customer]:
            value[customer] = generator.gamma(5.0 * frequency[customer], mean / (5.0 * frequency[customer]))
    return frequency, recency, age, value


def test_predictions_equal_those_of_lifetimes() -> None:
    lifetimes = pytest.importorskip("lifetimes")
    frequency, recency, age, value = drawn()
    purchasing, spending = Purchasing(0.8, 20.0, 0.9, 3.0), Spending(5.0, 4.0, 30.0)
    theirs = lifetimes.BetaGeoFitter()
    theirs.params_ = {"r": 0.8, "alpha": 20.0, "a": 0.9, "b": 3.0}
    np.testing.assert_allclose(
        purchasing.p_alive(frequency, recency, age), theirs.conditional_probability_alive(frequency, recency, age), atol=1e-9
    )
    np.testing.assert_allclose(
        purchasing.purchases_expected(frequency, recency, age, 60.0),
        theirs.conditional_expected_number_of_purchases_up_to_time(60.0, frequency, recency, age),
        atol=1e-9,
    )
    values = lifetimes.GammaGammaFitter()
    values.params_ = {"p": 5.0, "q": 4.0, "v": 30.0}
    np.testing.assert_allclose(
        spending.value_expected(frequency, value), values.conditional_expected_average_profit(frequency, value), atol=1e-9
    )


def test_the_fit_is_no_less_likely_than_that_of_lifetimes() -> None:
    lifetimes = pytest.importorskip("lifetimes")
    frequency, recency, age, _ = drawn()
    theirs = lifetimes.BetaGeoFitter().fit(frequency, recency, age)
    ours = fit_purchasing(frequency, recency, age)

    def loss(parameters: np.ndarray) -> float:
        weights = np.ones_like(frequency)
        return float(lifetimes.BetaGeoFitter._negative_log_likelihood(np.log(parameters), frequency, recency, age, weights, 0.0))

    assert loss(np.array([ours.r, ours.alpha, ours.a, ours.b])) <= loss(theirs.params_.to_numpy()) + 1e-9
    np.testing.assert_allclose([ours.r, ours.alpha, ours.a, ours.b], theirs.params_.to_numpy(), rtol=1e-2)


def test_the_fit_finds_the_parameters_that_made_the_customers() -> None:
    frequency, recency, age, value = drawn(6000)
    found = fit_purchasing(frequency, recency, age)
    assert found.r == pytest.approx(0.8, rel=0.15)
    assert found.alpha == pytest.approx(20.0, rel=0.2)
    assert found.a / (found.a + found.b) == pytest.approx(0.9 / 3.9, rel=0.2)
    assert fit_spending(frequency, value).p == pytest.approx(5.0, rel=0.15)


def test_the_chance_of_buying_falls_with_silence_and_grows_with_the_horizon() -> None:
    model = Purchasing(0.8, 20.0, 0.9, 3.0)
    silent = model.buys_probability(np.full(4, 5.0), np.full(4, 100.0), np.array([100.0, 130.0, 180.0, 300.0]), 30.0)
    assert (np.diff(silent) < 0).all()
    longer = [float(model.buys_probability(np.array([2.0]), np.array([40.0]), np.array([60.0]), days)[0]) for days in (7, 30, 90, 365)]
    assert longer == sorted(longer)


def test_a_shop_where_nobody_drops_out_or_comes_back_gives_finite_numbers() -> None:
    age = np.linspace(1, 100, 400)
    for frequency in (np.zeros(400), np.floor(age / 2)):
        model = fit_purchasing(frequency, np.where(frequency > 0, age - 0.5, 0.0), age)
        expected = model.purchases_expected(frequency, np.where(frequency > 0, age - 0.5, 0.0), age, 30.0)
        assert np.isfinite(expected).all()
        assert (expected >= 0).all()
