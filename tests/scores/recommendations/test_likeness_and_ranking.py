"""What recommending is made of: products alike, scores as tables, the largest of many, against plain forms of the same."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from planted_shop import planted_shop
from sklearn.ensemble import HistGradientBoostingClassifier

from ml.recommendations import candidates, neighbours
from ml.recommendations import catalogue as catalogue_module
from ml.recommendations.candidates import FEATURE_NAMES, Candidates
from ml.recommendations.catalogue import Catalogue
from ml.recommendations.history import read_history
from ml.recommendations.largest import largest_cells
from ml.recommendations.moment import measure
from ml.recommendations.neighbours import fit_ease, strongest_weights
from ml.recommendations.ranker import top_products
from ml.recommendations.tables import as_tables


def test_trees_as_tables_score_as_the_trees_they_were_made_from() -> None:
    generator = np.random.default_rng(0)
    features = np.round(generator.normal(size=(3_000, len(FEATURE_NAMES))), 1).astype(np.float32)
    features[generator.random(features.shape) < 0.2] = np.nan
    labels = np.nan_to_num(features[:, 3]) + np.isnan(features[:, 5]) > 0.5
    columns = (1, 3, 5, 8)
    models = [
        HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=8, random_state=seed).fit(features[:, columns], labels)
        for seed in (0, 1)
    ]
    summed = np.mean([model.decision_function(features[:, columns]) - model._baseline_prediction[0, 0] for model in models], axis=0)
    np.testing.assert_allclose(as_tables(models, columns).score(features), summed, atol=1e-5)


@pytest.mark.parametrize("width", [60, 999, 1000])
def test_the_largest_of_each_row_come_first_and_among_equals_the_first(width: int) -> None:
    values = np.round(np.random.default_rng(0).normal(size=(200, width)), 1).astype(np.float32)
    values[:20, 5:] = -np.inf
    values[20:30] = 0.0
    values[30, ::2] = -0.0
    for count in (1, 3, 7, 60, 2000):
        order = np.argsort(-values, axis=1, kind="stable")[:, :count]
        shown = np.take_along_axis(values, order, axis=1) > -np.inf
        cells, row, rank = largest_cells(values, count)
        assert np.array_equal(cells, (np.arange(200)[:, None] * width + order)[shown])
        assert np.array_equal((row, rank), np.nonzero(shown))


def test_ease_equals_its_closed_form() -> None:
    history = read_history(planted_shop(60)[0])
    matrix = history.matrix()
    fitted = fit_ease(matrix, penalty=50.0)
    dense = matrix[:, fitted.kept].toarray().astype(float)
    inverse = np.linalg.inv(dense.T @ dense + 50.0 * np.eye(dense.shape[1]))
    expected = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(fitted.weights, expected, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 1_000, 10**9])
def test_customers_in_common_are_counted_however_many_products_are_worked_on_at_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ENTRIES_AT_ONCE", at_once)
    matrix = read_history(planted_shop(60)[0]).matrix()
    assert np.array_equal(neighbours.together(matrix), (matrix.T @ matrix).toarray())
    assert neighbours.together(matrix[:, :0]).shape == (0, 0)


def test_of_ease_the_strongest_weights_that_lead_to_each_product_are_kept() -> None:
    fitted = fit_ease(read_history(planted_shop(60)[0]).matrix(), penalty=50.0)
    whole = strongest_weights(fitted, len(fitted.kept)).toarray()[np.ix_(fitted.kept, fitted.kept)]
    assert np.array_equal(whole, fitted.weights)
    few = strongest_weights(fitted, 3).toarray()[np.ix_(fitted.kept, fitted.kept)]
    assert ((few != 0).sum(axis=0) <= 3).all()
    strongest = -np.sort(-np.abs(fitted.weights), axis=0)[:3]
    assert np.allclose(-np.sort(-np.abs(few), axis=0)[:3], strongest)


def test_the_best_of_lists_of_unequal_length_with_ties_to_the_smaller_code() -> None:
    customer, product = np.array([1, 1, 1, 4]), np.array([2, 5, 7, 0])
    found = Candidates(customer, product, np.zeros(4, dtype=bool), np.zeros((4, len(FEATURE_NAMES)), dtype=np.float32))
    who, rank, what = top_products(found, np.array([0.5, 0.9, 0.5, 0.1], dtype=np.float32), 2)
    assert (who.tolist(), rank.tolist(), what.tolist()) == ([1, 1, 4], [1, 2, 1], [5, 2, 0])


def test_many_customers_leave_it_to_a_part_of_them_which_products_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    history = read_history(planted_shop(90)[0])
    moment = measure(history, history.newest_day, 30.0)
    whole = candidates.relate(moment)
    monkeypatch.setattr(candidates, "MOST_LEARNERS", 60)
    some = candidates.learners(90)
    assert len(some) == 60 and (np.diff(some) > 0).all()
    part, alone = candidates.relate(moment), candidates.relate(replace(moment, history=moment.history.of_customers(some)))
    assert (part.ease != alone.ease).nnz == 0 and (part.cosine != alone.cosine).nnz == 0
    assert (part.ease != whole.ease).nnz > 0


@pytest.mark.parametrize("viewers", [False, True])
def test_some_customers_are_measured_as_among_all(viewers: bool) -> None:
    """Also where none of them bought anything: that the shop sells is known from everybody."""
    interactions = planted_shop(60)[0]
    if viewers:
        views = pc.equal(interactions["kind"], "view")
        interactions = interactions.filter(pc.or_(views, pc.greater_equal(interactions["customer_id"], "p010")))
    history = read_history(interactions)
    some = np.array([2, 3, 7]) if viewers else np.array([2, 3, 41])
    day = history.newest_day - 20.0
    whole, part = measure(history, day, 30.0), measure(history, day, 30.0, some)
    at, _ = candidates.pairs_of(whole, some)
    assert len(at) > 3
    for mine, theirs in (
        (part.pairs, whole.pairs[np.r_[at, -1]]),
        (part.pair_product, whole.pair_product[at]),
        (part.bought, whole.bought[np.r_[at, -1]]),
        (part.products, whole.products),
        (part.customers[some], whole.customers[some]),
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert part.bought.any() != viewers


def test_products_that_say_the_same_are_compared_once_and_as_if_each_were() -> None:
    generator = np.random.default_rng(5)
    words = np.array(["red", "blue", "cup", "pan", "tea", "rug"])
    texts = tuple(" ".join(generator.choice(words, generator.integers(0, 4))) for _ in range(120))
    none = np.zeros(len(texts))
    catalogue = Catalogue(none > -1, none > -1, none.astype(np.int64), (), none, tuple(frozenset() for _ in texts), texts)
    cosine = np.round((catalogue.vectors @ catalogue.vectors.T).toarray().astype(np.float64), 5)
    np.fill_diagonal(cosine, 0.0)
    found = catalogue.alike(np.array([7, 3, 110]), 9)
    for row, product in enumerate((7, 3, 110)):
        expected = [other for other in np.lexsort((np.arange(len(texts)), -cosine[product]))[:9] if cosine[product, other] > 0]
        mine = found[row].tocoo()
        assert sorted(mine.col) == sorted(expected)
    assert len(catalogue.said[0]) == len(set(texts)) < len(texts)


def test_a_word_that_too_many_texts_share_tells_none_of_them_apart(monkeypatch) -> None:
    monkeypatch.setattr(catalogue_module, "SHARED_BY", 2)
    texts = ("tea green", "tea black", "tea white", "cup green", "tea")
    none = np.zeros(len(texts))
    catalogue = Catalogue(none > -1, none > -1, none.astype(np.int64), (), none, tuple(frozenset() for _ in texts), texts)
    assert catalogue.likeness.toarray().nonzero()[0].tolist() == [0, 3], "only green is shared by few enough"
    lengths = np.sqrt(np.asarray(catalogue.vectors.multiply(catalogue.vectors).sum(axis=1)).ravel())
    assert lengths == pytest.approx([1, 1, 1, 1, 0])
