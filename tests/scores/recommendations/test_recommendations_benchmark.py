"""The benchmark of recommendations sees nothing of its test window, and counts right."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_shop import AS_OF, REQUEST, planted_shop

from benchmarks.recommendations import judge, ours, split
from benchmarks.recommendations import main as benchmark


def test_the_benchmark_shows_the_same_whatever_happens_in_its_test_window() -> None:
    table = planted_shop()[0].select(["customer_id", "product_id", "at"])
    newest = max(table["at"].to_pylist())
    turned = ["books-05" if row["at"] > newest - timedelta(days=20) else row["product_id"] for row in table.to_pylist()]
    shown = []
    for rows in (table, table.set_column(1, "product_id", [turned])):
        for new_only in (False, True):
            task = split(rows, 20.0, new_only)
            everyone = replace(task, users=np.arange(task.history.customer_count))
            ranked, about = ours(everyone, REQUEST.settings)
            shown.append(ranked)
            # The formula is nearly how this shop was made, and what is new too little to learn better from: both ways of ranking are covered.
            assert about["model"] == ("formula" if new_only else "re-rank")
    assert np.array_equal(shown[0], shown[2])
    assert np.array_equal(shown[1], shown[3])


@pytest.mark.parametrize(("moment", "window"), [("no date", "30"), (None, "30"), ("2025-01-01", "nan")])
def test_the_benchmark_says_what_it_cannot_read(
    moment: str | None, window: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.parquet"
    pq.write_table(pa.table({"who": ["a", "b"], "what": ["x", "y"], "when": pa.array([moment, moment], pa.string())}), file)
    arguments = [str(file), "--user", "who", "--item", "what", "--at", "when", "--window", window]
    if window == "nan":
        with pytest.raises(SystemExit):
            benchmark(arguments)
        assert "a window above 0 days" in capsys.readouterr().err
    else:
        assert benchmark(arguments) == 1
        assert "no row of lines.parquet has something in who and what and a moment that can be read in when" in capsys.readouterr().err


def test_the_benchmark_counts_what_it_should() -> None:
    rows = [("a", "x", 40), ("a", "y", 30), ("b", "x", 35), ("a", "x", 5), ("a", "z", 4), ("c", "x", 3), ("b", "y", 2)]
    table = pa.table(
        {
            "customer_id": [row[0] for row in rows],
            "product_id": [row[1] for row in rows],
            "at": pa.array([AS_OF - timedelta(days=row[2]) for row in rows], pa.timestamp("us")),
        }
    )
    task = split(table, 20.0, new_only=False)
    assert [task.history.customers[user] for user in task.users] == ["a", "b"]  # c has no history
    shown = np.full((2, 20), -1)
    shown[:, 0] = 0  # x for both: a took x and z, which nobody had seen before; b took y
    values = judge(task, shown)
    assert values["recall_at_10"].tolist() == [0.5, 0.0]
    assert values["ndcg_at_10"] == pytest.approx([1.0 / (1.0 + 1.0 / np.log2(3)), 0.0])
    again = split(table, 20.0, new_only=True)
    shown[:, 0] = 1  # y is new to b alone; what is new to a is unknown to training
    assert judge(again, shown)["recall_at_10"].tolist() == [0.0, 1.0]
