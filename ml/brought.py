"""A model trained elsewhere as a score: a scikit-learn model in the skops format, and a map from the columns it reads to ours.

Nothing is unpickled. A skops file names the types it is made of; it is opened only if scikit-learn's own and those listed here are all there
are. What it says of the newest rows must be numbers, and of a probability between 0 and 1; else it abstains and says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from ml.abstention import Abstained
from ml.signals import numbers

Vector = NDArray[np.float64]
Gives = Literal["probability", "amount"]

# Beyond what skops trusts by itself (scikit-learn's estimators, numpy's arrays): the inside of trees, calibration and small networks.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)


class Unusable(ValueError):
    """A brought model cannot score these rows; the message says why."""


@dataclass(frozen=True)
class BroughtModel:
    """`content` is the skops file; `reads` are the names of its columns in its order, `columns` ours. `gives` is what it predicts: the
    probability of a classifier's second class, or a regressor's amount.
    """

    name: str
    version: str
    gives: str
    reads: tuple[str, ...]
    columns: tuple[str, ...]
    content: NDArray[np.uint8]

    @cached_property
    def _estimator(self) -> Any:
        return skops_io().loads(self.content.tobytes(), trusted=sorted(TRUSTED_TYPES))

    def frame(self, features: pa.Table) -> pd.DataFrame:
        """The rows as the model knows them: numbers as doubles, text as it is."""
        gone = sorted(set(self.columns) - set(features.column_names))
        if gone:
            raise Unusable(f"{self.name} reads {', '.join(gone)}, which the features do not have")
        try:
            read = {theirs: _values(features, ours) for theirs, ours in zip(self.reads, self.columns, strict=True)}
        except pa.ArrowException as error:
            raise Unusable(f"{self.name} reads a column that is neither a number nor text ({error})") from error
        return pd.DataFrame(read, columns=list(self.reads))

    def predict(self, rows: pd.DataFrame) -> Vector:
        """One number per row.

        Raises:
            Unusable: the model fails on the rows, or gives something that is no score.
        """
        try:
            said = self._estimator.predict_proba(rows) if self.gives == "probability" else self._estimator.predict(rows)
            found = np.asarray(said, dtype=np.float64)
        except Exception as error:
            # Somebody else's model may fail in any way; none of them may stop a night.
            raise Unusable(f"{self.name} version {self.version} fails on the rows: {type(error).__name__}: {error}") from error
        found = found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found
        if found.shape != (len(rows),) or not np.isfinite(found).all():
            raise Unusable(f"{self.name} version {self.version} does not give one number per customer")
        if self.gives == "probability" and ((found < 0) | (found > 1)).any():
            raise Unusable(f"{self.name} version {self.version} gives probabilities below 0 or above 1")
        return found


@dataclass(frozen=True)
class BroughtDay:
    """The middle of the day's customers per column, as reasons need it: the median of numbers, the commonest of texts."""

    middle: tuple[float | str | None, ...]


def skops_io() -> Any:
    """The reader of skops files. Its list of trusted types takes a second to make: who brings no model does not wait for it."""
    from skops import io

    return io


def bring(name: str, version: str, content: bytes, columns: Mapping[str, str], gives: Gives) -> BroughtModel | Abstained:
    """A model from its skops file; an abstention where the file is made of types that are not trusted, or is no skops file."""
    model = BroughtModel(name, version, gives, tuple(columns), tuple(columns.values()), np.frombuffer(content, dtype=np.uint8))
    try:
        strange = sorted(set(skops_io().get_untrusted_types(data=content)) - TRUSTED_TYPES)
        if strange:
            return Abstained(f"{name} version {version} is made of {', '.join(strange)}, which is not trusted; nothing of it was loaded")
        estimator = model._estimator
    except Exception as error:
        return Abstained(f"{name} version {version} cannot be read as a skops file: {type(error).__name__}")
    if not hasattr(estimator, "predict_proba" if gives == "probability" else "predict"):
        return Abstained(f"{name} version {version} is a {type(estimator).__name__}, which gives no {gives}")
    known = [str(column) for column in getattr(estimator, "feature_names_in_", columns)]
    if sorted(known) != sorted(columns):
        return Abstained(f"{name} version {version} reads {', '.join(known)}; the shop maps {', '.join(columns)}")
    return replace(model, reads=tuple(known), columns=tuple(columns[column] for column in known))


def measure_brought(model: BroughtModel, features: pa.Table) -> BroughtDay:
    """The middle of a day, from all who are scored on it."""
    frame = model.frame(features)
    return BroughtDay(tuple(_middle(frame[name]) for name in model.reads))


def score_brought(model: BroughtModel, features: pa.Table) -> Vector:
    """The score of each row."""
    return model.predict(model.frame(features)) if len(features) else np.zeros(0)


def moved_by(model: BroughtModel, day: BroughtDay, features: pa.Table, groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Per row and group of columns: the score less the score with the group as in the middle of the day."""
    frame = model.frame(features)
    own = model.predict(frame)
    moved = []
    for positions in groups:
        changed = frame.assign(**{model.reads[at]: day.middle[at] for at in positions})
        moved.append(own - model.predict(changed.astype(frame.dtypes.to_dict())))
    return np.column_stack(moved)


def _values(features: pa.Table, column: str) -> Any:
    kind = features.schema.field(column).type
    if types.is_string(kind) or types.is_large_string(kind):
        return np.array(features[column].to_pylist(), dtype=object)
    return numbers(features, column)


def _middle(values: Any) -> float | str | None:
    known = values.dropna()
    if not len(known):
        return float("nan") if values.dtype.kind == "f" else None
    return float(known.median()) if values.dtype.kind == "f" else str(sorted(known.mode())[0])
