"""Groups of customers who buy alike, where the shop has such groups: as many as come back when the customers are drawn anew.

k-means (or Ward's hierarchical clustering where the shop chooses it) on log1p, standardised, clipped values. Silhouette always says two and
likes transforms that set a few outliers apart, so the number is the largest of 3 to 8 whose bootstrap draws agree: mean adjusted Rand index
at least .90, worst at least .75, and no group under 5 %. No such number: no clusters, said in one sentence.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from ml.abstention import Abstained, too_few_customers
from ml.backtest import Backtest
from ml.promotion import Verdict, judge
from ml.signals import numbers

Matrix = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trait:
    """What a marketer would sort customers by: words for far above and far below the shop's middle, how to say many and a single one of it, and what
    one of it is."""

    above: str
    below: str
    many: str
    single: str
    one: float = 1.0

    def said(self, value: float) -> str:
        number = f"{value / self.one:.0f}"
        return f"{number} {self.single if number == '1' else self.many}"


TRAITS = {
    "purchase_days_count": Trait("frequent", "occasional", "purchase days", "purchase day"),
    "recency_days": Trait("quiet", "recent", "days since the last order", "day since the last order"),
    "tenure_days": Trait("longstanding", "new", "days since the first order", "day since the first order"),
    "order_value_mean_cents": Trait("big_baskets", "small_baskets", "in money a basket", "in money a basket", 100.0),
    "products_count": Trait("varied", "few_products", "different products", "different product"),
}
COLUMNS = tuple(TRAITS)
SIZES = range(8, 2, -1)
DRAWS = 20
MEAN_AGREEMENT, WORST_AGREEMENT, LEAST_SHARE = 0.90, 0.75, 0.05
LIMIT = 3.0
# As many customers as the choice needs; all are assigned.
SAMPLE = 1_500
# A trait is said when the group's mean is at least so many standard deviations off; the two strongest make the name.
TELLING = 0.4


@dataclass(frozen=True)
class ClusterModel:
    """`centres` are in scaled values, one row per cluster; `names` and `descriptions` go with them. `agreement` is the mean and the worst
    adjusted Rand index over the draws; `tested` how far customers of the day are from their groups' middles."""

    method: str
    columns: tuple[str, ...]
    middle: Matrix
    scale: Matrix
    centres: Matrix
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    agreement: tuple[float, float]
    verdict: Verdict | None = None
    tested: Backtest | None = field(default=None, compare=False, metadata={"stored": False})

    def assign(self, features: pa.Table) -> list[str]:
        """The name of the nearest cluster of each row, alone or in the batch; of equals the first."""
        places = _nearest(_scaled(_logged(features, self.columns), self.middle, self.scale), self.centres)
        return [self.names[place] for place in places]


def train_clusters(features: pa.Table, method: str = "kmeans", previous: ClusterModel | None = None) -> ClusterModel | Abstained:
    """Find the clusters of a day's buyers (`features.order_features`). A cluster that is mostly one of the `previous` keeps its name.

    `previous` is also the champion: of the day's customers the new groups may leave no more spread within them than its groups do.
    """
    if method not in ("kmeans", "hierarchical"):
        raise ValueError(f"there is no way of clustering called {method}; there are kmeans and hierarchical")
    few = too_few_customers(len(features))
    if few:
        return few
    logged = _logged(features, COLUMNS)
    middle, scale = logged.mean(axis=0), np.maximum(logged.std(axis=0), 1e-9)
    scaled = _scaled(logged, middle, scale)
    generator = np.random.default_rng(0)
    sample = scaled[np.sort(generator.choice(len(scaled), min(SAMPLE, len(scaled)), replace=False))]
    draws = [generator.integers(0, len(sample), len(sample)) for _ in range(DRAWS)]
    with threadpool_limits(1):
        for size in SIZES:
            centres = _centres(sample, size, method)
            agreement = _agreement(sample, centres, draws, method)
            shares = np.bincount(_nearest(scaled, centres), minlength=size) / len(scaled)
            if agreement[0] >= MEAN_AGREEMENT and agreement[1] >= WORST_AGREEMENT and shares.min() >= LEAST_SHARE:
                names, descriptions = _told(centres, shares, logged, _nearest(scaled, centres), COLUMNS)
                model = ClusterModel(method, COLUMNS, middle, scale, centres, names, descriptions, agreement)
                return model if previous is None else _held_against(_renamed(model, previous, features), previous, features, scaled)
    return Abstained(f"no number of groups from 3 to 8 comes back in {DRAWS} draws of the customers")


def _held_against(model: ClusterModel, champion: ClusterModel, features: pa.Table, scaled: Matrix) -> ClusterModel:
    """The model with its verdict on the champion; none where the champion reads other columns."""
    if champion.columns != model.columns:
        return model
    challenger, stood = (_left_within(scaled, np.array(one.assign(features))) for one in (model, champion))
    nothing = np.zeros(len(scaled))
    tested = Backtest("groups", nothing, nothing, challenger, _left_within(scaled, nothing), stood)
    return replace(model, verdict=judge(tested), tested=tested)


def _left_within(scaled: Matrix, groups: np.ndarray) -> Matrix:
    """Per customer the squared distance to the middle of their group, over the mean one to the middle of all, times groups^(2/columns): by that
    much more groups leave less even of an even cloud (Krzanowski, Lai 1988)."""
    names, of_row = np.unique(groups, return_inverse=True)
    sizes = np.bincount(of_row).astype(np.float64)
    middles = np.column_stack([np.bincount(of_row, weights=column) / sizes for column in scaled.T])
    distance = np.square(scaled - middles[of_row]).sum(axis=1)
    overall = max(np.square(scaled - scaled.mean(axis=0)).sum(axis=1).mean(), 1e-12)
    return np.asarray(distance / overall * len(names) ** (2 / scaled.shape[1]), dtype=np.float64)


def _logged(features: pa.Table, columns: tuple[str, ...]) -> Matrix:
    return np.log1p(np.maximum(np.nan_to_num(np.column_stack([numbers(features, name) for name in columns])), 0.0))


def _scaled(logged: Matrix, middle: Matrix, scale: Matrix) -> Matrix:
    return np.clip((logged - middle) / scale, -LIMIT, LIMIT)


def _nearest(scaled: Matrix, centres: Matrix) -> Ints:
    # Cluster by cluster: the sum over columns is then the same for one row and for many.
    distances = np.column_stack([np.einsum("ij,ij->i", scaled - centre, scaled - centre) for centre in centres])
    return np.asarray(distances.argmin(axis=1), dtype=np.int64)


def _centres(sample: Matrix, size: int, method: str) -> Matrix:
    if method == "hierarchical":
        labels = AgglomerativeClustering(size, linkage="ward").fit_predict(sample)
        found = np.vstack([sample[labels == label].mean(axis=0) for label in range(size)])
    else:
        found = KMeans(size, n_init=4, random_state=0).fit(sample).cluster_centers_
    # In a fixed order: by the columns, the first one first.
    return np.asarray(found[np.lexsort(found.T[::-1])], dtype=np.float64)


def _agreement(sample: Matrix, centres: Matrix, draws: list[Ints], method: str) -> tuple[float, float]:
    """The mean and the worst agreement with what the draws find; it stops early where the mean can no longer be reached."""
    labels, found = _nearest(sample, centres), []
    for number, draw in enumerate(draws, start=1):
        again = _nearest(sample, _centres(sample[draw], len(centres), method))
        found.append(float(adjusted_rand_score(labels, again)))
        if found[-1] < WORST_AGREEMENT or (sum(found) + len(draws) - number) / len(draws) < MEAN_AGREEMENT:
            break
    return float(np.mean(found)), float(min(found))


def _told(
    centres: Matrix, shares: Matrix, logged: Matrix, labels: Ints, columns: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names from the strongest traits, as many as it takes to tell the clusters apart, and a sentence each."""
    order = np.argsort(-np.abs(centres), axis=1, kind="stable")
    names: list[str] = []
    said: list[set[str]] = []
    for place, centre in enumerate(centres):
        words = [_word(TRAITS[columns[column]], float(centre[column])) for column in order[place]]
        telling = sum(abs(centre[column]) >= TELLING for column in order[place])
        length = max(min(telling, 2), 1)
        # The same words in another order would not tell two groups apart.
        while set(words[:length]) in said and length < len(words):
            length += 1
        said.append(set(words[:length]))
        names.append("_".join(["cluster", *words[:length]]))
    overall = np.expm1(np.median(logged, axis=0))
    descriptions = []
    for place in range(len(centres)):
        typical = np.expm1(np.median(logged[labels == place], axis=0))
        told = []
        for column in order[place][:3]:
            trait = TRAITS[columns[column]]
            told.append(f"{trait.said(typical[column])} (all buyers: {overall[column] / trait.one:.0f})")
        descriptions.append(f"{shares[place]:.0%} of the buyers; typically {', '.join(told)}.")
    return tuple(names), tuple(descriptions)


def _word(trait: Trait, level: float) -> str:
    return trait.above if level > 0 else trait.below


def _renamed(model: ClusterModel, previous: ClusterModel, features: pa.Table) -> ClusterModel:
    """The same clusters under the names of the previous ones with which they share most of their members."""
    now, before = np.array(model.assign(features)), np.array(previous.assign(features))
    shared = np.array([[np.sum((now == name) & (before == old)) for old in previous.names] for name in model.names], dtype=np.float64)
    united = np.array([[np.sum((now == name) | (before == old)) for old in previous.names] for name in model.names], dtype=np.float64)
    overlap = shared / np.maximum(united, 1.0)
    names = list(model.names)
    for place, old in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[place, old] >= 0.5:
            kept = previous.names[old]
            if kept in names and names.index(kept) != place:
                names[names.index(kept)] = names[place]
            names[place] = kept
    return replace(model, names=tuple(names))
