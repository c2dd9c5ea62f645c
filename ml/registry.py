"""MLflow as the record of trainings: the one module that imports it. `scores.model_log` is the truth; aliases here mirror it.

Models go in as the plain files that `ml.store` wrote, never as pickles, and come out by SHA-256. Each also is an MLflow model (signature,
pinned requirements, a loader that reads the plain files), so `mlflow.pyfunc.load_model("models:/churn@champion")` scores a day's features.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import yaml
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ml.store import load, save

CHAMPION = "champion"
CHALLENGER = "challenger"
FOLDER = "model"
# Without it MLflow's UI opens the experiment as one of language models, on an empty page, and not on its runs.
KIND = {"mlflow.experimentKind": "custom_model_development"}
# What a served model needs, at the versions that trained it; stated, because inferring them takes MLflow ten seconds a model.
REQUIREMENTS = ("mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


# MLflow's words for a name that is not registered, and for an alias that points at nothing.
NO_SUCH = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Unreachable(RuntimeError):
    """MLflow does not answer, or what it gives is no model; the message names which."""


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: str
    run_id: str
    sha256: str


@dataclass(frozen=True)
class Foreign:
    """A version that was registered by others: its file in the skops format, or why there is none."""

    version: str
    content: bytes | None
    refusal: str = ""


@dataclass(frozen=True)
class Account:
    """What a run says of a training beside the model: numbers, `files` by path, and the names of the columns that the model reads and
    gives.
    """

    params: Mapping[str, str | int | float]
    metrics: Mapping[str, float]
    files: Mapping[str, bytes] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry:
    """A tracking store (`sqlite:///…`) and the folder its files go to; `experiment` is the shop's name."""

    tracking_uri: str
    artifacts: Path
    experiment: str

    def record(self, name: str, model: Any, account: Account, promoted: bool = False) -> Registered:
        """Log one training as a run and a registered version. Promoted: it becomes the champion, else the challenger."""
        client = self._client()
        experiment = self._experiment(client)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            sha256 = save(model, folder / FOLDER)
            run = client.create_run(experiment, run_name=name, tags={"sha256": sha256, "score": name})
            run_id = run.info.run_id
            describe_model(folder / FOLDER, name, account, run_id)
            for path, content in account.files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            client.log_batch(
                run_id,
                metrics=[Metric(key, float(value), run.info.start_time, 0) for key, value in account.metrics.items()],
                params=[Param(key, str(value)) for key, value in account.params.items()],
                tags=[RunTag("promoted", str(promoted).lower())],
            )
            client.log_artifacts(run_id, str(folder))
        client.set_terminated(run_id)
        version = self._version(client, name, run_id, sha256, str(run.info.artifact_uri))
        client.set_registered_model_alias(name, CHAMPION if promoted else CHALLENGER, version)
        return Registered(name, version, run_id, sha256)

    def note(self, name: str, metrics: Mapping[str, float], files: Mapping[str, bytes]) -> str:
        """Log a run that trained no model; return its id."""
        client = self._client()
        run = client.create_run(self._experiment(client), run_name=name)
        client.log_batch(run.info.run_id, metrics=[Metric(key, float(value), run.info.start_time, 0) for key, value in metrics.items()])
        with tempfile.TemporaryDirectory() as scratch:
            for path, content in files.items():
                (Path(scratch) / path).write_bytes(content)
            client.log_artifacts(run.info.run_id, scratch)
        client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def by_alias(self, name: str, alias: str = CHAMPION) -> Registered | None:
        """The version that an alias points to, None when there is none."""
        try:
            found = self._client().get_model_version_by_alias(name, alias)
        except MlflowException:
            return None
        return Registered(name, str(found.version), str(found.run_id), found.tags.get("sha256", ""))

    def versions(self, name: str) -> list[Registered]:
        """Every version of a model, newest first; none of a name that is not registered."""
        found = self._client().search_model_versions(f"name='{name}'")
        listed = [Registered(name, str(one.version), str(one.run_id), one.tags.get("sha256", "")) for one in found]
        return sorted(listed, key=lambda one: -int(one.version))

    def point(self, name: str, version: str) -> None:
        """Move the alias of what scores: promotion, or roll-back to an older version."""
        self._client().set_registered_model_alias(name, CHAMPION, version)

    def fetch(self, registered: Registered) -> Any:
        """The model of a version, after its SHA-256 was checked."""
        with tempfile.TemporaryDirectory() as folder:
            downloaded = self._client().download_artifacts(registered.run_id, FOLDER, folder)
            return load(Path(downloaded), registered.sha256)

    def foreign(self, name: str, alias: str) -> Foreign | None:
        """A scikit-learn model that others registered, unopened; None where no version has the alias.

        Raises:
            Unreachable: MLflow does not answer, or gives no model.
        """
        try:
            return self._foreign(name, alias)
        except (MlflowException, OSError, KeyError, yaml.YAMLError) as error:
            if getattr(error, "error_code", "") in NO_SUCH:
                return None
            raise Unreachable(f"MLflow gives no {name} with the alias {alias} ({type(error).__name__})") from error

    def _foreign(self, name: str, alias: str) -> Foreign:
        client = self._client()
        version = str(client.get_model_version_by_alias(name, alias).version)
        with tempfile.TemporaryDirectory() as scratch:
            # By its place: an address models:/… would be looked up in whatever registry the process has set.
            uri = client.get_model_version_download_uri(name, version)
            folder = Path(download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=self.tracking_uri))
            flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"].get("sklearn", {})
            if flavour.get("serialization_format") != "skops":
                saved = flavour.get("serialization_format") or "another kind of model"
                said = "log it with mlflow.sklearn.log_model(…, serialization_format='skops')"
                return Foreign(version, None, f"{name} version {version} is saved as {saved}, and nothing is unpickled: {said}")
            return Foreign(version, (folder / Path(flavour["pickled_model"]).name).read_bytes())

    def _client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.tracking_uri)

    def _experiment(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self.experiment)
        folder = self.artifacts.resolve().as_uri()
        return str(found.experiment_id if found else client.create_experiment(self.experiment, artifact_location=folder, tags=KIND))

    def _version(self, client: MlflowClient, name: str, run_id: str, sha256: str, artifact_uri: str) -> str:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return str(client.create_model_version(name, f"{artifact_uri}/{FOLDER}", run_id, tags={"sha256": sha256}).version)


def describe_model(folder: Path, name: str, account: Account, run_id: str) -> None:
    """Write the files by which MLflow knows a model: MLmodel with signature and loader, requirements.txt with pins."""
    described = {
        "artifact_path": FOLDER,
        "flavors": {
            "python_function": {
                "loader_module": "ml.served",
                "python_version": ".".join(map(str, sys.version_info[:3])),
                "env": {"virtualenv": "python_env.yaml"},
            }
        },
        "metadata": {"score": name},
        "mlflow_version": version("mlflow"),
        "run_id": run_id,
        "signature": signature_of(account.columns, account.outputs),
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(described, sort_keys=True), encoding="utf-8")
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in pins()), encoding="utf-8")
    environment = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=True), encoding="utf-8")


@cache
def pins() -> tuple[str, ...]:
    return tuple(f"{package}=={version(package)}" for package in REQUIREMENTS)


def signature_of(columns: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str | None]:
    """Columns in, scores out, as MLflow writes a signature."""
    inputs = [{"type": "string", "name": "customer_id", "required": True}]
    inputs += [{"type": "double", "name": column, "required": False} for column in columns]
    outputs = [{"type": "string", "name": "customer_id", "required": True}]
    outputs += [{"type": "double", "name": column, "required": True} for column in given]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
