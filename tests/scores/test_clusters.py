"""Groups of customers: found where they are, refused where they are not, and the same from day to day."""

import numpy as np
import pyarrow as pa
import pytest

from ml.abstention import Abstained
from ml.clusters import COLUMNS, LEAST_SHARE, ClusterModel, train_clusters

KINDS = {
    # purchase days, recency, tenure, cents a basket, products
    "regulars": (20, 10, 600, 4000, 25),
    "once, long ago": (1, 400, 420, 3000, 2),
    "newcomers": (1, 15, 20, 5000, 3),
    "gift givers": (3, 60, 500, 30000, 6),
}


def shop_of(people: int, spread: float, seed: int = 4) -> tuple[pa.Table, np.ndarray]:
    """Features of people of the four kinds, each number spread around its kind's, and the kind of each."""
    generator = np.random.default_rng(seed)
    kinds = generator.integers(0, len(KINDS), people)
    middle = np.log1p(np.array(list(KINDS.values()), dtype=np.float64))[kinds]
    values = np.expm1(middle + generator.normal(0, spread, middle.shape))
    table = {"customer_id": [f"c{person:05d}" for person in range(people)]}
    return pa.table(table | {name: values[:, place] for place, name in enumerate(COLUMNS)}), kinds


@pytest.mark.parametrize("method", ["kmeans", "hierarchical"])
def test_planted_groups_are_found_and_named_apart(method: str) -> None:
    features, kinds = shop_of(1200, 0.25)
    found = train_clusters(features, method)
    assert isinstance(found, ClusterModel), found
    assert len(set(found.names)) == len(found.names) == len(KINDS)
    assigned = np.array(found.assign(features))
    for kind in range(len(KINDS)):
        names, counts = np.unique(assigned[kinds == kind], return_counts=True)
        assert counts.max() / counts.sum() > 0.95, names
    regulars = assigned[kinds == 0][0]
    assert "frequent" in regulars or "varied" in regulars
    assert all(" of the buyers; " in description for description in found.descriptions)
    told = " ".join(found.descriptions)
    assert "1 purchase day (all buyers:" in told
    assert " 1 purchase days" not in told


def test_one_even_cloud_has_no_groups() -> None:
    """The control of the finding: without groups the draws do not agree, and the shop is told so."""
    generator = np.random.default_rng(1)
    cloud = np.expm1(3 + generator.normal(0, 1, (1200, len(COLUMNS))))
    table = {"customer_id": [str(person) for person in range(1200)]} | {name: cloud[:, n] for n, name in enumerate(COLUMNS)}
    found = train_clusters(pa.table(table))
    assert isinstance(found, Abstained)
    assert "comes back" in found.reason


def test_forty_customers_are_not_grouped() -> None:
    assert train_clusters(shop_of(40, 0.2)[0]) == Abstained("40 customers have bought, a model needs 300")


def test_no_group_is_smaller_than_five_percent() -> None:
    features, _ = shop_of(1200, 0.25)
    few = shop_of(30, 0.05, seed=9)[0]
    strange = few.set_column(few.schema.get_field_index("order_value_mean_cents"), "order_value_mean_cents", pa.array([1e9] * 30))
    found = train_clusters(pa.concat_tables([features, strange]))
    assert isinstance(found, ClusterModel)
    assigned = np.array(found.assign(pa.concat_tables([features, strange])))
    assert min(np.mean(assigned == name) for name in found.names) >= LEAST_SHARE


def test_one_customer_alone_is_in_the_group_of_the_batch() -> None:
    features, _ = shop_of(1200, 0.4)
    found = train_clusters(features)
    assert isinstance(found, ClusterModel)
    batch = found.assign(features)
    assert [found.assign(features.slice(place, 1))[0] for place in range(0, 1200, 60)] == batch[::60]


def test_a_group_keeps_its_name_through_a_new_training() -> None:
    """The control: trained anew without the former model, a name of its own choice would not be the former's."""
    features, _ = shop_of(1200, 0.25)
    before = train_clusters(features)
    assert isinstance(before, ClusterModel)
    former = ClusterModel(**{**before.__dict__, "names": tuple(f"cluster_{place}" for place in range(len(before.names)))})
    later, kinds = shop_of(1300, 0.25, seed=5)
    again = train_clusters(later, previous=former)
    assert isinstance(again, ClusterModel)
    assert set(again.names) == set(former.names)
    assert set(train_clusters(later).names) != set(former.names)  # type: ignore[union-attr]
    kept = np.array(again.assign(later)) == np.array(former.assign(later))
    assert kept.mean() > 0.95
    assert len(np.unique(kinds)) == len(KINDS)
