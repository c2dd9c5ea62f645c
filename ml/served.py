"""How MLflow loads a recorded model: from its plain files, through `ml.store`, with nothing unpickled.

`mlflow.pyfunc.load_model("models:/churn@champion").predict(features)` takes the features of a whole day as a frame, because a score is read
off the distributions of the day's customers, and gives a frame with customer_id and the score.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.customer_scores import Trained, measure, score
from ml.propensity import PropensityModel, measure_propensity, score_propensity
from ml.store import fingerprint, load


@dataclass(frozen=True)
class Served:
    """A model that MLflow can call."""

    model: Trained | PropensityModel

    def predict(self, features: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """The scores of every row, ranked within the rows given."""
        table = pa.Table.from_pandas(features, preserve_index=False)
        if isinstance(self.model, PropensityModel):
            probability = score_propensity(self.model, measure_propensity(self.model, table), table)
            return pd.DataFrame({"customer_id": features["customer_id"], self.model.outcome: np.round(probability, 6)})
        return score(self.model, measure(self.model, table), table).to_pandas()


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls, with the folder of the model's files."""
    folder = Path(path)
    return Served(load(folder, fingerprint(folder)))
