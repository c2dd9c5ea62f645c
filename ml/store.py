"""Models as plain data: numbers in `arrays.npz`, everything else in `model.json`. Nothing is unpickled; only the types listed here come
back. A field marked `metadata={"stored": False}` is not part of the model.

The same model is the same bytes, so its SHA-256 is its name: `scores.model_log` holds it, and a folder that does not match is refused.
"""

import hashlib
import json
import tempfile
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.boosting import Trees
from ml.brought import BroughtDay, BroughtModel
from ml.buy_till_you_die import Purchasing, Spending
from ml.churn import ChurnDay, ChurnModel, ChurnPart
from ml.clusters import ClusterModel
from ml.curve import Curve
from ml.customer_models import Baseline
from ml.customer_scores import Trained
from ml.linear import Linear
from ml.next_order import NextOrderModel
from ml.promotion import Verdict
from ml.propensity import Half, PropensityDay, PropensityModel
from ml.ranks import Ranks
from ml.season import Season
from ml.signals import Yardstick
from ml.value import ValueDay, ValueModel, ValuePart

TRUSTED = {
    kind.__name__: kind
    for kind in (
        Baseline, BroughtDay, BroughtModel, ChurnDay, ChurnModel, ChurnPart, ClusterModel, Curve, Half, Linear, NextOrderModel, PropensityDay, PropensityModel, Purchasing, Ranks,
        Season, Spending, Trained, Trees, ValueDay, ValueModel, ValuePart, Verdict, Yardstick,
    )
}  # fmt: skip
FILES = ("arrays.npz", "model.json")


class RefusedArtifact(ValueError):
    """The folder does not hold the model that was asked for, or holds a type that is not ours."""


def save(model: Any, folder: Path) -> str:
    """Write a model (or a day's yardsticks) and return the SHA-256 of its files."""
    arrays: dict[str, NDArray[Any]] = {}
    tree = _plain(model, arrays)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
    (folder / "model.json").write_text(json.dumps(tree, indent=1, sort_keys=True), encoding="utf-8")
    return fingerprint(folder)


def keep(model: Any, folder: Path) -> str:
    """Save a model in `folder` under its own name, whole or not at all, and return its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
        sha256 = save(model, Path(unfinished) / "model")
        named = place(folder, sha256)
        if not named.exists():
            (Path(unfinished) / "model").rename(named)
    return sha256


def place(folder: Path, sha256: str) -> Path:
    """Where `keep` put the model of that SHA-256."""
    return folder / sha256[:16]


def load(folder: Path, sha256: str) -> Any:
    """Read what `save` wrote. RefusedArtifact when the files are not those of `sha256`."""
    found = fingerprint(folder)
    if found != sha256:
        raise RefusedArtifact(f"{folder.name} is {found[:12]}, not {sha256[:12]}: not the model that was trained")
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return _built(json.loads((folder / "model.json").read_text(encoding="utf-8")), arrays)


def fingerprint(folder: Path) -> str:
    """The SHA-256 over the names and bytes of a model's files."""
    digest = hashlib.sha256()
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise RefusedArtifact(f"{folder.name} has no {name}")
        content = path.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _plain(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if is_dataclass(value) and type(value).__name__ in TRUSTED:
        stored = [field.name for field in fields(value) if field.metadata.get("stored", True)]
        return {"type": type(value).__name__, "fields": {name: _plain(getattr(value, name), arrays) for name in stored}}
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays):05d}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return {"tuple": [_plain(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key, arrays), _plain(item, arrays)] for key, item in value.items()]}
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} cannot be stored as plain data")


def _built(tree: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "type" in tree:
        if tree["type"] not in TRUSTED:
            raise RefusedArtifact(f"{tree['type']} is not a type that models are made of")
        fields_of = {name: _built(item, arrays) for name, item in tree["fields"].items()}
        try:
            return TRUSTED[tree["type"]](**fields_of)
        except TypeError as error:
            raise RefusedArtifact(f"{tree['type']} was kept with other fields than it has now ({error})") from error
    if "array" in tree:
        return arrays[tree["array"]]
    if "tuple" in tree:
        return tuple(_built(item, arrays) for item in tree["tuple"])
    if "dict" in tree:
        return {_built(key, arrays): _built(item, arrays) for key, item in tree["dict"]}
    return datetime.fromisoformat(tree["moment"])
