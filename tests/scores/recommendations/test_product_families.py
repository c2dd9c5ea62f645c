"""Sizes and colours of one product: one place of a list, never a bundle."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from planted_shop import AS_OF, REQUEST

from ml.recommendations import Request, Rules, recommend
from ml.recommendations.catalogue import read_catalogue
from ml.recommendations.rules import one_of_a_family


def test_sizes_of_one_product_take_one_place_of_a_list() -> None:
    customer = np.array([0, 0, 0, 0, 0, 1, 1])
    product = np.array([0, 1, 2, 3, 4, 0, 1])
    score = np.array([0.7, 0.9, 0.9, 0.6, 0.5, 0.2, 0.1])
    family = np.array([5, 5, 5, -1, -1, 5, 5])
    assert one_of_a_family(customer, product, score, family).tolist() == [False, True, False, True, True, True, False]


def test_no_list_shows_two_of_a_family(shop: tuple[pa.Table, pa.Table]) -> None:
    interactions, products = shop
    names = [product[:-1] for product in products["product_id"].to_pylist()]
    request = replace(REQUEST, strategies=("trending", "similar_to", "goes_with"))

    def twice(catalogue: pa.Table) -> bool:
        shown = recommend(interactions, catalogue, as_of=AS_OF, request=request).table.to_pylist()
        places = [(row["customer_id"], row["strategy"], row["product_id"][:-1]) for row in shown]
        assert places
        return len(set(places)) < len(places)

    assert twice(products)
    assert not twice(products.append_column("family", pa.array(names)))


def shirts(runs_out: bool = False) -> tuple[pa.Table, pa.Table]:
    """Twelve shirts in three sizes, of which people order two at a time to try them on; "me" bought one in M two days ago. What runs out everybody
    buys again every 25 days."""
    generator = np.random.default_rng(0)
    rows = [("me", "03m", 2.0)]
    for number in range(200):
        for _ in range(3):
            shirt, days = int(generator.integers(12)), float(generator.uniform(20, 300))
            for size in generator.choice(list("sml"), 2, replace=False):
                rows += [(f"c{number:03d}", f"{shirt:02d}{size}", days + again) for again in ((0, 25) if runs_out else (0,))]
    fabrics = ("linen", "wool", "silk", "denim", "cord", "velvet", "cotton", "jersey", "flannel", "tweed", "satin", "mohair")
    numbers = [(shirt, size) for shirt in range(12) for size in "sml"]
    products = pa.table(
        {
            "product_id": [f"{shirt:02d}{size}" for shirt, size in numbers],
            "title": [f"{fabrics[shirt]} shirt" for shirt, _ in numbers],
            "family": [f"{shirt:02d}" for shirt, _ in numbers],
        }
    )
    interactions = pa.table(
        {
            "customer_id": [row[0] for row in rows],
            "product_id": [row[1] for row in rows],
            "at": pa.array([AS_OF - timedelta(days=row[2]) for row in rows], pa.timestamp("us")),
            "kind": ["purchase"] * len(rows),
        }
    )
    return interactions, products


def test_another_size_of_what_was_just_bought_is_not_shown_unless_it_runs_out() -> None:
    def shown_me(interactions: pa.Table, products: pa.Table) -> set[tuple[str, str]]:
        rows = recommend(interactions, products, as_of=AS_OF, request=Request(top=40, rules=Rules(per_category=40))).table.to_pylist()
        assert len({row["strategy"] for row in rows if row["customer_id"] == "me"}) >= 4
        return {(row["strategy"], row["product_id"]) for row in rows if row["customer_id"] == "me" and row["product_id"].startswith("03")}

    interactions, products = shirts()
    assert shown_me(interactions, products) == set()
    brought = pa.table({"customer_id": ["me", "me"], "product_id": ["03l", "04l"], "score": [2.0, 1.0]})
    made = recommend(interactions, products, as_of=AS_OF, brought=brought, request=Request(strategies=("for_you",))).table
    assert made["product_id"].to_pylist() == ["04l"]
    assert {"trending", "for_you"} <= {strategy for strategy, _ in shown_me(*shirts(runs_out=True))}


def test_sizes_of_one_product_are_neither_alike_nor_a_bundle() -> None:
    made = recommend(*shirts(), as_of=AS_OF, request=Request(strategies=("similar_to",)))
    pairs = made.relations.filter(pc.equal(made.relations["relation"], "similar_to")).to_pylist()
    assert {pair["product_id"] for pair in pairs} == set(shirts()[1]["product_id"].to_pylist())
    every = [(row["product_id"], row["related_product_id"]) for row in made.relations.to_pylist()]
    assert not [pair for pair in every if pair[0][:2] == pair[1][:2]]
    assert not [bundle for bundle in made.bundles["product_ids"].to_pylist() if len({product[:2] for product in bundle}) < len(bundle)]
    # The control: sizes are ordered together more than anything else.
    unknown = recommend(shirts()[0], shirts()[1].drop_columns("family"), as_of=AS_OF, request=Request(strategies=("similar_to",)))
    assert {len({product[:2] for product in bundle}) for bundle in unknown.bundles["product_ids"].to_pylist()} == {1}


def test_families_are_products_that_share_a_name() -> None:
    products = pa.table({"product_id": ["s", "m", "mug", "cup"], "family": ["shirt", "shirt", "mug", None]})
    family = read_catalogue(products, np.array(["cup", "m", "mug", "s", "sold once"], dtype=object), 0.0).family
    assert family is not None
    assert family.tolist() == [-1, 0, -1, 0, -1]
    assert read_catalogue(products.drop_columns("family"), np.array(["cup", "m", "mug", "s"], dtype=object), 0.0).family is None
