"""A sample becomes a source system: a contract that refuses none of its rows, staging models, and the lines that name it."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from dagster_project.onboarding import systems
from dagster_project.onboarding.systems import SystemExists, draft_system
from dagster_project.settings import DBT_PROJECT, SHOPS
from dagster_project.shop import SourceSystem, load_shop
from dagster_project.sources import loading
from dagster_project.sources.contract import SYSTEMS, dbt_source, load_system
from dagster_project.sources.loading import load_shop_extracts
from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

CONTACTS = """Contact No,Full Name,E-Mail,City,Country,Created On,Last Modified,Orders,Loyal
7,Ann Lee,ann@example.org,Berlin,Germany,03.04.2020 10:00,13.05.2021 11:30,3,yes
8,"Bo, Jr",bo@example.org,Wien,Austria,14.04.2020 09:00,14.05.2021 08:00,,no
9,Cy,,Graz,Austria,15.04.2020 09:00,15.05.2021 08:00,1,yes
"""
LINES = "order_id,customer_id,order_date,sku,qty,unit_price\n" + "".join(
    f"o{n // 2},c{n % 5},2020-04-{n + 1:02d},s{n % 3},2,9.50\n" for n in range(20)
)
REFUNDS = "refund_id,order_id,customer_id,refunded_at,refund_amount,status\n" + "".join(
    f"r{n},o{n},c{n % 5},2020-05-{n + 1:02d} 10:00,{n + 1}.50,{'rejected' if n == 3 else 'done'}\n" for n in range(8)
)
VIEWS = "timestamp,visitor_id,user_id,event_type,product_id,url,device\n" + "".join(
    f"2020-05-01T10:{n:02d}:00Z,v{n % 3},{'u1' if n % 3 == 0 else ''},{('product_view', 'add_to_cart')[n % 2]},s{n % 4},/p/{n},Mobile\n"
    for n in range(20)
)
SUBSCRIBERS = "Email,Subscribed at,Unsubscribed at,Name\n" + "".join(
    f"A{n}@example.org,2020-05-{n + 1:02d} 10:00,{'2020-07-01 09:00' if n % 4 == 0 else ''},Ann\n" for n in range(12)
)
ORDERS = "Order No,Customer No,Order Date,Status,Total\n" + "".join(
    f"h{n},c{n % 5},2020-04-{n + 1:02d},{'cancelled' if n == 2 else 'shipped'},{10 + n}.00\n" for n in range(10)
)
PURCHASES = "customer_id,date,sku,qty,amount\n" + "".join(
    f"c{n % 5},2020-04-{n + 1:02d},s{n % 3},{-1 if n == 4 else 2},{-5 if n == 4 else 10}\n" for n in range(20)
)
MEMBERS = "card_number,email,tier,points,joined,opted_in\n" + "".join(
    f"LC-{n},a{n}@example.org,Gold,{n},{n + 13}.05.2025,{'yes' if n % 3 else 'no'}\n" for n in range(12)
)
TRANSACTIONS = "transaction_id,card_number,transaction_date,sku,quantity,amount,points_earned\n" + "".join(
    f"t{n},LC-{n % 5},2025-04-{n + 1:02d} 10:00:00,{'HB-904' if n % 2 else 'ONLY-HERE'},2,9.50,9\n" for n in range(20)
)
CLUB = "CONTACT ID,EMAIL,OPT_IN,BLACKLISTED,SMS_BLACKLISTED,ADDED_TIME\n" + "".join(
    f"{n},a{n}@example.org,{'Yes' if n % 3 else 'No'},{int(n % 4 == 0)},0,2020-05-{n + 1:02d} 10:00\n" for n in range(12)
)
READERS = "email,created_at,status\n" + "".join(
    f"a{n}@example.org,2019-05-{n + 1:02d} 10:00,{'unsubscribed' if n % 4 == 0 else 'subscribed'}\n" for n in range(12)
)
# An order's status stands on its first line, each line has a discount of its own, and the city is in Windows' letters.
TILL = "receipt no,customer_id,order_date,status,sku,qty,unit_price,discount_amount,refunded amount,city\n" + "".join(
    f"h{n // 2},c{n % 5},2020-04-{n // 2 + 1:02d},{'' if n % 2 else 'refunded' if n == 4 else 'paid'},s{n % 3},2,10,{n % 3},{'' if n % 2 else 0},Köln\n"
    for n in range(20)
)
WEATHER = '{"station": "A", "degrees": 20.5, "tags": ["x"]}\n{"station": "B", "degrees": 21.0, "tags": []}\n'


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the contracts and of the dbt project's file, to draft into."""
    shutil.copytree(SYSTEMS, tmp_path / "sources", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (tmp_path / "dbt").mkdir()
    shutil.copy(DBT_PROJECT / "dbt_project.yml", tmp_path / "dbt")
    return tmp_path / "sources", tmp_path / "dbt"


@pytest.mark.parametrize(
    ("name", "text", "ending", "key", "entities"),
    [
        ("crm", CONTACTS, "csv", ["contact_no"], {"records"}),
        ("outlet", LINES, "csv", ["order_id", "row_in_group"], {"orders", "order_items", "returns"}),
        ("rma", REFUNDS, "csv", ["refund_id"], {"returns"}),
        ("clicks", VIEWS, "csv", ["visitor_id", "row_in_group"], {"web_events"}),
        ("mails", SUBSCRIBERS, "csv", ["email"], {"consents", "records"}),
        ("heads", ORDERS, "csv", ["order_no"], {"orders", "returns"}),
        ("bought", PURCHASES, "csv", ["customer_id", "row_in_group"], {"orders", "order_items", "returns"}),
        ("weather", WEATHER, "jsonl", ["station"], set()),
    ],
)
def test_a_drafted_contract_takes_every_row_of_its_sample(name, text, ending, key, entities, place, tmp_path, monkeypatch) -> None:
    sample = tmp_path / f"sample.{ending}"
    sample.write_text(text)
    draft_system(name, [sample], *place)
    system = load_system(name, place[0])
    ((table, contract),) = system.tables.items()
    if name == "weather":
        assert contract.columns["tags"].type == "json"
    else:
        assert contract.key == key
    staging = place[1] / "models" / "staging" / name
    assert (staging / f"_{name}__sources.yml").read_text() == dbt_source(system)
    assert {path.stem.split("__")[1] for path in staging.glob("stg_*.sql")} == entities
    assert all(path.read_text().startswith("-- One row per ") for path in staging.glob("*.sql"))
    listed = yaml.safe_load((place[1] / "dbt_project.yml").read_text())["vars"]
    assert {entity for entity, names in listed.items() if isinstance(names, list) and name in names} == entities
    folder = tmp_path / "extracts" / table
    folder.mkdir(parents=True)
    shutil.copy(sample, folder / f"{table}_20220101T000000Z.{ending}")
    monkeypatch.setattr(loading, "contracts_of", lambda shop: {name: system})
    shop = load_shop(SHOPS / "small").model_copy(update={"sources": {name: SourceSystem(path=str(tmp_path / "extracts"))}})
    warehouse = Warehouse(tmp_path / "store" / "warehouse.duckdb")
    warehouse.create()
    (batch,) = load_shop_extracts(warehouse, shop, tmp_path / "store")
    assert batch.rows_loaded == batch.rows_in > 0


def test_types_formats_cursor_and_personal_data_are_read_from_the_sample(place, tmp_path) -> None:
    (tmp_path / "sample.csv").write_text(CONTACTS)
    draft_system("crm", [tmp_path / "sample.csv"], *place)
    (table,) = load_system("crm", place[0]).tables.values()
    columns = table.columns
    assert table.cursor == "last_modified"
    assert {name: column.type for name, column in columns.items() if column.type != "text"} == {
        "created_on": "timestamp",
        "last_modified": "timestamp",
        "orders": "integer",
        "loyal": "boolean",
    }
    assert columns["created_on"].format == "%d.%m.%Y %H:%M"
    assert {name: column.pii for name, column in columns.items() if column.pii != "none"} == {
        "contact_no": "indirect",
        "full_name": "direct",
        "e_mail": "direct",
        "city": "indirect",
        "country": "indirect",
    }
    assert [name for name, column in columns.items() if column.required and column.type == "text"] == ["contact_no"]


def test_what_a_till_says_of_orders_and_discounts_is_taken_off_or_said(place, tmp_path, monkeypatch, staged) -> None:
    shutil.copytree(DBT_PROJECT, place[1], ignore=shutil.ignore_patterns("target", "logs"), dirs_exist_ok=True)
    (tmp_path / "till.csv").write_text(TILL, encoding="cp1252")
    draft_system("till", [tmp_path / "till.csv"], *place)
    drafted = load_system("till", place[0])
    (table,) = drafted.tables.values()
    assert (table.encoding, table.columns["unit_price"].type, table.columns["qty"].type) == ("cp1252", "decimal", "integer")
    drafts = (place[0] / "till" / "source.yaml").read_text()
    assert "refunded amount is of whole orders, and no model" in drafts and "is given back of an order" not in drafts
    (tmp_path / "extracts" / "lines").mkdir(parents=True)
    shutil.copy(tmp_path / "till.csv", tmp_path / "extracts" / "lines" / "lines_20220101T000000Z.csv")
    monkeypatch.setattr(loading, "contracts_of", lambda shop: {"till": drafted})
    monkeypatch.setattr(dbt_build, "DBT_PROJECT", place[1])
    shop = load_shop(SHOPS / "small").model_copy(update={"sources": {"till": SourceSystem(path=str(tmp_path / "extracts"))}})
    rows = staged(shop, ["path:models/staging/till"]).rows
    assert rows("select count(*), sum(net_amount) from staging.stg_till__order_items") == [(20, 400 - sum(n % 3 for n in range(20)))]
    assert rows("select count(*), sum(net_amount) from staging.stg_till__returns") == [(2, 40 - 1 - 2)]


def test_a_system_of_two_tables_is_drafted_from_a_sample_of_each(place, tmp_path) -> None:
    """A loyalty scheme: its second file was refused, its dates were texts, and what it says of consent was nobody's."""
    samples = [tmp_path / "members.csv", tmp_path / "transactions.csv", tmp_path / "more.csv"]
    for path, text in zip(samples, (MEMBERS, TRANSACTIONS, TRANSACTIONS), strict=True):
        path.write_text(text)
    draft_system("loyalty", samples, *place)
    tables = load_system("loyalty", place[0]).tables
    assert list(tables) == ["customers", "lines", "lines_2"]
    joined, card = (tables["customers"].columns[name] for name in ("joined", "card_number"))
    assert (joined.type, joined.format, card.pii) == ("timestamp", "%d.%m.%Y", "indirect")
    staging = place[1] / "models" / "staging" / "loyalty"
    assert {path.stem.split("__")[1] for path in staging.glob("stg_*.sql")} == {"records", "consents", "orders", "order_items", "returns"}
    assert "says_yes('opted_in')" in (staging / "stg_loyalty__consents.sql").read_text()
    assert "loyalty__lines'" in (staging / "stg_loyalty__orders.sql").read_text() + (staging / "stg_loyalty__order_items.sql").read_text()


def test_lines_whose_orders_are_another_tables_are_said_to_need_a_hand(place, tmp_path) -> None:
    for name, text in (("orders", ORDERS), ("lines", LINES)):
        (tmp_path / f"{name}.csv").write_text(text)
    draft_system("erp", [tmp_path / "orders.csv", tmp_path / "lines.csv"], *place)
    assert "Make the two models agree" in (place[0] / "erp" / "source.yaml").read_text()


def test_a_systems_own_number_of_a_product_may_be_the_catalogues_sku(place, tmp_path, monkeypatch, staged) -> None:
    shutil.copytree(DBT_PROJECT, place[1], ignore=shutil.ignore_patterns("target", "logs"), dirs_exist_ok=True)
    (tmp_path / "transactions.csv").write_text(TRANSACTIONS)
    draft_system("loyalty", [tmp_path / "transactions.csv"], *place)
    (tmp_path / "extracts" / "lines").mkdir(parents=True)
    shutil.copy(tmp_path / "transactions.csv", tmp_path / "extracts" / "lines" / "lines_20260310T000000Z.csv")
    small = load_shop(SHOPS / "small")
    both = {"shopify": load_system("shopify"), "loyalty": load_system("loyalty", place[0])}
    monkeypatch.setattr(loading, "contracts_of", lambda shop: both)
    monkeypatch.setattr(dbt_build, "DBT_PROJECT", place[1])
    sources = {"shopify": small.sources["shopify"], "loyalty": SourceSystem(path=str(tmp_path / "extracts"))}
    rows = staged(small.model_copy(update={"sources": sources}), ["+fct_order_items"]).rows
    assert rows("select product_id, count(*) from profile.fct_order_items where source = 'loyalty' group by 1 order by 1") == [
        ("904", 10),
        ("ONLY-HERE", 10),
    ]


def test_a_system_that_is_there_and_a_name_that_is_none_are_refused(place, tmp_path) -> None:
    (tmp_path / "sample.csv").write_text(CONTACTS)
    with pytest.raises(SystemExists, match="is there already"):
        draft_system("hubspot", [tmp_path / "sample.csv"], *place)
    with pytest.raises(SystemExists, match="cannot name a system"):
        draft_system("../x", [tmp_path / "sample.csv"], *place)
    assert systems.with_system("  orders: [b, c]\n", "a", ["orders"]) == "  orders: [a, b, c]\n"


def test_the_drafted_models_build_and_say_what_the_sample_says(place, tmp_path, monkeypatch, staged) -> None:
    """dbt itself builds them, in a copy of the project, over what the sample's extract landed as."""
    shutil.copytree(DBT_PROJECT, place[1], ignore=shutil.ignore_patterns("target", "logs"), dirs_exist_ok=True)
    samples = {
        "outlet": LINES,
        "rma": REFUNDS,
        "clicks": VIEWS,
        "mails": SUBSCRIBERS,
        "heads": ORDERS,
        "bought": PURCHASES,
        "crm": CONTACTS,
        "club": CLUB,
        "newsletter": READERS,
    }
    extracts = tmp_path / "extracts"
    for name, text in samples.items():
        (tmp_path / f"{name}.csv").write_text(text)
        draft_system(name, [tmp_path / f"{name}.csv"], *place)
    drafted = {name: load_system(name, place[0]) for name in samples}
    for name, system in drafted.items():
        (table,) = system.tables
        (extracts / name / table).mkdir(parents=True)
        shutil.copy(tmp_path / f"{name}.csv", extracts / name / table / f"{table}_20220101T000000Z.csv")
    again = "".join(LINES.splitlines(keepends=True)[:2]).replace("9.50", "10.50")
    (extracts / "outlet" / "lines" / "lines_20220105T000000Z.csv").write_text(again)
    monkeypatch.setattr(loading, "contracts_of", lambda shop: drafted)
    history = {"history_until": datetime(2022, 1, 2)}
    shop = load_shop(SHOPS / "small").model_copy(
        update={"sources": {name: SourceSystem(path=str(extracts / name), **history) for name in samples}}
    )
    monkeypatch.setattr(dbt_build, "DBT_PROJECT", place[1])
    rows = staged(shop, [f"path:models/staging/{name}" for name in samples]).rows

    assert rows("select count(*), sum(net_amount), count(distinct order_id) from staging.stg_outlet__order_items") == [(22, 380 + 40, 10)]
    # An order is all of its lines, and one of them that comes again changes nothing of the others.
    changed = "select order_id, net_amount, lines_count, is_unpriced from staging.stg_outlet__orders order by order_id, version_at"
    assert rows(changed)[:3] == [("o0", 38, 2, False), ("o0", 40, 2, False), ("o1", 38, 2, False)]
    assert rows("select count(*), sum(net_amount) from staging.stg_outlet__orders") == [(11, 380 + 40)]
    assert rows("select count(*), sum(net_amount) from staging.stg_rma__returns") == [(7, 35.5)]
    assert rows("select event, count(*), count(login_id) from staging.stg_clicks__web_events group by 1 order by 1") == [
        ("add_to_cart", 10, 3),
        ("view_item", 10, 4),
    ]
    assert rows("select state, count(*) from staging.stg_mails__consents group by 1 order by 1") == [("granted", 9), ("withdrawn", 3)]
    assert rows("select count(*) from staging.stg_mails__records inner join staging.stg_mails__consents using (source_customer_id)") == [
        (12,)
    ]
    assert rows("select count(*), sum(net_amount) from staging.stg_heads__orders") == [(10, 145)]
    assert rows("select order_id, net_amount from staging.stg_heads__returns") == [("h2", 12)]
    assert rows("select sum(net_amount) from staging.stg_bought__orders") == [(190,)]
    assert rows("select quantity, net_amount from staging.stg_bought__returns") == [(1, 5)]
    assert rows("select state, count(*) from staging.stg_club__consents group by 1 order by 1") == [("granted", 6), ("withdrawn", 6)]
    # They came to the list in 2019: that is when who is on it agreed, and not when the others left.
    left = "select state, min(year(occurred_at)) from staging.stg_newsletter__consents group by 1 order by 1"
    assert rows(left) == [("granted", 2019), ("withdrawn", 2022)]
    assert "SMS_BLACKLISTED may say" in (place[0] / "club" / "source.yaml").read_text()
    assert rows("select count(*) from staging.stg_crm__records where first_name is not null") == [(3,)]
