"""`dearly identity`: what a person is told about a decision that they write."""

import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.cli import app
from dagster_project.cli.common import Refused
from dagster_project.identity.link_lists import read_decisions
from dagster_project.settings import SHOPS, load
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse

BUILT = date(2026, 3, 6)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small shop with one day built, of which only two records are there."""
    folder = tmp_path / "small"
    shutil.copytree(SHOPS / "small", folder, ignore=shutil.ignore_patterns("extracts", "identity"))
    monkeypatch.setenv("DEARLY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEARLY_SHOP", str(folder))
    settings = load()
    warehouse = Warehouse(settings.warehouse)
    warehouse.create()
    with warehouse.transaction() as connection:
        connection.execute("create schema if not exists sources; create schema if not exists identity")
        connection.execute("create or replace table sources.built_days (as_of timestamp)")
        connection.execute("insert into sources.built_days values (?)", [load_shop(folder).moment(BUILT).as_of])
        connection.execute("create table identity.customer_records as select unnest(['crm:1', 'crm:2']) as record_id, true as is_person")
        connection.execute(
            "create table identity.customer_links (customer_id varchar, source varchar, source_customer_id varchar, rule varchar, "
            "valid_from timestamp, valid_to timestamp)"
        )
    return folder


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["identity", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_a_decision_that_a_later_line_takes_back_says_so(shop: Path) -> None:
    assert said("unlink", "crm:1", "crm:2", "--why", "father and son")[0] == 0
    code, told = said("link", "crm:2", "crm:1", "--why", "one", "--from", "2026-03-04")
    assert code == 0
    assert "From 2026-03-06 on another line holds again: unlink, father and son." in told
    assert f"dearly run --as-of {BUILT}" in told, "the newest day is what has to be built"
    _, told = said("link", "crm:2", "crm:1", "--why", "one after all")
    assert "holds again" not in told
    assert [one.verdict for one in read_decisions(shop)] == ["link", "unlink", "link"]


def test_a_decision_about_a_day_to_come_says_that_nothing_changes_yet(shop: Path) -> None:
    _, told = said("link", "crm:1", "crm:2", "--why", "one", "--from", "2026-04-01")
    assert "The newest day built is 2026-03-06: nothing changes before 2026-04-01 is built." in told


def test_a_day_that_is_none_is_a_sentence(shop: Path) -> None:
    with pytest.raises(Refused, match=r"--from 4\.3\.2026: a day is written 2026-03-05\."):
        CliRunner().invoke(app, ["identity", "link", "crm:1", "crm:2", "--why", "one", "--from", "4.3.2026"], catch_exceptions=False)
    assert read_decisions(shop) == []


def test_a_browser_is_no_person_and_the_answer_says_whose_it_is(shop: Path) -> None:
    with Warehouse(load().warehouse).transaction() as connection:
        connection.execute(
            "insert into identity.customer_links values ('c1', 'ga4', '77', 'signed in there', timestamp '2026-01-26', null)"
        )
    with pytest.raises(Refused, match=r"'ga4:77' is no person's record: it is c1's, by the rule 'signed in there', since 2026-01-26"):
        CliRunner().invoke(app, ["identity", "unlink", "ga4:77", "crm:1", "--why", "no"], catch_exceptions=False)
    with pytest.raises(Refused, match="'ga4:78' is neither a person's record"):
        CliRunner().invoke(app, ["identity", "unlink", "ga4:78", "crm:1", "--why", "no"], catch_exceptions=False)
