"""A pull as part of a night: what fails holds delivery, nothing secret is written anywhere, and persons are asked about once, with their consent."""

import os
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import yaml
from servers import ShopApi, serving

from dagster_project.settings import SHOPS, Settings, load
from dagster_project.shop import SourceSystem, load_shop
from dagster_project.sources import assets, http_api
from dagster_project.sources.http_api import Api, Patience
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse

TOKEN = "canary-token-4711"
DAY, NIGHT = date(2026, 3, 4), datetime(2026, 3, 5, 5)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A shop that pulls its orders, on a night in March."""
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    monkeypatch.setattr(http_api, "Api", partial(Api, patience=Patience(timeout=0.4, attempts=2, backoff=0.01)))
    monkeypatch.setattr(assets, "pull_shop", partial(pull_shop, now=NIGHT))
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "brand.yaml").write_bytes((SHOPS / "small" / "brand.yaml").read_bytes())
    return load({"DEARLY_HOME": str(tmp_path / "home")}, shop=str(SHOPS / "small"))


def shop_folder(settings: Settings, tmp_path: Path, url: str) -> Settings:
    from dataclasses import replace

    stated = yaml.safe_load((SHOPS / "small" / "shop.yaml").read_text())
    stated["sources"] = {"shopify": {"kind": "http", "url": url, "token": "SHOP_TOKEN", "tables": ["orders"]}}
    (tmp_path / "shop" / "shop.yaml").write_text(yaml.safe_dump(stated))
    return replace(settings, shop_folder=tmp_path / "shop", home=tmp_path / "home")


def test_a_failed_pull_holds_the_night_until_it_succeeds_and_the_token_is_nowhere(settings, tmp_path, rows, capfd, build_stages) -> None:
    api = ShopApi(
        [{"id": 1, "created_at": "2026-03-04T10:00:00Z", "updated_at": "2026-03-04T10:00:00Z", "currency": "EUR", "line_items": []}]
    )
    api.trouble = ["401"]
    guards = "select guard, is_red, message from sources.guards where guard like 'pull %'"
    with serving(api) as url:
        here = shop_folder(settings, tmp_path, url)
        build_stages(here, ["sources"], DAY)
        ((guard, is_red, message),) = rows(here, guards)
        assert (guard, is_red) == ("pull shopify.orders", True)
        assert message.endswith("answered 401: the token is wrong or has run out")
        build_stages(here, ["sources"], DAY)
    assert rows(here, guards) == [("pull shopify.orders", False, "as usual")]
    assert api.tokens == [TOKEN, TOKEN]
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(b"shopify__orders" in path.read_bytes() for path in written if "dagster" in path.parts)
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in "".join(capfd.readouterr())
    assert os.environ["SHOP_TOKEN"] == TOKEN


def test_a_person_is_asked_about_once_a_year_and_only_with_consent(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    source = SourceSystem(kind="http", url="http://127.0.0.1:9", token="SHOP_TOKEN")
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    with warehouse.transaction() as connection:
        connection.execute("create schema profile")
        connection.execute("create table profile.dim_customers (customer_id varchar, email varchar, valid_to timestamp)")
        connection.execute(
            "insert into profile.dim_customers values ('1', 'yes@example.org', null), ('2', 'no@example.org', null), ('3', null, null), "
            "('4', 'mute@example.org', null), "
            "('5', 'unknown@example.org', null), ('6', 'web@example.org', null), ('1', 'old@example.org', timestamp '2026-01-01')"
        )
        connection.execute(
            "create table profile.current_permissions (customer_id varchar, channel varchar, purpose varchar, is_permitted boolean)"
        )
        connection.execute(
            "insert into profile.current_permissions values ('1', 'email', 'profiling', true), ('2', 'email', 'profiling', false), "
            "('3', 'email', 'profiling', true), ('4', 'email', 'marketing', true), ('5', 'email', 'profiling', true), "
            "('6', 'web', 'profiling', true)"
        )
    api = ShopApi([])
    api.persons = {"yes@example.org": {"region": "Bavaria", "household_size": 2}, "no@example.org": {"region": "Saxony"}}
    with serving(api) as url:
        shop = load_shop(SHOPS / "small").model_copy(update={"sources": {"enrichment": source.model_copy(update={"url": url})}})
        for days in (0, 1, 200, 366):
            (pulled,) = pull_shop(warehouse, shop, tmp_path / "store", NIGHT + timedelta(days=days))
            assert pulled.failure is None
            if days in (0, 366):
                asked = sorted(request.split("=")[1] for request in api.requests)
                assert asked == ["unknown%40example.org", "yes%40example.org"]
                assert set(api.tokens) == {f"Bearer {TOKEN}"}
                api.requests.clear()
            assert api.requests == []
        load_shop_extracts(warehouse, shop, tmp_path / "store")
    held = warehouse.rows("select email, region, household_size, updated_at from sources.enrichment__persons order by updated_at, email")
    assert held[:2] == [("unknown@example.org", None, None, "2026-03-05"), ("yes@example.org", "Bavaria", "2", "2026-03-05")]
    assert len(held) == 4
