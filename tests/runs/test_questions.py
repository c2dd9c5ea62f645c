"""`dearly query`: one question, and an answer that can be read or taken on."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.failures import Mistake
from dagster_project.settings import Settings


@pytest.fixture
def said(bare: Settings, monkeypatch: pytest.MonkeyPatch):
    """What a query says, in a terminal of some width, of 150 customers with 20 fields."""
    folder = bare.published / "20260309T230000Z_0"
    folder.mkdir(parents=True)
    (bare.published / "current.json").write_text(json.dumps({"folder": folder.name}))
    fields = {f"field_{number}": [None if number % 2 else "[b]"] * 150 for number in range(18)}
    customers = pa.table({"customer_id": [f"c{n:03d}" for n in range(150)], "email": ["a,b@x.org"] * 150, **fields})
    pq.write_table(customers, folder / "customers.parquet")
    monkeypatch.setenv("DEARLY_HOME", str(bare.home))

    def ask(sql: str, *options: str) -> str:
        result = CliRunner().invoke(app, ["query", sql, "--shop", str(bare.shop_folder), *options])
        if result.exception:
            raise result.exception
        return result.stdout

    return ask


def test_wide_rows_are_lines_and_long_answers_end(said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty columns in a terminal of 80 were 5,000 rows of nothing, which took three quarters of a minute."""
    text = said("select * from customers")
    assert "row 100" in text
    assert "row 101" not in text
    assert "… and 50 rows more: --format csv or json writes all." in text
    assert "field_0  [b]" in text
    assert "field_1 " not in text
    assert "c001" in said("select customer_id, email from customers limit 3")


def test_other_programs_get_all_rows(said) -> None:
    rows = list(csv.DictReader(io.StringIO(said("select * from customers order by 1", "--format", "csv"))))
    assert (len(rows), rows[149]["customer_id"], rows[0]["email"], rows[0]["field_1"]) == (150, "c149", "a,b@x.org", "")
    lines = said("select customer_id, field_1 from customers order by 1", "--format", "json").splitlines()
    assert (len(lines), json.loads(lines[0])) == (150, {"customer_id": "c000", "field_1": None})


@pytest.mark.parametrize("sql", ["delete from customers", "create table x as select 1", "select 1; select 2", "", "drop table customers"])
def test_only_one_question_is_answered(said, sql: str) -> None:
    with pytest.raises(Mistake, match="One question at a time"):
        said(sql)
