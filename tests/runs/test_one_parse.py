"""What was parsed once serves every store, until a file of the dbt project changes."""

import shutil
from pathlib import Path

import pytest

from dagster_project.settings import DBT_PROJECT
from dagster_project.transform import dbt_build


@pytest.mark.parametrize("changed", ["models/segments/segment_flags.sql", "macros/known.sql", "dbt_project.yml", "models/sources.yml"])
def test_a_changed_file_of_the_project_is_parsed_anew(changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "dbt"
    shutil.copytree(DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(dbt_build, "DBT_PROJECT", project)
    before = dbt_build.fingerprint()
    assert dbt_build.fingerprint() == before
    path = project / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert dbt_build.fingerprint() != before
