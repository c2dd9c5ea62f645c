"""The small shop's extracts are what their script makes."""

import hashlib
import importlib.util
from pathlib import Path

from dagster_project.settings import SHOPS


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_the_script_makes_the_committed_bytes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_extracts", SHOPS / "small" / "make_extracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make(tmp_path)
    assert digests(tmp_path) == digests(SHOPS / "small" / "extracts")
