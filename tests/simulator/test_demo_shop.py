"""The demo shop as it is written: its files, its vendors' formats, its incidents, and its truth."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow.parquet as pq
import pytest

from simulator import extracts, generate

DAYS = 7
OPTIONS = {"customers": 600, "months": 8, "days": DAYS, "seed": 8, "last_day": date(2026, 3, 14)}
BROKEN = ("missing", "unparsable", "negative", "unknown", "impossible")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shop")
    generate(out, **OPTIONS)
    return out


@pytest.fixture(scope="module")
def incidents(shop: Path) -> list[dict]:
    return json.loads((shop / "truth" / "incidents.json").read_text(encoding="utf-8"))


def _digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _files(shop: Path, table: str) -> list[Path]:
    return sorted((shop / "extracts" / table).iterdir())


def _reader(shop: Path, table: str) -> str:
    path = shop / "extracts" / table / "*"
    kind = _files(shop, table)[0].suffix
    if kind == ".jsonl":
        return f"read_json('{path}', format = 'newline_delimited', union_by_name = true, filename = true)"
    if kind == ".csv":
        return f"read_csv('{path}', header = true, all_varchar = true, filename = true)"
    return f"read_parquet('{path}', filename = true)"


def _rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    small = {**OPTIONS, "customers": 80, "months": 4, "days": 2}
    generate(tmp_path / "first", **small)
    generate(tmp_path / "second", **small)
    generate(tmp_path / "other", **{**small, "seed": 12})
    assert _digests(tmp_path / "first") == _digests(tmp_path / "second")
    assert _digests(tmp_path / "first") != _digests(tmp_path / "other")


COLUMNS = {
    "hubspot/contacts": (
        "Record ID,First Name,Last Name,Email,Phone Number,Create Date,Last Modified Date,Unsubscribed from all email,"
        "Membership tier,Favourite categories"
    ),
    "shopify/customers": (
        "id,email,first_name,last_name,phone,created_at,updated_at,state,verified_email,tags,default_address,"
        "email_marketing_consent,sms_marketing_consent,note,currency"
    ),
    "shopify/orders": (
        "id,name,created_at,updated_at,processed_at,cancelled_at,cancel_reason,currency,customer,email,phone,"
        "financial_status,source_name,subtotal_price,total_discounts,total_tax,total_price,total_shipping_price_set,"
        "taxes_included,discount_codes,discount_applications,line_items,refunds,landing_site,shipping_address,"
        "client_details"
    ),
    "shopify/products": "id,title,body_html,vendor,product_type,handle,tags,status,created_at,updated_at,variants,images",
    "shopify/inventory_items": "id,cost,sku,tracked",
    "shopify/checkouts": (
        "id,token,cart_token,email,created_at,updated_at,completed_at,abandoned_checkout_url,line_items,total_price,"
        "customer,phone,buyer_accepts_marketing"
    ),
    "shopify/wishlists": "id,customer_id,product_id,variant_id,added_at,removed_at",
    "shopify/reviews": "id,product_id,customer_email,rating,title,body,created_at,verified",
    "ga4/events": (
        "event_date,event_timestamp,event_name,event_params,user_id,user_pseudo_id,user_properties,device,geo,"
        "traffic_source,platform,ecommerce,items"
    ),
    "klaviyo/profiles": "type,id,attributes",
    "klaviyo/events": "type,id,attributes,relationships",
    "klaviyo/metrics": "type,id,attributes",
    "klaviyo/campaigns": "type,id,attributes,campaign_messages",
    "klaviyo/campaign_recipients": "campaign_id,profile_id,group,variant",
    "consent/receipts": (
        "ReceiptId,DataSubjectIdentifier,Purpose,Channel,TransactionType,InteractionDate,CollectionPoint,PrivacyNoticeVersion,Country"
    ),
    "cookiebot/consents": "Key,Consent date,necessary,preferences,statistics,marketing,URL,Country,user_pseudo_id",
    "accounts/events": "messageId,type,event,userId,anonymousId,timestamp,properties",
    "pos/receipts": ("receipt_no,line_no,store_id,store_city,sold_at,loyalty_card,sku,qty,unit_price,discount,total,currency,cashier"),
    "enrichment/persons": ("email,region,urbanity,household_size,has_children,interests,values,social_activity,income_band,updated_at"),
    "articles/articles": "id,title,url,body_html,tags,published_at,language",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_every_table_bears_its_vendors_column_names(shop: Path, table: str) -> None:
    columns = duckdb.sql(f"select * from {_reader(shop, table)} limit 0").columns
    assert set(COLUMNS[table].split(",")) <= set(columns)


def test_no_table_is_written_that_the_test_above_does_not_know(shop: Path) -> None:
    tables = {f"{path.parent.name}/{path.name}" for path in (shop / "extracts").glob("*/*")}
    assert tables == set(COLUMNS)


def test_events_written_a_few_at_a_time_are_the_same_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def events(folder: Path) -> dict[str, list[dict]]:
        generate(folder, customers=60, months=3, days=2, seed=7)
        return {path.name: pq.read_table(path).to_pylist() for path in _files(folder, "ga4/events")}

    at_once = events(tmp_path / "at_once")
    monkeypatch.setattr(extracts, "ARROW_CHUNK", 100)
    assert max(map(len, at_once.values())) > 200
    assert events(tmp_path / "a_few") == at_once


def test_google_events_keep_the_nested_types_of_the_export(shop: Path) -> None:
    relation = duckdb.sql(f"select * from {_reader(shop, 'ga4/events')} limit 0")
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    value = "STRUCT(string_value VARCHAR, int_value BIGINT, float_value DOUBLE, double_value DOUBLE)"
    assert types["event_params"] == f'STRUCT("key" VARCHAR, "value" {value})[]'
    assert types["event_timestamp"] == "BIGINT"
    names = {name for (name,) in duckdb.sql(f"select distinct event_name from {_reader(shop, 'ga4/events')}").fetchall()}
    assert names == {
        *("session_start", "page_view", "view_item", "view_search_results", "scroll"),
        *("add_to_cart", "begin_checkout", "purchase", "login", "screen_view"),
    }


def test_a_history_file_and_a_file_a_day_are_named_by_the_moment_of_the_pull(shop: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    history = datetime(2026, 3, 8, tzinfo=berlin)
    moments = [history, *(datetime(2026, 3, day, 6, tzinfo=berlin) for day in range(9, 16))]
    names = [f"orders_{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}.jsonl" for moment in moments]
    assert set(names) <= {path.name for path in _files(shop, "shopify/orders")}


def test_a_quiet_table_has_days_without_a_file(shop: Path) -> None:
    assert 1 < len(_files(shop, "articles/articles")) < DAYS + 1


def test_each_days_orders_changed_on_that_day_unless_they_are_late_or_come_again(shop: Path, incidents: list[dict]) -> None:
    known = {(entry["file"], entry["row_number"]) for entry in incidents if entry["table"] == "orders"}
    seen = 0
    for file in _files(shop, "shopify/orders")[1:]:
        pulled = datetime.strptime(file.stem.split("_")[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
        for number, row in enumerate(_rows(file), start=1):
            if (file.name, number) not in known and pulled.minute == 0:
                changed = datetime.fromisoformat(row["updated_at"])
                assert (pulled.date() - changed.date()).days == 1
                seen += 1
    assert seen > 10


def test_the_last_version_of_every_order_agrees_with_the_truth_to_the_cent(shop: Path, incidents: list[dict]) -> None:
    broken = {
        (entry["file"], entry["row_number"]) for entry in incidents if entry["table"] == "orders" and entry["kind"].startswith(BROKEN)
    }
    net: dict[str, int] = {}
    for file in _files(shop, "shopify/orders"):
        for number, row in enumerate(_rows(file), start=1):
            if (file.name, number) in broken or file.stem.endswith("3000Z"):
                continue
            lines = sum(
                round(float(line["price"]) * 100) * line["quantity"]
                - sum(round(float(part["amount"]) * 100) for part in line["discount_allocations"])
                for line in row["line_items"]
            )
            back = sum(round(line["subtotal"] * 100) for refund in row["refunds"] for line in refund["refund_line_items"])
            assert round(float(row["subtotal_price"]) * 100) == lines
            net[str(row["id"])] = lines - back
    truth = dict(
        duckdb.sql(f"select source_record_id, net_cents from '{shop}/truth/purchases.parquet' where channel <> 'store'").fetchall()
    )
    missing = set(truth) - set(net)
    assert set(net) <= set(truth)
    assert len(missing) <= 3, "only orders that come late on the last day may be missing"
    assert {key: truth[key] for key in net} == net


def test_orders_are_cancelled_and_refunded_within_the_daily_days(shop: Path) -> None:
    daily = [row for file in _files(shop, "shopify/orders")[1:] for row in _rows(file)]
    cancelled = [row for row in daily if row["cancelled_at"]]
    refunded = [row for row in daily if row["refunds"] and not row["cancelled_at"]]
    assert cancelled
    assert refunded
    assert all(row["financial_status"] == "refunded" for row in cancelled)
    assert all(row["refunds"][0]["created_at"] == row["updated_at"] for row in refunded)


def test_the_truth_names_every_record_of_a_person_and_no_other(shop: Path) -> None:
    for system, table, key in (
        ("shopify", "customers", "id::varchar"),
        ("hubspot", "contacts", '"Record ID"'),
        ("klaviyo", "profiles", "id"),
    ):
        written = {
            value
            for (value,) in duckdb.sql(
                f"select distinct {key} from {_reader(shop, f'{system}/{table}')} where {key} is not null"
            ).fetchall()
        }
        known = duckdb.sql(
            f"select source_record_id from '{shop}/truth/people.parquet' where system = '{system}' and \"table\" = '{table}'"
        ).fetchall()
        keys = [value for (value,) in known]
        assert len(keys) == len(set(keys))
        assert written <= set(keys)
        assert len(set(keys) - written) <= 2, "only records that come late on the last day may be missing"


def test_some_people_have_two_records_in_one_system_and_typos_between_them(shop: Path) -> None:
    people = f"'{shop}/truth/people.parquet'"
    doubles = duckdb.sql(
        f"select count(*) from (select person_id from {people} where system = 'hubspot' group by 1 having count(*) > 1)"
    ).fetchone()[0]
    shared = duckdb.sql(
        f'select count(*) from (select "Phone Number" from {_reader(shop, "hubspot/contacts")} where length("Phone Number") > 6 '
        'group by 1 having count(distinct "Last Name" || "First Name") > 1)'
    ).fetchone()[0]
    assert doubles >= 10
    assert shared >= 1


def test_every_kind_of_incident_is_planted(incidents: list[dict]) -> None:
    kinds = {entry["kind"] for entry in incidents}
    assert {
        "late row",
        "overlapping row",
        "repeated file",
        "missing id",
        "unparsable date",
        "negative quantity",
        "unknown currency",
    } <= kinds
    broken = [entry for entry in incidents if entry["kind"].startswith(BROKEN)]
    assert len({(entry["system"], entry["table"]) for entry in broken}) >= 14


def test_a_noted_broken_row_is_broken_where_the_note_says(shop: Path, incidents: list[dict]) -> None:
    orders = shop / "extracts" / "shopify" / "orders"
    seen = set()
    for entry in incidents:
        if entry["table"] != "orders" or not entry["kind"].startswith(BROKEN):
            continue
        row = _rows(orders / entry["file"])[entry["row_number"] - 1]
        seen.add(entry["kind"])
        if entry["kind"] == "missing id":
            assert row["id"] is None
        elif entry["kind"] == "unknown currency":
            assert row["currency"] == "XXX"
        elif entry["kind"] == "negative quantity":
            assert row["line_items"][0]["quantity"] < 0
        else:
            with pytest.raises(ValueError, match="month must be"):
                datetime.fromisoformat(row["created_at"])
    assert len(seen) == 4


def test_google_events_break_where_the_notes_say(shop: Path, incidents: list[dict]) -> None:
    noted = {
        kind: sum(entry["table"] == "events" and entry["system"] == "ga4" and entry["kind"] == kind for entry in incidents)
        for kind in ("missing id", "missing timestamp")
    }
    once = f"(select * from {_reader(shop, 'ga4/events')} where filename not like '%3000Z%')"
    ids, moments = duckdb.sql(
        f"select count(*) filter (user_pseudo_id is null), count(*) filter (event_timestamp is null) from {once}"
    ).fetchone()
    assert (ids, moments) == (noted["missing id"], noted["missing timestamp"])


def test_repeated_files_hold_the_same_bytes_under_another_name(shop: Path, incidents: list[dict]) -> None:
    repeated = [entry for entry in incidents if entry["kind"] == "repeated file"]
    assert repeated
    for entry in repeated:
        folder = shop / "extracts" / entry["system"] / entry["table"]
        again = folder / entry["file"]
        assert again.read_bytes() == (folder / entry["file"].replace("3000Z", "0000Z")).read_bytes()


def test_people_withdraw_on_most_days_and_in_the_last_night(shop: Path) -> None:
    withdrawn = duckdb.sql(
        "select try_cast(InteractionDate as timestamptz) at time zone 'Europe/Berlin' as moment "
        f"from {_reader(shop, 'consent/receipts')} where TransactionType = 'WITHDRAWN' and moment is not null"
    ).fetchall()
    moments = [moment for (moment,) in withdrawn]
    days = {moment.date() for moment in moments if moment.date() >= date(2026, 3, 8)}
    assert len(days) >= DAYS - 2
    assert sum(moment >= datetime(2026, 3, 15) for moment in moments) >= 2
    assert max(moments) < datetime(2026, 3, 15, 6)


def test_the_truth_of_consent_is_what_the_last_receipt_says(shop: Path) -> None:
    disagreeing = duckdb.sql(f"""
        with receipts as (
            select
                lower(DataSubjectIdentifier) as subject,
                Purpose as purpose,
                TransactionType as kind,
                try_cast(InteractionDate as timestamptz) as happened_at
            from {_reader(shop, "consent/receipts")}
            where ReceiptId is not null and DataSubjectIdentifier is not null and TransactionType <> 'MAYBE'
        ),
        last as (
            select subject, purpose, arg_max(kind, happened_at) as kind
            from receipts
            where happened_at is not null
            group by subject, purpose
        ),
        subjects as (
            select person_id, lower(source_record_id) as subject from '{shop}/truth/people.parquet' where system = 'consent'
            qualify count(*) over (partition by lower(source_record_id)) = 1
        )
        select count(*) filter ((kind = 'CONFIRMED') <> given_at_last_pull), count(*)
        from last join subjects using (subject) join '{shop}/truth/consents.parquet' using (person_id, purpose)
    """).fetchone()
    assert disagreeing[1] > 1000
    assert disagreeing[0] <= 2, "only transactions that come late on the last day may be unknown"


def test_the_holdout_receives_nothing_and_only_the_treated_are_moved(shop: Path) -> None:
    recipients = f"""(
        select distinct campaign_id, profile_id, "group"
        from {_reader(shop, "klaviyo/campaign_recipients")} where profile_id is not null
    )"""
    received = f"""(
        select distinct relationships.profile.data.id as profile_id, attributes.event_properties."$message" as campaign_id
        from {_reader(shop, "klaviyo/events")} where relationships.metric.data.id = 'RcvEml' and attributes is not null
    )"""
    mailed = dict(
        duckdb.sql(f'select "group", count(*) from {recipients} join {received} using (profile_id, campaign_id) group by 1').fetchall()
    )
    assigned = dict(duckdb.sql(f'select "group", count(*) from {recipients} group by 1').fetchall())
    assert set(mailed) == {"treatment"}
    assert 0.06 < assigned["holdout"] / sum(assigned.values()) < 0.14


def test_the_written_effects_add_up_to_the_caused_purchases(shop: Path) -> None:
    effects = json.loads((shop / "truth" / "effects.json").read_text(encoding="utf-8"))["campaigns"]
    caused = dict(
        duckdb.sql(f"select caused_by, count(*) from '{shop}/truth/purchases.parquet' where caused_by is not null group by 1").fetchall()
    )
    assert caused == {
        entry["slug"]: total for entry in effects if (total := sum(part["realised_added_orders"] for part in entry["variants"].values()))
    }
    for entry in effects:
        sent = datetime.fromisoformat(entry["send_at"]).replace(tzinfo=None)
        outside = duckdb.sql(
            f"select count(*) from '{shop}/truth/purchases.parquet' where caused_by = '{entry['slug']}' "
            f"and not purchased_at between '{sent}'::timestamp and '{sent}'::timestamp + interval 7 day"
        ).fetchone()[0]
        assert outside == 0


def test_visitors_come_unknown_identify_later_and_share_browsers(shop: Path) -> None:
    before = duckdb.sql(f"""
        with events as (select user_pseudo_id, user_id, event_timestamp from {_reader(shop, "ga4/events")}),
        first as (select user_pseudo_id, min(event_timestamp) as known_from from events where user_id is not null group by 1)
        select count(*)
        from events join first using (user_pseudo_id)
        where event_timestamp < known_from - 86400000000 and user_id is null
    """).fetchone()[0]
    shared, strangers = duckdb.sql(
        f"select count(distinct user_pseudo_id) filter (shared), count(*) filter (person_id is null) from '{shop}/truth/browsers.parquet'"
    ).fetchone()
    assert before > 100
    assert shared >= 2
    assert strangers > 50


def test_about_a_quarter_never_bought_and_some_of_them_will(shop: Path) -> None:
    people, never, will = duckdb.sql(
        "select count(*), count(*) filter (purchases = 0), count(*) filter (purchases = 0 and purchases_next_90d > 0) "
        f"from '{shop}/truth/customers.parquet'"
    ).fetchone()
    assert people == OPTIONS["customers"]
    assert 0.15 < never / people < 0.42
    assert will > 0


def test_people_open_their_mail_near_their_best_hour(shop: Path) -> None:
    near = duckdb.sql(f"""
        with opens as (
            select
                relationships.profile.data.id as source_record_id,
                hour(attributes.datetime::timestamptz at time zone 'Europe/Berlin') as open_hour
            from {_reader(shop, "klaviyo/events")} where relationships.metric.data.id = 'OpnEml' and attributes is not null
        )
        select avg((least(abs(open_hour - best_hour), 24 - abs(open_hour - best_hour)) <= 2)::int)
        from opens join '{shop}/truth/people.parquet' using (source_record_id) join '{shop}/truth/customers.parquet' using (person_id)
    """).fetchone()[0]
    assert near > 0.45, "by chance it would be about 0.21"


def test_names_and_addresses_are_not_only_ascii(shop: Path) -> None:
    text = _files(shop, "hubspot/contacts")[0].read_text(encoding="utf-8")
    assert {"ü", "é", "ş", "ł"} <= set(text)


def test_the_command_refuses_a_folder_that_holds_extracts(shop: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "simulator", str(shop)], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert run.returncode == 2
    assert "give an empty folder" in run.stderr


def test_arguments_that_leave_no_history_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="less than 30 days of history"):
        generate(tmp_path / "out", customers=100, months=1, days=14)
