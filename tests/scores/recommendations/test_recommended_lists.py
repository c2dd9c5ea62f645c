"""Recommendations: the rules hold, the same input gives the same rows, nothing from after the moment counts."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from planted_shop import AS_OF, CATEGORIES, REQUEST, planted_shop
from threadpoolctl import threadpool_limits

from ml.recommendations import SENTENCES, STRATEGIES, Request, Rules, Settings, candidates, recommend
from ml.recommendations import strategies as strategies_module
from ml.recommendations.candidates import FEATURE_NAMES
from ml.recommendations.catalogue import read_catalogue
from ml.recommendations.history import read_history
from ml.recommendations.moment import measure
from ml.recommendations.ranker import fit_ranker
from ml.recommendations.rules import Preferences, allowed_products, choose, just_bought


def broken_rules(table: pa.Table, interactions: pa.Table) -> set[str]:
    """Which of the promises a table breaks; written apart from the code it judges."""
    broken = set()
    newest: dict[tuple[str, str], datetime] = {}
    for row in interactions.to_pylist():
        if row["kind"] == "purchase" and row["at"] < AS_OF:
            pair = (row["customer_id"], row["product_id"])
            newest[pair] = max(newest.get(pair, row["at"]), row["at"])
    for row in table.to_pylist():
        category, _, item = row["product_id"].partition("-")
        pair = (row["customer_id"], row["product_id"])
        if item == "03":
            broken.add("out of stock")
        if row["customer_id"] in ("p000", "p001", "nobody") and item != "new" and int(item) % 2 == 0:
            broken.add("not vegan")
        if row["customer_id"] == "p002" and category == "cakes":
            broken.add("excluded category")
        if row["strategy"] == "new_for_you" and pair in newest:
            broken.add("not new")
        if pair in newest and AS_OF - newest[pair] < timedelta(days=10) and row["reason"] != "due_again":
            broken.add("just bought")
    return broken


def test_no_row_breaks_a_rule(made: pa.Table, shop: tuple[pa.Table, pa.Table]) -> None:
    assert set(made["strategy"].to_pylist()) == set(STRATEGIES)
    assert broken_rules(made, shop[0]) == set()


def test_a_build_that_forgets_the_just_bought_rule_is_caught(
    shop: tuple[pa.Table, pa.Table], customers: pa.Table, preferences: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategies_module, "just_bought", lambda features, rules: np.zeros(len(features), dtype=bool))
    request = Request(strategies=("trending",), settings=REQUEST.settings, rules=REQUEST.rules)
    forgetful = recommend(*shop, as_of=AS_OF, customers=customers, preferences=preferences, request=request).table
    assert broken_rules(forgetful, shop[0]) == {"just bought"}


def test_a_build_that_forgets_stock_and_preferences_is_caught(shop: tuple[pa.Table, pa.Table]) -> None:
    interactions, products = shop
    everything = products.set_column(products.column_names.index("in_stock"), "in_stock", [[True] * len(products)])
    forgetful = recommend(interactions, everything, as_of=AS_OF, request=REQUEST).table
    assert {"out of stock", "not vegan", "excluded category"} <= broken_rules(forgetful, interactions)


def test_what_is_vegan_is_vegetarian_and_not_the_other_way_round() -> None:
    products = pa.table({"product_id": ["cheese", "ham", "tofu"], "tags": [["vegetarian"], [], ["vegan"]]})
    ids = np.array(products["product_id"].to_pylist(), dtype=object)
    allowed = {
        diet: ids[allowed_products(read_catalogue(products, ids, 0.0), ids, Preferences(frozenset(diet.split())))].tolist()
        for diet in ("vegetarian", "vegan", "vegan vegetarian")
    }
    assert allowed == {"vegetarian": ["cheese", "tofu"], "vegan": ["tofu"], "vegan vegetarian": ["tofu"]}


def test_lists_are_ranked_by_score_then_product_and_never_repeat(made: pa.Table) -> None:
    lists: dict[tuple[str, str], list[dict[str, object]]] = {}
    for row in made.to_pylist():
        lists.setdefault((row["customer_id"], row["strategy"]), []).append(row)
    for rows in lists.values():
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert [(-row["score"], row["product_id"]) for row in rows] == sorted((-row["score"], row["product_id"]) for row in rows)
        assert len({row["product_id"] for row in rows}) == len(rows) <= 10
        assert all(round(row["score"], 6) == row["score"] for row in rows)


def test_nobody_is_told_of_purchases_they_never_made(shop: tuple[pa.Table, pa.Table], customers: pa.Table) -> None:
    interactions, products = shop
    mine = pc.less(interactions["customer_id"], "p020")
    looking = interactions.filter(pc.or_(pc.equal(interactions["kind"], "view"), pc.invert(mine)))
    buyers = set(pc.filter(interactions["customer_id"], pc.invert(mine)).to_pylist())
    of_purchases = {"bought_before", "due_again", "bought_with_yours", "similar_to_bought", "goes_with_order"}

    def reasons(rows: pa.Table) -> tuple[set[str], set[str]]:
        shown = recommend(rows, products, as_of=AS_OF, customers=customers, request=REQUEST).table.to_pylist()
        return tuple({row["reason"] for row in shown if (row["customer_id"] in buyers) == is_buyer} for is_buyer in (False, True))

    of_lookers, of_buyers = reasons(looking)
    assert "chosen_with_viewed" in of_lookers and not of_lookers & of_purchases
    assert "bought_with_yours" in of_buyers and "chosen_with_viewed" not in of_buyers
    # In a shop that sells nothing what is predicted are views.
    nothing_sold = interactions.filter(pc.equal(interactions["kind"], "view"))
    assert not set.union(*reasons(nothing_sold)) & of_purchases


def test_every_reason_has_a_sentence(made: pa.Table) -> None:
    assert set(made["reason"].to_pylist()) <= set(SENTENCES)


def test_the_same_rows_in_another_order_and_with_another_thread_give_the_same_bytes(customers: pa.Table, preferences: pa.Table) -> None:
    interactions, products = planted_shop(90)
    request = Request(settings=Settings(iterations=5, seeds=(0,)))
    first = recommend(interactions, products, as_of=AS_OF, customers=customers, preferences=preferences, request=request)
    assert not first.rankers["for_you"].reason
    shuffled = interactions.take(np.random.default_rng(1).permutation(len(interactions)))
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            again = recommend(shuffled, products, as_of=AS_OF, customers=customers, preferences=preferences, request=request)
        assert again.table.equals(first.table)
        assert again.relations.equals(first.relations)
        assert again.bundles.equals(first.bundles)


def test_nothing_from_after_the_moment_is_used(
    made: pa.Table, shop: tuple[pa.Table, pa.Table], customers: pa.Table, preferences: pa.Table
) -> None:
    interactions, products = shop
    rows = 4_000
    later = pa.table(
        {
            "customer_id": [f"p{number % 240:03d}" for number in range(rows)],
            "product_id": ["books-05"] * rows,
            "at": pa.array([AS_OF + timedelta(minutes=number) for number in range(rows)], pa.timestamp("us")),
            "kind": ["purchase"] * rows,
            "quantity": [1] * rows,
        }
    )
    again = recommend(
        pa.concat_tables([interactions, later]),
        products, as_of=AS_OF, customers=customers, preferences=preferences, request=REQUEST,
    )  # fmt: skip
    assert again.table.equals(made)


def test_the_ranker_is_trained_on_windows_that_end_at_the_moment(shop: tuple[pa.Table, pa.Table]) -> None:
    day = (AS_OF - datetime(1970, 1, 1)) / timedelta(days=1)
    history = read_history(shop[0])
    settings = Settings(iterations=10, seeds=(0,))
    whole = fit_ranker(history, day - 20, settings, new_only=False)
    cut = fit_ranker(history.before(day - 20), day - 20, settings, new_only=False)
    probe = np.random.default_rng(0).random((50, len(FEATURE_NAMES))).astype(np.float32)
    assert whole.trees is not None and cut.trees is not None
    assert np.array_equal(whole.trees.score(probe), cut.trees.score(probe))


def test_a_customer_nobody_knows_gets_what_is_trending_within_their_stated_preferences(made: pa.Table) -> None:
    rows = [row for row in made.to_pylist() if row["customer_id"] == "nobody"]
    assert len(rows) == 10
    assert {row["strategy"] for row in rows} == {"trending"}


def test_the_past_of_a_customer_who_refused_profiling_is_not_read(shop: tuple[pa.Table, pa.Table], customers: pa.Table) -> None:
    interactions, products = shop
    refusing = pa.table({"customer_id": customers["customer_id"], "profiling": [False] + [True] * (len(customers) - 1)})
    table = recommend(interactions, products, as_of=AS_OF, customers=refusing, request=REQUEST).table
    rows = [row for row in table.to_pylist() if row["customer_id"] == "p000"]
    assert {row["strategy"] for row in rows} == {"trending"}
    assert {row["reason"] for row in rows} == {"trending"}


def test_what_somebody_gave_back_is_in_none_of_their_lists(shop: tuple[pa.Table, pa.Table]) -> None:
    interactions, products = shop
    shown = recommend(interactions, products, as_of=AS_OF, request=REQUEST).table.to_pylist()
    lists = {row["strategy"]: row["product_id"] for row in shown if row["customer_id"] == "p000" and row["rank"] == 1}
    assert set(lists) == set(STRATEGIES)
    gone = sorted(set(lists.values()))
    returns = pa.table(
        {
            "customer_id": ["p000"] * len(gone),
            "product_id": gone,
            "at": pa.array([AS_OF - timedelta(hours=1)] * len(gone), pa.timestamp("us")),
            "kind": ["return"] * len(gone),
            "quantity": [1] * len(gone),
        }
    )
    again = recommend(pa.concat_tables([interactions, returns]), products, as_of=AS_OF, request=REQUEST).table.to_pylist()
    assert not {row["product_id"] for row in again if row["customer_id"] == "p000"} & set(gone)
    # It is nothing they did: everybody else is shown what they were.
    assert [row for row in again if row["customer_id"] != "p000"] == [row for row in shown if row["customer_id"] != "p000"]


def test_a_product_without_buyers_reaches_people_who_like_its_kind(made: pa.Table) -> None:
    rows = [row for row in made.to_pylist() if row["product_id"] == "coffee-new" and row["strategy"] == "new_for_you"]
    coffee_lovers = [row for row in rows if int(row["customer_id"][1:]) % 5 == 0]
    assert len(coffee_lovers) >= 24
    assert len(coffee_lovers) > 0.5 * len(rows)


def test_planted_tastes_and_pairs_are_found(shop: tuple[pa.Table, pa.Table], made: pa.Table) -> None:
    first = [row for row in made.to_pylist() if row["strategy"] == "for_you" and row["rank"] == 1]
    own = [row["product_id"].startswith(CATEGORIES[int(row["customer_id"][1:]) % 5]) for row in first]
    assert np.mean(own) > 0.7
    result = recommend(*shop, as_of=AS_OF, request=Request(strategies=("goes_with",)))
    best = {
        row["product_id"]: row["related_product_id"]
        for row in result.relations.to_pylist()
        if row["relation"] == "goes_with" and row["rank"] == 1
    }
    assert all(best[f"{category}-00"] == f"{category}-01" for category in CATEGORIES)
    bundles = [set(bundle) for bundle in result.bundles["product_ids"].to_pylist()]
    assert all(any({f"{category}-00", f"{category}-01"} <= bundle for bundle in bundles) for category in CATEGORIES)
    assert not any(product.endswith("-03") for bundle in bundles for product in bundle)


def test_no_category_fills_a_list_while_others_are_left() -> None:
    customer = np.zeros(8, dtype=np.int64)
    product = np.arange(8)
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    category = np.array([1, 1, 1, 1, 2, 2, -1, -1])
    shown, rank = choose(customer, product, score, category, count=5, per_category=2)
    assert product[shown].tolist() == [0, 1, 4, 5, 6]
    assert rank.tolist() == [1, 2, 3, 4, 5]
    crowded, _ = choose(customer[:4], product[:4], score[:4], category[:4], count=3, per_category=2)
    assert product[crowded].tolist() == [0, 1, 2]


def test_trending_shows_at_most_four_of_a_category(made: pa.Table) -> None:
    counts: dict[tuple[str, str], int] = {}
    for row in made.filter(pa.compute.equal(made["strategy"], "trending")).to_pylist():
        key = (row["customer_id"], row["product_id"].partition("-")[0])
        counts[key] = counts.get(key, 0) + 1
    assert max(counts.values()) <= 4


def test_a_product_that_runs_out_comes_back_when_its_time_has_come() -> None:
    rows = [("a", 80), ("a", 60), ("a", 40), ("a", 20), ("b", 80), ("b", 60), ("b", 40), ("b", 2)]
    history = read_history(
        pa.table(
            {
                "customer_id": [row[0] for row in rows],
                "product_id": ["coffee"] * len(rows),
                "at": pa.array([AS_OF - timedelta(days=row[1]) for row in rows], pa.timestamp("us")),
            }
        )
    )
    products = pa.table({"product_id": ["coffee"]})
    table = recommend(
        pa.table(
            {
                "customer_id": [row[0] for row in rows],
                "product_id": ["coffee"] * len(rows),
                "at": pa.array([AS_OF - timedelta(days=row[1]) for row in rows], pa.timestamp("us")),
            }
        ),
        products, as_of=AS_OF, request=Request(strategies=("bought_again",), rules=Rules(just_bought_days=30)),
    ).table  # fmt: skip
    assert table.select(["customer_id", "product_id", "reason"]).to_pylist() == [
        {"customer_id": "a", "product_id": "coffee", "reason": "due_again"}
    ]
    moment = measure(history, (AS_OF - datetime(1970, 1, 1)) / timedelta(days=1), 30.0)
    features = np.full((2, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    features[:, : moment.pairs.shape[1]] = moment.pairs[:2]
    features[:, moment.pairs.shape[1] : moment.pairs.shape[1] + moment.products.shape[1]] = moment.products
    assert just_bought(features, Rules(just_bought_days=30)).tolist() == [False, True]


def test_scores_brought_by_the_shop_take_the_place_of_for_you_under_the_same_rules(
    shop: tuple[pa.Table, pa.Table], preferences: pa.Table
) -> None:
    brought = pa.table(
        {
            "customer_id": ["p000"] * 4 + ["p002"] * 2,
            "product_id": ["tea-03", "tea-04", "tea-05", "unknown", "cakes-01", "pots-01"],
            "score": [9.0, 8.0, 7.0, 6.0, 5.0, 4.0],
        }
    )
    request = Request(strategies=("for_you",), rules=Rules(just_bought_days=0))
    result = recommend(*shop, as_of=AS_OF, preferences=preferences, brought=brought, request=request)
    assert result.table.select(["customer_id", "product_id", "score", "reason"]).to_pylist() == [
        {"customer_id": "p000", "product_id": "tea-05", "score": 7.0, "reason": "shop_choice"},
        {"customer_id": "p002", "product_id": "pots-01", "score": 4.0, "reason": "shop_choice"},
    ]


def test_scores_brought_of_a_customer_who_refused_profiling_are_not_read(shop: tuple[pa.Table, pa.Table]) -> None:
    customers = pa.table({"customer_id": ["p000", "p001", "p003"], "profiling": [True, False, None]})
    brought = pa.table({"customer_id": customers["customer_id"], "product_id": ["tea-05"] * 3, "score": [1.0] * 3})
    result = recommend(*shop, as_of=AS_OF, customers=customers, brought=brought, request=Request(rules=Rules(just_bought_days=0)))
    personal = result.table.filter(pc.not_equal(result.table["strategy"].cast(pa.string()), "trending"))
    assert set(personal["customer_id"].to_pylist()) == {"p000"}
    assert "for_you" in personal["strategy"].to_pylist()


def test_a_shop_without_history_abstains_and_still_shows_something() -> None:
    interactions = pa.table({"customer_id": ["a"], "product_id": ["x"], "at": pa.array([AS_OF - timedelta(days=1)], pa.timestamp("us"))})
    products = pa.table({"product_id": ["x", "y", "z"], "category": [None, "pots", "pots"]})
    result = recommend(interactions, products, as_of=AS_OF)
    assert "too few customers" in result.rankers["for_you"].reason
    assert set(result.table["product_id"].to_pylist()) == {"y", "z"}
    empty = recommend(interactions.slice(0, 0), products, as_of=AS_OF, customers=pa.table({"customer_id": ["a"]}))
    assert empty.table["product_id"].to_pylist() == ["x", "y", "z"]


def test_lists_are_the_same_however_many_customers_are_worked_on_at_once(
    customers: pa.Table, preferences: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    interactions, products = planted_shop(90)
    request = Request(settings=Settings(iterations=5))
    whole = recommend(interactions, products, as_of=AS_OF, customers=customers, preferences=preferences, request=request)
    monkeypatch.setattr(candidates, "BLOCK_CELLS", 1)
    parts = recommend(interactions, products, as_of=AS_OF, customers=customers, preferences=preferences, request=request)
    assert parts.table.equals(whole.table)
