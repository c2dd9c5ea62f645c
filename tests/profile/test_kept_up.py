"""Kept tables: whatever comes, in whatever order, they hold what a build of the whole would hold; and a night without news does nothing."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dagster_project.identity.assets import add_contact_points, link
from dagster_project.resources import Store
from dagster_project.settings import SHOPS, Settings, load
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.stated_shop import state_shop
from dagster_project.transform import dbt_build
from simulator import generate

NIGHTS = 3
LAST_DAY = date(2026, 3, 14)


def shop_with_every_system(folder: Path) -> Path:
    demo = yaml.safe_load((SHOPS / "demo" / "shop.yaml").read_text())
    for source in demo["sources"].values():
        source["history_until"] = datetime(2026, 3, 11, 23)
    (folder / "kept").mkdir(parents=True)
    (folder / "kept" / "shop.yaml").write_text(yaml.safe_dump({**demo, "name": "kept", "models": [], "generator": None}))
    (folder / "kept" / "brand.yaml").write_bytes((SHOPS / "demo" / "brand.yaml").read_bytes())
    return folder / "kept"


def build_night(settings: Settings, day: date, full_refresh: bool = False, slice_rows: int | None = None) -> list[str]:
    """What a night does up to the features, without Dagster; the SQL of kept tables that were built in slices."""
    store = Store.of(settings)
    store.open()
    store.warehouse.create()
    load_shop_extracts(store.warehouse, store.shop, settings.store)
    state_shop(store.warehouse, store.shop)
    store.warehouse.write_run_days([store.shop.moment(day)])

    variables = {"slice_rows": slice_rows} if slice_rows else None
    sliced = []

    def heard(event: Any) -> None:
        if event.info.name == "SQLQuery" and "insert into" in event.data.sql and " % " in event.data.sql:
            sliced.append(event.data.sql)

    def run(*stages: str) -> None:
        names = [node["name"] for node in dbt_build.parse().nodes["nodes"].values() if node["schema"] in stages]
        list(dbt_build.build(settings, names, exclude_tests=True, full_refresh=full_refresh, variables=variables, on_event=heard))

    run("staging", "identity")
    add_contact_points(store)
    link(store)
    run("profile", "features")
    return sliced


def differing(one: Settings, other: Settings) -> dict[str, int]:
    """Rows, by kept table, that one of two stores has and the other has not."""
    with duckdb.connect(str(one.warehouse)) as connection:
        connection.execute(f"attach '{other.warehouse}' as other (read_only)")
        tables = [row[0] for row in connection.execute("select model from sources.model_builds order by 1").fetchall()]
        found = {}
        for table in tables:
            sql = f"""
                select count(*) from (
                    (select * from {table} except all select * from other.{table})
                    union all (select * from other.{table} except all select * from {table})
                )
            """
            row = connection.execute(sql).fetchone()
            assert row is not None
            found[table] = row[0]
    assert {"profile.fct_web_events", "features.int_order_state"} <= set(tables)
    return {table: rows for table, rows in found.items() if rows}


def built_whole(settings: Settings, day: date, folder: Path) -> Settings:
    """A copy of a store, its kept tables built from nothing."""
    shutil.copytree(settings.home, folder, ignore=shutil.ignore_patterns("dbt", "arriving"))
    whole = replace(settings, home=folder)
    build_night(whole, day, full_refresh=True)
    return whole


def state_of(settings: Settings) -> list[tuple[object, ...]]:
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        return connection.execute("select * from sources.model_builds order by 1").fetchall()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A shop's files in an order of chance over some nights: daily pulls before the history, corrections before what they correct."""
    before = {name: os.environ.get(name) for name in ("DEARLY_WAREHOUSE", "DEARLY_THREADS")}
    folder = tmp_path_factory.mktemp("kept")
    settings = load({"DEARLY_HOME": str(folder / "home")}, shop=str(shop_with_every_system(folder / "shops")))
    generate(folder / "arriving", customers=150, months=4, days=3, seed=5, last_day=LAST_DAY)
    files = sorted(path for path in (folder / "arriving" / "extracts").rglob("*") if path.is_file())
    random.Random(3).shuffle(files)
    for night in range(NIGHTS):
        if night == NIGHTS - 1:
            shutil.copytree(settings.home, folder / "eve", ignore=shutil.ignore_patterns("dbt"))
        for path in files[night::NIGHTS]:
            there = settings.store / "raw" / path.relative_to(folder / "arriving")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
        build_night(settings, LAST_DAY - timedelta(days=NIGHTS - 1 - night))
    yield settings
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def whole(nights: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return built_whole(nights, LAST_DAY, tmp_path_factory.mktemp("whole") / "home")


def test_three_nights_equal_one_build_of_the_whole(nights: Settings, whole: Settings) -> None:
    assert differing(nights, whole) == {}


def test_the_whole_in_slices_is_the_whole(nights: Settings, whole: Settings, tmp_path: Path) -> None:
    shutil.copytree(nights.home, tmp_path / "home", ignore=shutil.ignore_patterns("dbt", "arriving"))
    slices = replace(nights, home=tmp_path / "home")
    sliced = build_night(slices, LAST_DAY, full_refresh=True, slice_rows=100)
    for table in ("int_web_state", "int_order_state", "int_affinity_state"):
        assert any(f'"{table}"' in sql for sql in sliced), table
    assert differing(slices, whole) == {}


def test_the_last_night_built_parts(nights: Settings) -> None:
    whole = {row[0] for row in state_of(nights) if row[2]}
    assert not whole & {
        "profile.fct_web_events",
        "profile.fct_orders",
        "staging.stg_pos__orders",
        "identity.customer_records",
        "features.int_web_state",
    }


def test_a_night_without_news_builds_nothing(nights: Settings) -> None:
    before = state_of(nights)
    build_night(nights, LAST_DAY)
    assert state_of(nights) == before


def built(settings: Settings, *stages: str) -> set[str]:
    """The models that dbt builds, of those of some stages."""
    names = [node["name"] for node in dbt_build.parse().nodes["nodes"].values() if node["schema"] in stages]
    return {result["data"]["node_info"]["node_name"] for result in dbt_build.build(settings, names, exclude_tests=True)}


@pytest.fixture
def quiet(nights: Settings, tmp_path: Path) -> Settings:
    """A copy of the shop after its last night, of which nothing has been built since."""
    shutil.copytree(nights.home, tmp_path / "home", ignore=shutil.ignore_patterns("arriving"))
    return replace(nights, home=tmp_path / "home")


def test_dbt_is_not_asked_of_what_has_no_news(quiet: Settings) -> None:
    assert built(quiet, "staging", "identity") == {"match_rates"}
    assert built(quiet, "profile") == {"customer_permissions", "customer_suppressions", "next_questions"}


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        ("insert into sources.pos__receipts by name from sources.pos__receipts limit 1", {"stg_pos__order_items", "stg_pos__orders"}),
        ("create or replace view staging.stg_shopify__variants as from sources.shopify__products", {"stg_shopify__variants"}),
        ("drop table staging.stg_pos__orders", {"stg_pos__orders"}),
        (
            "create table was as from staging.stg_pos__orders; drop table staging.stg_pos__orders; create view staging.stg_pos__orders as from was",
            {"stg_pos__orders"},
        ),
        ("comment on table staging.stg_pos__records is 'another'", {"stg_pos__records"}),
        # As another version of the project makes it that does not keep it.
        ("create or replace table staging.stg_pos__records as from staging.stg_pos__records where false", {"stg_pos__records"}),
    ],
)
def test_whatever_may_be_another_is_built(news: str, expected: set[str], quiet: Settings) -> None:
    with duckdb.connect(str(quiet.warehouse)) as connection:
        connection.execute(news)
    assert expected <= built(quiet, "staging")
    assert built(quiet, "staging") == set()


def test_what_reads_a_view_of_another_sql_is_built(quiet: Settings) -> None:
    """Its own books say nothing of it: it was built when the view was the other."""
    with duckdb.connect(str(quiet.warehouse)) as connection:
        connection.execute("create or replace view staging.stg_articles__articles as from sources.articles__articles")
        connection.execute("comment on view staging.stg_articles__articles is 'another'")
        connection.execute("update sources.model_inputs set state = 'another' where input = 'staging.stg_articles__articles'")
        connection.execute("delete from profile.dim_articles")
    assert "dim_articles" in built(quiet, "staging", "profile")


def test_a_changed_project_is_asked_of_dbt_once(quiet: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = replace(dbt_build.parse(), version="another")
    monkeypatch.setattr(dbt_build, "parse", lambda: parsed)
    assert "stg_pos__orders" in built(quiet, "staging")
    assert built(quiet, "staging") == set()


def test_a_batch_taken_for_built_is_found_missing(nights: Settings, whole: Settings, tmp_path: Path) -> None:
    """The control: books that claim the last night's batches before they are built lose those rows, and the comparison finds it."""
    shutil.copytree(nights.home.parent / "eve", tmp_path / "home")
    forgetful = replace(nights, home=tmp_path / "home")
    shutil.copytree(nights.store / "raw", forgetful.store / "raw", dirs_exist_ok=True)
    with duckdb.connect(str(forgetful.warehouse)) as connection:
        connection.execute(f"attach '{nights.warehouse}' as nights (read_only)")
        claimed = "from nights.sources.model_inputs where input = 'sources.ga4__events' except select * from sources.model_inputs"
        connection.execute(f"insert into sources.model_inputs select * {claimed}")
    build_night(forgetful, LAST_DAY)
    found = differing(forgetful, whole)
    assert found["staging.stg_ga4__web_events"] > 0
    assert found["profile.fct_web_events"] > 0
