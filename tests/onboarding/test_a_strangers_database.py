"""A stranger's database becomes a shop: its own tables, and those of a loader that we know."""

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project.onboarding.lakes import Lake, lake_at
from dagster_project.onboarding.samples import CannotRead
from dagster_project.onboarding.shops import draft_shop
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse

NOW = datetime(2026, 3, 3, 12)
SEEDS = Path(__file__).parents[1] / "data"


@pytest.fixture
def till(tmp_path: Path) -> Path:
    path = tmp_path / "till.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("""
        create schema erp;
        create table erp.auftraege as select n as bestellnummer, 'K' || n % 20 as kunde, timestamp '2026-01-01' + to_hours(cast(n * 12 as integer)) as bestelldatum,
            timestamp '2026-02-28' as updated_at from range(120) as orders(n);
        create table erp.positionen as select n as bestellnummer, 'A' || n % 9 as artikelnummer, cast(9.5 as decimal(10, 2)) as einzelpreis, 2 as menge
            from range(120) as lines(n);
        create schema other;
        create table other.kunden as select 'K' || n as kundennummer, 'Ort' as ort from range(20) as people(n);
        """)
    return path


def test_own_tables_are_pulled_under_their_own_names_from_one_schema(till: Path, tmp_path: Path) -> None:
    lake = lake_at(str(till))
    assert lake
    draft = draft_shop(tmp_path / "shop", lake, NOW)
    source = draft.shop.sources["sales"]
    assert (source.kind, source.schema_name, source.tables) == ("tables", "erp", ["orders", "lines"])
    assert (source.pulls["orders"].table, source.pulls["orders"].cursor, source.pulls["lines"].cursor) == ("auftraege", "updated_at", None)
    assert any("kunden is left out" in line for line in draft.review)
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    pulled = pull_shop(warehouse, draft.shop, tmp_path / "store", NOW)
    assert {(one.table, one.rows, one.failure) for one in pulled} == {("orders", 120, None), ("lines", 120, None)}
    batches = load_shop_extracts(warehouse, draft.shop, tmp_path / "store")
    assert {batch.table_name: batch.rows_loaded for batch in batches} == {"orders": 120, "lines": 120}
    assert warehouse.rows(
        "select sum(cast(quantity as integer) * cast(unit_price as decimal(10, 2))), bool_and(_is_history) from sources.sales__lines"
    ) == [(2280, True)]


def test_a_loaders_schemas_are_known(tmp_path: Path) -> None:
    lake = tmp_path / "lake.duckdb"
    with duckdb.connect(str(lake)) as connection:
        for schema, folder, ahead, behind in (
            ("shopify", "fivetran_shopify", "shopify_", "_data"),
            ("mailchimp", "fivetran_mailchimp", "", ""),
        ):
            connection.execute(f"create schema {schema}")
            for path in sorted((SEEDS / folder).glob(f"{ahead}*{behind}.csv")):
                table = path.stem.removeprefix(ahead).removesuffix(behind)
                if not table.startswith("gql_"):
                    connection.execute(f"create table {schema}.\"{table}\" as select * from read_csv('{path}')")
    draft = draft_shop(tmp_path / "shop", Lake(file=lake), NOW)
    shopify, mailchimp = draft.shop.sources["shopify"], draft.shop.sources["mailchimp"]
    assert (shopify.loader, shopify.schema_name) == ("fivetran", "shopify")
    assert set(shopify.tables or []) >= {"customers", "orders", "products"}
    # Its tables are as the loader lands them: source.yaml says how they are pulled.
    assert (mailchimp.loader, mailchimp.pulls) == (None, {})
    assert set(mailchimp.tables or []) >= {"members", "campaigns", "recipients", "activity", "unsubscribes"}
    assert "sales" not in draft.shop.sources


def test_an_address_is_named_by_its_variable_alone(till: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotRead, match="environment variable"):
        lake_at("postgresql://user:secret@host/shop")
    monkeypatch.setenv("LAKE", f"duckdb:///{till}")
    assert lake_at("LAKE") == Lake(connection="LAKE")
    assert Lake(connection="LAKE").schemas() == ["erp", "main", "other"]
