"""The two benchmark commands on files as people have them: each says the same of the same purchases, however they are written down."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from benchmarks import recommendations, scores
from benchmarks.transactions import Columns, load_transactions

START = datetime(2023, 1, 5)
METRICS = ("ndcg_at_10", "recall_at_10", "recall_at_20")


def purchases(customers: int = 12) -> pd.DataFrame:
    """Three purchases each, some thirteen days apart, the second one sent back in part."""
    rows = []
    for number in range(customers):
        for visit in range(3):
            at = START + timedelta(days=13 * visit + number, hours=9 + visit, minutes=number)
            rows.append((15_000 + number, at, 10.5 + number, 2, f"item {visit}"))
        rows.append((15_000 + number, at + timedelta(days=1), 3.25, -1, "item 2"))
    return pd.DataFrame(rows, columns=["who", "when", "price", "pieces", "what"])


def facts(file: Path, **columns: str) -> tuple[Any, ...]:
    """What the store holds of a file: orders, customers, moments, money, returns."""
    store = file.parent / f"{file.name}.duckdb"
    load_transactions(store, file, Columns(**{"customer": "who", "at": "when", "amount": "price", "quantity": "pieces"} | columns))
    with duckdb.connect(str(store)) as connection:
        row = connection.execute(
            """
            select
                count(*), count(distinct customer_id), min(customer_id), min(occurred_at), max(occurred_at), sum(net_amount),
                (select sum(net_amount) from profile.fct_returns)
            from profile.fct_orders
            """
        ).fetchone()
    assert row is not None
    return row


def as_parquet(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path


def as_csv(frame: pd.DataFrame, path: Path, **how: Any) -> Path:
    frame.to_csv(path, index=False, **how)
    return path


WAYS: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "csv": lambda frame, folder: as_csv(frame, folder / "t.csv"),
    "semicolons": lambda frame, folder: as_csv(frame, folder / "t.csv", sep=";"),
    "gzip": lambda frame, folder: as_csv(frame, folder / "t.csv.gz"),
    "text ids": lambda frame, folder: as_parquet(frame.astype({"who": "str"}), folder / "t.parquet"),
    "float ids": lambda frame, folder: as_parquet(frame.astype({"who": "float64"}), folder / "t.parquet"),
    "iso text": lambda frame, folder: as_parquet(frame.assign(when=frame["when"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")), folder / "t.parquet"),
    "british text": lambda frame, folder: as_parquet(frame.assign(when=frame["when"].dt.strftime("%d/%m/%Y %H:%M")), folder / "t.parquet"),
    "american text": lambda frame, folder: as_parquet(frame.assign(when=frame["when"].dt.strftime("%m/%d/%Y %H:%M")), folder / "t.parquet"),
    "zoned": lambda frame, folder: as_parquet(
        frame.assign(when=frame["when"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")), folder / "t.parquet"
    ),
    "nanoseconds": lambda frame, folder: as_parquet(frame.astype({"when": "datetime64[ns]"}), folder / "t.parquet"),
    "epoch seconds": lambda frame, folder: as_parquet(
        frame.assign(when=[int(at.replace(tzinfo=UTC).timestamp()) for at in frame["when"]]), folder / "t.parquet"
    ),
    "epoch microseconds": lambda frame, folder: as_parquet(
        frame.assign(when=[int(at.replace(tzinfo=UTC).timestamp()) * 1_000_000 for at in frame["when"]]), folder / "t.parquet"
    ),
    "money in text": lambda frame, folder: as_parquet(
        frame.assign(price=[f"£{price:,.2f}" for price in frame["price"]]), folder / "t.parquet"
    ),
    "comma for a point": lambda frame, folder: as_parquet(
        frame.assign(price=[f"{price:.2f} €".replace(".", ",") for price in frame["price"]]), folder / "t.parquet"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_purchases_are_the_same_facts_however_they_are_written(way: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert facts(WAYS[way](purchases(), tmp_path)) == facts(as_parquet(purchases(), tmp_path / "plain" / "t.parquet"))


def test_lines_of_nobody_and_of_no_moment_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = purchases().astype({"who": "float64"})
    frame.loc[0, "who"] = np.nan
    frame.loc[1, "when"] = pd.NaT
    loaded = load_transactions(tmp_path / "s.duckdb", as_parquet(frame, tmp_path / "t.parquet"), Columns("who", "when", "price"))
    assert (loaded.lines, loaded.dropped) == (len(frame), 2)


def test_ids_beyond_the_doubles_stay_apart(tmp_path: Path) -> None:
    frame = purchases(2)
    frame["who"] = np.where(frame["who"] == 15_000, np.int64(2**62), np.int64(2**62 + 1))
    assert facts(as_parquet(frame, tmp_path / "t.parquet"))[1] == 2


def test_latin_letters_of_old_exports_are_read(tmp_path: Path) -> None:
    frame = purchases().assign(what="Café crème")
    assert facts(as_csv(frame, tmp_path / "t.csv", encoding="latin-1"), product="what")[0] == 36


def test_negative_line_totals_are_returns(tmp_path: Path) -> None:
    frame = purchases().assign(total=lambda rows: rows["price"] * rows["pieces"])
    with_quantity = facts(as_parquet(frame, tmp_path / "a.parquet"))
    store = tmp_path / "totals.duckdb"
    loaded = load_transactions(store, tmp_path / "a.parquet", Columns("who", "when", "total"))
    assert loaded.returns == 12
    with duckdb.connect(str(store)) as connection:
        ((net, returned),) = connection.execute(
            "select sum(net_amount), (select sum(net_amount) from profile.fct_returns) from profile.fct_orders"
        ).fetchall()
    assert (net, returned) == with_quantity[-2:]


@pytest.mark.parametrize(
    ("file", "column", "said"),
    [("absent.parquet", "who", "there is no file"), ("t.parquet", "whom", "has no column whom; it has who, when")],
)
def test_a_file_or_a_column_that_is_not_there_is_one_sentence(
    file: str, column: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_parquet(purchases(), tmp_path / "t.parquet")
    arguments = [str(tmp_path / file), "--customer", column, "--at", "when", "--amount", "price", "--cut", "2023-02-01", "--horizon", "30"]
    assert scores.main(arguments) == 1
    assert said in capsys.readouterr().err
    assert recommendations.main([str(tmp_path / file), "--user", column, "--item", "what", "--at", "when", "--json"]) == 1
    assert said in capsys.readouterr().err


def test_something_that_is_no_table_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.parquet").write_bytes(b"not a table")
    assert (
        scores.main([str(tmp_path / "t.parquet"), "--customer", "a", "--at", "b", "--amount", "c", "--cut", "2023-02-01", "--horizon", "9"])
        == 1
    )
    assert "t.parquet cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(("cut", "reason"), [("2022-01-01", "nobody has bought"), ("2023-01-08", "a model needs 300")])
def test_scores_abstain_in_json_where_there_is_nobody_or_hardly_anybody(
    cut: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = as_csv(purchases(), tmp_path / "t.csv")
    arguments = [str(path), "--customer", "who", "--at", "when", "--amount", "price", "--cut", cut, "--horizon", "30", "--json"]
    assert scores.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert reason in printed["abstained"]
    assert printed["ours"] == {}
    assert printed["difference_to_best_peer"] == {}
    assert printed["seconds"] > 0


@pytest.mark.parametrize("customers", [1, 12])
def test_recommendations_of_a_tiny_file_are_one_object_with_the_stated_names(
    customers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = purchases(customers).assign(when=lambda rows: rows["when"].dt.strftime("%d/%m/%Y %H:%M"))
    arguments = [str(as_csv(frame, tmp_path / "t.csv")), "--user", "who", "--item", "what", "--at", "when", "--window", "14", "--json"]
    assert recommendations.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"ours", "peers", "difference_to_best_peer", "seconds"} <= printed.keys()
    assert tuple(printed["ours"]) == METRICS
    for peer in printed["peers"].values():
        assert tuple(peer) == METRICS
    for gap in printed["difference_to_best_peer"].values():
        assert len(gap) == 3 and gap[1] <= gap[0] <= gap[2]


def test_a_window_longer_than_the_file_is_an_abstention(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(as_parquet(purchases(), tmp_path / "t.parquet")), "--user", "who", "--item", "what", "--at", "when", "--window", "900"]
    assert recommendations.main([*arguments, "--new-only", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["ours"] == dict.fromkeys(METRICS)
    assert "no user has history" in printed["abstained"]


def test_lines_beyond_all_money_are_left_out_and_a_slip_in_the_pieces_is_no_line_lost(tmp_path: Path) -> None:
    frame = purchases().astype({"pieces": "int64"})
    frame["total"] = frame["price"]
    frame.loc[0, "total"], frame.loc[4, "pieces"] = 1e20, 10**11
    loaded = load_transactions(
        tmp_path / "s.duckdb", as_parquet(frame, tmp_path / "t.parquet"), Columns("who", "when", "total", quantity="pieces")
    )
    assert (loaded.lines, loaded.dropped) == (len(frame), 1)


@pytest.mark.parametrize(
    ("column", "values"), [("when", [datetime(2023, 1, 5, 9).time()] * 48), ("when", ["some day"] * 48), ("price", ["dear"] * 48)]
)
def test_a_column_that_nothing_can_be_read_from_is_one_sentence(
    column: str, values: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = as_parquet(purchases().assign(**{column: values}), tmp_path / "t.parquet")
    assert scores.main(asked(path, "2023-02-01", "30")) == 1
    assert "none of the 48 lines of t.parquet has" in capsys.readouterr().err


def asked(path: Path, cut: str, horizon: str) -> list[str]:
    return [str(path), "--customer", "who", "--at", "when", "--amount", "price", "--cut", cut, "--horizon", horizon, "--json"]


@pytest.mark.parametrize(
    ("cut", "horizon"), [("2023-02-01", "9999999999"), ("2023-02-01", "0"), ("9999-12-31", "30"), ("0001-01-01", "30")]
)
def test_a_cut_or_a_horizon_beyond_all_calendars_is_wrong_usage(
    cut: str, horizon: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        scores.main(asked(as_parquet(purchases(), tmp_path / "t.parquet"), cut, horizon))
    assert stopped.value.code == 2
    assert "--horizon is a number of days" in (said := capsys.readouterr().err) or "--cut is a day of the years" in said


def test_a_cut_after_the_file_ends_is_an_abstention_and_a_horizon_beyond_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = as_parquet(purchases(), tmp_path / "t.parquet")
    assert scores.main(asked(path, "2024-01-01", "30")) == 0
    assert "the file ends on 2023-02-12, before the cut" in json.loads(capsys.readouterr().out)["abstained"]
    assert scores.main(asked(path, "2023-02-01", "30")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "the file ends on 2023-02-12, the horizon on 2023-03-03" in printed["notes"]["ends_early"]
    assert printed["peers"]


def test_a_cut_with_a_zone_is_that_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = as_parquet(purchases(), tmp_path / "t.parquet")
    seen = []
    for cut in ("2023-01-31T22:00:00", "2023-02-01T00:00:00+02:00", "2023-02-01"):
        scores.main(asked(path, cut, "30"))
        seen.append(json.loads(capsys.readouterr().out)["peers"]["recency"])
    assert seen[0] == seen[1]
