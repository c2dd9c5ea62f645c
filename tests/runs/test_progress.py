"""What a log shows of a run: when each stage begins, and in a long stage what it is at."""

import io
import re

import pytest
from rich.console import Console

from dagster_project import progress


def test_a_log_is_never_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    written = io.StringIO()
    with progress.shown(Console(file=written, width=80)):
        progress.say("2026-03-14")
        for seconds, stage, what in [
            (1, "sources", "orders [1].csv"),
            (0.1, "sources", "refunds.csv"),
            (1, "scores", "training churn"),
            (3, "scores", "training value"),
            (2, "scores", "training vip"),
        ]:
            now[0] += seconds
            progress.tell(stage, what)
    lines = [re.sub(" +", " ", line.strip()) for line in written.getvalue().splitlines()]
    assert lines == ["0 s 2026-03-14", "1 s sources orders [1].csv", "2 s scores training churn", "7 s scores training vip"]
