"""MLflow as the record of trainings: the one module that imports it. `scores.model_log` is the truth; aliases here mirror it.

Models go in as the plain files that `ml.store` wrote, never as pickles, and come out by SHA-256.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ml.store import load, save

CHAMPION = "champion"
CHALLENGER = "challenger"
FOLDER = "model"


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: str
    run_id: str
    sha256: str


@dataclass(frozen=True)
class Registry:
    """A tracking store (`sqlite:///…`) and the folder its files go to; `experiment` is the shop's name."""

    tracking_uri: str
    artifacts: Path
    experiment: str

    def record(
        self,
        name: str,
        model: Any,
        params: Mapping[str, str | int | float],
        metrics: Mapping[str, float],
        figures: Mapping[str, Any] | None = None,
        promoted: bool = False,
    ) -> Registered:
        """Log one training as a run and a registered version; `figures` are matplotlib figures by file name. Promoted: it becomes the
        champion.
        """
        client = self._client()
        run = client.create_run(self._experiment(client), run_name=name)
        run_id = run.info.run_id
        for key, value in params.items():
            client.log_param(run_id, key, value)
        for key, value in metrics.items():
            client.log_metric(run_id, key, float(value))
        for file, figure in (figures or {}).items():
            client.log_figure(run_id, figure, f"plots/{file}")
        with tempfile.TemporaryDirectory() as folder:
            sha256 = save(model, Path(folder) / FOLDER)
            client.log_artifacts(run_id, str(Path(folder) / FOLDER), FOLDER)
        client.set_tag(run_id, "sha256", sha256)
        client.set_terminated(run_id)
        version = self._version(client, name, run_id, sha256)
        client.set_registered_model_alias(name, CHAMPION if promoted else CHALLENGER, version)
        return Registered(name, version, run_id, sha256)

    def by_alias(self, name: str, alias: str = CHAMPION) -> Registered | None:
        """The version that an alias points to, None when there is none."""
        try:
            found = self._client().get_model_version_by_alias(name, alias)
        except MlflowException:
            return None
        return Registered(name, str(found.version), str(found.run_id), found.tags["sha256"])

    def point(self, name: str, version: str, alias: str = CHAMPION) -> None:
        """Move an alias: promotion, or roll-back to an older version."""
        self._client().set_registered_model_alias(name, alias, version)

    def fetch(self, registered: Registered) -> Any:
        """The model of a version, after its SHA-256 was checked."""
        with tempfile.TemporaryDirectory() as folder:
            downloaded = self._client().download_artifacts(registered.run_id, FOLDER, folder)
            return load(Path(downloaded), registered.sha256)

    def _client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _experiment(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self.experiment)
        return str(
            found.experiment_id if found else client.create_experiment(self.experiment, artifact_location=self.artifacts.resolve().as_uri())
        )

    def _version(self, client: MlflowClient, name: str, run_id: str, sha256: str) -> str:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = client.get_run(run_id).info.artifact_uri + f"/{FOLDER}"
        return str(client.create_model_version(name, source, run_id, tags={"sha256": sha256}).version)
