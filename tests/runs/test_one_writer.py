"""Two runs at once: one works, the other exits 75 and names the holder."""

import os
import subprocess
import sys
from pathlib import Path

from dagster_project.lease import EXIT_HELD, hold
from dagster_project.settings import REPOSITORY


def run_dearly(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "DEARLY_HOME": str(home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_second_run_exits_75_and_names_the_holder(tmp_path: Path) -> None:
    with hold(tmp_path / "small", "the night's run as of 2026-03-05"):
        second = run_dearly(tmp_path, "run", "--shop", "small", "--as-of", "2026-03-05")
    assert second.returncode == EXIT_HELD
    assert "the night's run as of 2026-03-05" in second.stderr
    assert str(os.getpid()) in second.stderr
    assert "Traceback" not in second.stderr


def test_without_a_holder_the_lease_is_free_again(tmp_path: Path) -> None:
    with hold(tmp_path / "small", "first"):
        pass
    with hold(tmp_path / "small", "second"):
        assert "second" in (tmp_path / "small" / "store.lock").read_text()


def test_wrong_usage_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    wrong = run_dearly(tmp_path, "run", "--shop", "small", "--as-of", "yesterday")
    assert wrong.returncode == 2
    assert "neither a date" in wrong.stderr
    assert "Traceback" not in wrong.stderr
