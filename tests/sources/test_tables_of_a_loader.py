"""Fivetran's schemas, as its own seeds have them: in DuckDB and in Postgres the same rows, by the pipeline facts; what is deleted is gone from then on, and may come back."""

import re
from datetime import date, datetime
from functools import partial
from pathlib import Path

import duckdb
import psycopg
import pytest
import yaml
from servers import postgres, postgres_program

from dagster_project.settings import SHOPS, Settings, load
from dagster_project.shop import SourceSystem, load_shop
from dagster_project.sources import assets
from dagster_project.sources.contract import Piece, Pull, load_loader
from dagster_project.sources.databases import DuckDBFile, database
from dagster_project.sources.documents import PieceMissing, documents
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.pulling import pull_shop
from dagster_project.warehouse import Warehouse

DATA = Path(__file__).parents[1] / "data"
# Schema → the seeds in it; Fivetran's connector to Shopify's older API and the one to its newer have other columns.
SCHEMAS = {
    "shopify": ("fivetran_shopify", r"shopify_(?!gql_)(\w+)_data"),
    "shopify_graphql": ("fivetran_shopify", r"shopify_gql_(\w+)_data"),
    "klaviyo": ("fivetran_klaviyo", r"(\w+)"),
    "mailchimp": ("fivetran_mailchimp", r"(\w+)"),
}
FIRST, SECOND, THIRD = date(2026, 3, 4), date(2026, 3, 5), date(2026, 3, 6)
NIGHTS = {FIRST: datetime(2026, 3, 5, 5), SECOND: datetime(2026, 3, 6, 5), THIRD: datetime(2026, 3, 7, 5)}
DELETED, RESTORED = "2026-03-05 12:00:00", "2026-03-06 12:00:00"
# An order of its own: two lines, one of them reduced and one of it sent back. The seeds' orders and refunds do not belong together.
ORDER = """
alter table shopify.order_line_refund alter subtotal type decimal(18, 2);
insert into shopify."order" by name select 900 as id, 'EUR' as currency, 3588998496353 as customer_id, timestamp '2026-03-01 10:00' as created_at,
    timestamp '2026-03-02 10:00' as updated_at, 25.00 as total_price, timestamp '2026-03-02 11:00' as _fivetran_synced;
insert into shopify.order_line by name select unnest([901, 902]) as id, 900 as order_id, 4506451050593 as product_id, unnest([10.0, 5.5]) as price,
    unnest([2, 1]) as quantity, timestamp '2026-03-02 11:00' as _fivetran_synced;
insert into shopify.discount_allocation by name select 901 as order_line_id, 0.5 as amount, 0 as "index";
insert into shopify.refund by name select 903 as id, 900 as order_id, timestamp '2026-03-02 09:00' as created_at;
insert into shopify.order_line_refund by name select 904 as id, 903 as refund_id, 902 as order_line_id, 1 as quantity, 5.5 as subtotal;
alter table shopify."order" add column _fivetran_deleted boolean;
alter table shopify.customer add column _fivetran_deleted boolean;
alter table mailchimp.member add column _fivetran_deleted boolean;
insert into klaviyo.metric by name select 'Q4q6PC' as id, 'Received Email' as name, timestamp '2021-04-14' as _fivetran_synced;
"""
DELETE = f"""
update shopify."order" set _fivetran_deleted = true, _fivetran_synced = '{DELETED}' where id = 900;
update shopify.customer set _fivetran_deleted = true, _fivetran_synced = '{DELETED}' where id = 3589760876641;
update shopify.product set _fivetran_deleted = true, _fivetran_synced = '{DELETED}' where id = 4506451050593;
update klaviyo.person set _fivetran_deleted = true, _fivetran_synced = '{DELETED}' where email = 'mrgoogle@gmail.com';
update mailchimp.member set _fivetran_deleted = true, _fivetran_synced = '{DELETED}' where email_address = 'ben@example.com';
"""

# All that was deleted is back as it was: but for the loader's own two columns nothing says so.
RESTORE = DELETE.replace("_fivetran_deleted = true", "_fivetran_deleted = false").replace(DELETED, RESTORED)


def land(lake: Path) -> None:
    """The seeds as a loader leaves them."""
    with duckdb.connect(str(lake)) as connection:
        for schema, (folder, named) in SCHEMAS.items():
            connection.execute(f"create schema {schema}")
            for path in sorted((DATA / folder).glob("*.csv")):
                if found := re.fullmatch(named, path.stem):
                    connection.execute(f"create table {schema}.\"{found[1]}\" as select * from read_csv('{path}')")
        connection.execute(ORDER)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lake") / "lake.duckdb"
    land(path)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lake: Path):
    """The same tables in Postgres."""
    if not (postgres_program("initdb") and postgres_program("postgres")):
        pytest.skip("Postgres is not installed (Debian: apt-get install postgresql); the same tables are tested in DuckDB")
    kinds = {"DOUBLE": "double precision", "VARCHAR": "text", "TIMESTAMP_NS": "timestamp", "HUGEINT": "numeric"}
    with postgres(tmp_path_factory.mktemp("postgres"), "canary") as address:
        with duckdb.connect(str(lake), read_only=True) as source, psycopg.connect(address) as target:
            for schema in SCHEMAS:
                target.execute(f"create schema {schema}")  # type: ignore[arg-type]
                for table in DuckDBFile(lake, schema).names():
                    described = source.execute(f'describe {schema}."{table}"').fetchall()
                    columns = ", ".join(f'"{name}" {kinds.get(kind, kind)}' for name, kind, *_ in described)
                    target.execute(f'create table {schema}."{table}" ({columns})')  # type: ignore[arg-type]
                    rows = source.execute(f'select * from {schema}."{table}"').fetchall()
                    places = ", ".join(["%s"] * len(described))
                    target.cursor().executemany(f'insert into {schema}."{table}" values ({places})', rows)  # type: ignore[arg-type]
        yield address


def test_a_document_is_the_same_from_either_database_and_whole_or_by_the_names_of_its_pieces(lake: Path, server: str) -> None:
    for table, pull in load_loader("shopify", "fivetran").tables.items():
        whole = list(documents(DuckDBFile(lake, "shopify"), pull, None))
        assert whole
        assert list(documents(database(server, "shopify"), pull, datetime(2000, 1, 1))) == whole, table


@pytest.mark.parametrize("schema", ["shopify_graphql", "klaviyo"])
def test_every_table_of_a_schema_is_read(schema: str, lake: Path) -> None:
    for pull in load_loader(schema.split("_")[0], "fivetran").tables.values():
        whole = list(documents(DuckDBFile(lake, schema), pull, None))
        assert whole
        assert list(documents(DuckDBFile(lake, schema), pull, datetime(2000, 1, 1))) == whole


def test_an_order_has_its_lines_discounts_and_refunds(lake: Path) -> None:
    orders = {row["id"]: row for row in documents(DuckDBFile(lake, "shopify"), load_loader("shopify", "fivetran").tables["orders"], None)}
    lines = [(line["price"], line["quantity"], line["discount_allocations"]) for line in orders["900"]["line_items"]]
    assert lines == [("10.0", "2", [{"amount": "0.5"}]), ("5.5", "1", [])]
    assert orders["900"]["refunds"][0]["refund_line_items"] == [{"id": "904", "line_item_id": "902", "quantity": "1", "subtotal": "5.50"}]


def test_by_graphql_a_piece_costs_its_share_of_the_line(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as connection:
        connection.execute(
            """
            create table "order" as select 1 as id, now() as created_at, now() as updated_at, now() as _fivetran_synced, 'EUR' as currency_code;
            create table order_line as select 2 as id, 1 as order_id, 3 as quantity, 10.00 as original_total_set_shop_amount,
                1.00 as total_discount_set_shop_amount
            """
        )
    (order,) = documents(DuckDBFile(tmp_path / "lake.duckdb", "main"), load_loader("shopify", "fivetran").tables["orders"], None)
    (line,) = order["line_items"]
    assert (line["price"], line["total_discount"], order["currency"]) == ("3.3333", "1.00", "EUR")
    assert "name" not in order


def test_what_is_not_there_is_said_with_table_and_column(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as connection:
        connection.execute('create table "order" as select 1 as id, now() as created')
    pull = load_loader("shopify", "fivetran").tables["orders"]
    file = DuckDBFile(tmp_path / "lake.duckdb", "main")
    with pytest.raises(
        PieceMissing, match="The table 'order' has no column 'created_at', 'updated_at', '_fivetran_synced'; it has created, id"
    ):
        list(documents(file, pull.model_copy(update={"cursor": None}), None))
    with pytest.raises(PieceMissing, match="There is no table 'orders'; it has order"):
        list(documents(file, Pull(pieces={"orders": Piece()}, columns={"id": "id"}), None))


def test_a_shop_names_table_and_cursor_of_its_own_database(tmp_path: Path) -> None:
    """Any loader's table (Airbyte, dlt, one's own) is mapped in shop.yaml: their table, their cursor, our column ← theirs."""
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as connection:
        connection.execute(
            "create table bestellungen as select 'o1' as nr, 'c1' as kunde, timestamp '2026-03-01' as am, 5.0 as summe, 1 as stand"
        )
    source = SourceSystem(
        kind="tables",
        file="lake.duckdb",
        tables=["orders"],
        pulls={"orders": Pull(table="bestellungen", cursor="stand")},
        columns={"orders": {"order_id": "nr", "customer_id": "kunde", "ordered_at": "am", "total_amount": "summe"}},
    )
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    shop = load_shop(SHOPS / "small").model_copy(update={"sources": {"sales": source}, "folder": tmp_path})
    (pulled,) = pull_shop(warehouse, shop, tmp_path / "store", NIGHTS[FIRST])
    assert (pulled.rows, pulled.failure) == (1, None)
    table = contracts_of(shop)["sales"].tables["orders"]
    assert (table.headers["order_id"], table.pull.cursor if table.pull else None) == ("nr", "stand")


@pytest.fixture(scope="module")
def lake_shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A shop whose three systems Fivetran lands in one DuckDB file."""
    folder = tmp_path_factory.mktemp("lake_shop")
    land(folder / "lake.duckdb")
    (folder / "brand.yaml").write_bytes((SHOPS / "small" / "brand.yaml").read_bytes())
    kept = yaml.safe_load((SHOPS / "small" / "shop.yaml").read_text())
    lake = {"kind": "tables", "file": "lake.duckdb", "history_until": "2026-03-05T05:00:00"}
    systems = {
        "shopify": {**lake, "schema": "shopify", "loader": "fivetran"},
        "klaviyo": {**lake, "schema": "klaviyo", "loader": "fivetran"},
        "mailchimp": {**lake, "schema": "mailchimp"},
    }
    kept |= {"sources": systems, "first_day": FIRST, "last_day": THIRD, "fx_rates": {"GBP": 1.1, "USD": 0.9}}
    (folder / "shop.yaml").write_text(yaml.safe_dump(kept))
    return load({"DEARLY_HOME": str(tmp_path_factory.mktemp("home"))}, shop=str(folder))


@pytest.mark.whole
def test_what_fivetran_lands_becomes_facts_and_what_it_deletes_is_gone_from_then_on(lake_shop, rows, monkeypatch, build_stages) -> None:
    mailed = "select count(*) from profile.current_permissions where channel = 'email' and purpose = 'marketing' and is_permitted"
    permitted = {}
    for day in (FIRST, SECOND):
        monkeypatch.setattr(assets, "pull_shop", partial(pull_shop, now=NIGHTS[day]))
        build_stages(lake_shop, ("sources", "staging", "identity", "profile"), day)
        ((permitted[day],),) = rows(lake_shop, mailed)
        if day == FIRST:
            first = rows(lake_shop, "select net_amount from profile.fct_orders where order_id = '900'")
            assert [float(net) for (net,) in first] == [25.0]
            assert rows(lake_shop, "select net_amount::double, kind from profile.fct_returns where order_id = '900'") == [(5.5, "refund")]
            with duckdb.connect(str(lake_shop.shop_folder / "lake.duckdb")) as connection:
                connection.execute(DELETE)
    returns = (
        "select kind, net_amount::double, known_at from profile.fct_returns where order_id = '900' and superseded_at is null order by kind"
    )
    assert rows(lake_shop, returns) == [("cancellation", 19.5, NIGHTS[SECOND]), ("refund", 5.5, NIGHTS[SECOND])]
    status = "select status, known_at < ? from profile.dim_products where product_id = '4506451050593' order by known_at"
    assert rows(lake_shop, status, NIGHTS[SECOND]) == [("active", True), ("archived", False)]
    suppressed = "select source, reason from profile.fct_suppressions where known_at = ? and superseded_at is null order by 1"
    assert rows(lake_shop, suppressed, NIGHTS[SECOND]) == [
        ("klaviyo", "deleted"),
        ("mailchimp", "deleted"),
        ("shopify", "customer deleted"),
    ]
    assert permitted[FIRST] - permitted[SECOND] == 2
    with duckdb.connect(str(lake_shop.shop_folder / "lake.duckdb")) as connection:
        connection.execute(RESTORE)
    monkeypatch.setattr(assets, "pull_shop", partial(pull_shop, now=NIGHTS[THIRD]))
    build_stages(lake_shop, ("sources", "staging", "identity", "profile"), THIRD)
    assert rows(lake_shop, returns) == [("refund", 5.5, NIGHTS[THIRD])]
    assert rows(lake_shop, f"{status} desc limit 1", NIGHTS[SECOND]) == [("active", False)]
    assert (
        rows(lake_shop, "select source, reason from profile.fct_suppressions where superseded_at is null and reason like '%deleted'") == []
    )
    assert rows(lake_shop, mailed) == [(permitted[FIRST],)]
    # What a built day knew stays.
    known = "select distinct reason from profile.customer_suppressions where as_of = ? and reason like '%deleted' order by 1"
    assert rows(lake_shop, known, load_shop(lake_shop.shop_folder).moment(SECOND).as_of) == [("customer deleted",), ("deleted",)]
    said = "select source, state, count(*) from profile.fct_consents where superseded_at is null group by all order by all"
    said_of = {(source, state): count for source, state, count in rows(lake_shop, said)}
    # A yes stays what was said then.
    assert said_of["mailchimp", "granted"] == 8
    assert {event for (event,) in rows(lake_shop, "select distinct event from profile.fct_email_events where source = 'mailchimp'")} == {
        "received",
        "opened",
        "clicked",
        "unsubscribed",
    }
    assert rows(lake_shop, "select count(*) from profile.fct_email_events where source = 'klaviyo'") == [(4,)]
    # Every order that has lines is a fact; the seeds' other orders wait in quarantine for theirs, and nothing is silently lost.
    assert rows(lake_shop, "select distinct reason from sources.quarantine where table_name = 'orders'") == [("is missing",)]
    assert rows(lake_shop, "select count(*) from sources.refused_extracts") == [(0,)]
