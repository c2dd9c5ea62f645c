"""A stranger's database becomes a shop: its own tables, and those of a loader that we know."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pytest

from dagster_project.onboarding.lakes import Lake, lake_at
from dagster_project.onboarding.samples import CannotRead
from dagster_project.onboarding.shops import draft_shop
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse
from tests.sources.servers import postgres, postgres_program

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
            ("klaviyo", "fivetran_klaviyo", "", ""),
        ):
            connection.execute(f"create schema {schema}")
            for path in sorted((SEEDS / folder).glob(f"{ahead}*{behind}.csv")):
                table = path.stem.removeprefix(ahead).removesuffix(behind)
                if not table.startswith("gql_"):
                    connection.execute(f"create table {schema}.\"{table}\" as select * from read_csv('{path}')")
        connection.execute("""
        create table mailchimp.automation_recipient_activity as select * from (values
            ('open', 'b63e7b8aff', '4956ae6c75ac652fd9a32c7c5ed8083a', timestamp '2020-04-21 14:53:32', null),
            ('click', 'b63e7b8aff', '4d1bf0aa67690a2b483771ce00cfb6a7', timestamp '2020-04-21 14:52:06', 'https://example.com/')
        ) as activity (action, automation_email_id, member_id, timestamp, url)
        """)
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


MUSIC = """
create schema music;
create table music.customer (customer_id integer, first_name varchar(40), email varchar(60), country varchar(40), photo {bytes});
create table music.invoice (invoice_id integer, customer_id integer, invoice_date timestamp, total numeric(10, 2), updated_at timestamp with time zone);
create table music.invoice_line (invoice_line_id integer, invoice_id integer, track_id integer, unit_price numeric(10, 2), quantity integer);
create table music.track (track_id integer, name varchar(200), genre_id integer, composer varchar(200), unit_price numeric(10, 2));
create table music.genre (genre_id integer, name varchar(120));
insert into music.customer select n, 'Ann', 'a' || n || '@example.org', 'Brazil', null from {numbers}(0, 19) as people(n);
insert into music.invoice select n, n % 20, timestamp '2025-01-01' + n * interval '12 hours', 3.98, timestamp with time zone '2026-02-28 10:00:00+00'
    from {numbers}(0, 119) as orders(n);
insert into music.invoice_line select n, n / 2, n % 9, 1.99, 1 from {numbers}(0, 239) as lines(n);
insert into music.track select n, 'Track ' || n, n % 3, 'Bo', 1.99 from {numbers}(0, 8) as tracks(n);
insert into music.genre select n, 'Genre ' || n from {numbers}(0, 2) as genres(n);
"""


@pytest.fixture(params=["duckdb", "postgres"])
def music(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The environment variable with the address of a database that sells tracks, of either kind."""
    sql = MUSIC.replace("n / 2", "n // 2") if request.param == "duckdb" else MUSIC
    if request.param == "duckdb":
        with duckdb.connect(str(tmp_path / "music.duckdb")) as connection:
            # Numbers up to and with the last one, as Postgres counts.
            connection.execute(
                sql.format(bytes="blob", numbers="generate_series")
                .replace("music.", "music.music.")
                .replace("schema music", "schema music.music")
            )
        monkeypatch.setenv("LAKE_DATABASE", f"duckdb:///{tmp_path / 'music.duckdb'}")
        yield "LAKE_DATABASE"
        return
    if not (postgres_program("initdb") and postgres_program("postgres")):
        pytest.skip("Postgres is not installed (Debian: apt-get install postgresql); the same tables are tested in DuckDB")
    with postgres(tmp_path, "a-password") as address:
        with psycopg.connect(address) as connection:
            connection.execute(sql.format(bytes="bytea", numbers="generate_series"))
        monkeypatch.setenv("LAKE_DATABASE", address)
        yield "LAKE_DATABASE"


def test_a_database_that_sells_what_it_calls_by_a_word_of_its_own(music: str, tmp_path: Path, staged) -> None:
    lake = lake_at(music)
    assert lake
    draft = draft_shop(tmp_path / "shop", lake, NOW)
    source = draft.shop.sources["sales"]
    assert {kind: pull.table for kind, pull in source.pulls.items()} == {
        "customers": "customer",
        "orders": "invoice",
        "lines": "invoice_line",
        "products": "track",
        "categories": "genre",
    }
    assert source.pulls["orders"].cursor == "updated_at"
    assert (source.columns["lines"]["product_id"], source.columns["products"]["category"]) == ("track_id", "genre_id")
    assert "a-password" not in (draft.shop.folder / "shop.yaml").read_text()
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    pulled = pull_shop(warehouse, draft.shop, tmp_path / "store", NOW)
    assert {one.table: (one.rows, one.failure) for one in pulled} == {
        "customers": (20, None),
        "orders": (120, None),
        "lines": (240, None),
        "products": (9, None),
        "categories": (3, None),
    }
    rows = staged(draft.shop, ["path:models/staging/sales"]).rows
    assert rows("select count(*), sum(net_amount), count(distinct source_customer_id) from staging.stg_sales__orders") == [
        (120, Decimal("477.60"), 20)
    ]
    assert rows("select distinct category from staging.stg_sales__products order by 1") == [("Genre 0",), ("Genre 1",), ("Genre 2",)]


def test_a_database_among_files_is_named_and_not_passed_over(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "in.duckdb")) as connection:
        connection.execute("create table orders as select 1 as order_id")
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "in.duckdb").rename(folder / "shop.duckdb")
    (folder / "Thumbs.db").write_bytes(b"no database")
    (folder / "contacts.csv").write_text("Email,Tags\nann@example.org,new\n")
    with pytest.raises(ValueError, match=r"shop\.duckdb is a database, and is read alone") as refused:
        draft_shop(tmp_path / "shop", folder)
    assert "Thumbs" not in str(refused.value)
