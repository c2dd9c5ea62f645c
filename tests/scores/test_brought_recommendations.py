"""Recommendations that the shop brings, and what customers never want to see: from extracts to the lists of a day."""

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from dagster_project.scores import recommending
from dagster_project.settings import SHOPS, Settings
from dagster_project.shop import load_shop
from dagster_project.warehouse import Warehouse
from ml.recommendations.recommend import Recommendations

pytestmark = [pytest.mark.whole]

SMALL = SHOPS / "small"
HISTORY = "20260228T230000Z"
NEVER = {"kunde001@example.org": "coffee", "kunde002@example.org": "904; 905"}


def listed(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sold_out(product: dict[str, object]) -> dict[str, object]:
    variants = product["variants"]
    assert isinstance(variants, list)
    return product | {"variants": [variant | {"inventory_quantity": 0} for variant in variants]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, small_settings, build) -> Settings:  # type: ignore[no-untyped-def]
    """One day of the small shop, to which every customer is everything: brought scores for all of them and all products, and rows that are wrong."""
    shop = tmp_path_factory.mktemp("bringing") / "small"
    shutil.copytree(SMALL, shop)
    stated = yaml.safe_load((shop / "shop.yaml").read_text())
    stated["sources"]["recommender"] = {"path": "extracts/recommender", "history_until": stated["sources"]["shopify"]["history_until"]}
    (shop / "shop.yaml").write_text(yaml.safe_dump(stated))
    customers = [str(row["id"]) for row in listed(SMALL / f"extracts/shopify/customers/customers_{HISTORY}.jsonl")]
    products = sorted({str(row["id"]) for path in SMALL.glob("extracts/shopify/products/*.jsonl") for row in listed(path)})
    for path in shop.glob("extracts/shopify/products/*.jsonl"):
        path.write_text("".join(json.dumps(sold_out(row) if str(row["id"]) == products[-1] else row) + "\n" for row in listed(path)))
    made_at = "2026-02-28T03:00:00Z"
    rows = [[f"shopify:{who}", what, f"{place + 1}.5", made_at] for who in customers for place, what in enumerate(products)]
    rows += [rows[0], [f"shopify:{customers[0]}", "no-such-product", "99", made_at], ["shopify:nobody", products[0], "99", made_at]]
    rows += [
        [f"shopify:{customers[1]}", products[0], "NaN", made_at],
        [f"shopify:{customers[1]}", products[0], "99", "2026-01-01T03:00:00Z"],
    ]
    folder = shop / "extracts/recommender/scores"
    folder.mkdir(parents=True)
    with (folder / f"scores_{HISTORY}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["customer", "product_id", "score", "made_at"], *rows])
    contacts = shop / f"extracts/hubspot/contacts/contacts_{HISTORY}.csv"
    with contacts.open(newline="") as file:
        said = list(csv.reader(file))
    said = [[*row, "Not interested in" if place == 0 else NEVER.get(row[3], "")] for place, row in enumerate(said)]
    with contacts.open("w", newline="") as file:
        csv.writer(file).writerows(said)
    return build(small_settings(shop), [date(2026, 3, 1)])


def rows_of(store: Settings, sql: str) -> list[tuple[object, ...]]:
    return Warehouse(store.warehouse).rows(sql)


LISTS = "scores.customer_recommendations"


def test_what_the_shop_brings_takes_the_place_of_for_you_and_wrong_rows_do_not(store: Settings) -> None:
    assert rows_of(store, f"select distinct reason from {LISTS} where strategy = 'for_you'") == [("shop_choice",)]
    assert rows_of(store, f"select count(distinct customer_id) > 100, max(score) < 99 from {LISTS} where strategy = 'for_you'") == [
        (True, True)
    ]
    assert rows_of(store, "select reason, count(*) from sources.quarantine where source = 'recommender' group by reason") == [
        ("is missing", 1)
    ]
    assert rows_of(store, "select rows_duplicate from sources.load_ledger where source = 'recommender'") == [(1,)]
    twice = f"select customer_id from {LISTS} where strategy = 'for_you' group by customer_id, product_id having count(*) > 1"
    assert rows_of(store, twice) == []


def test_nobody_is_shown_what_is_out_of_stock_or_what_they_just_bought(store: Settings) -> None:
    gone = "select product_id from scores.recommendable_products where not in_stock"
    assert rows_of(store, f"select count(*) > 0 from ({gone})") == [(True,)]
    assert rows_of(store, f"select count(*) from scores.brought_recommendations where product_id in ({gone})") != [(0,)]
    assert rows_of(store, f"select count(*) from {LISTS} where product_id in ({gone})") == [(0,)]
    fresh = """
    from scores.brought_recommendations as brought
    inner join scores.interactions as bought using (as_of, customer_id, product_id)
    where bought.kind = 'purchase' and bought.at >= brought.as_of - interval 3 day
    """
    assert rows_of(store, f"select count(*) > 0 {fresh}") == [(True,)]
    assert rows_of(
        store,
        f"select count(*) from {LISTS} where strategy = 'for_you' and (customer_id, product_id) in (select (customer_id, product_id) {fresh})",
    ) == [(0,)]


def test_who_refuses_profiling_has_nothing_personal_anywhere(store: Settings) -> None:
    refused = """
    select customer_id from profile.current_customers
    where customer_id not in (
        select customer_id from profile.customer_permissions where channel = 'email' and purpose = 'profiling' and is_permitted
    )
    """
    assert rows_of(store, f"select count(*) > 10 from scores.brought_recommendations where customer_id in ({refused})") == [(True,)]
    assert rows_of(store, f"select distinct strategy from {LISTS} where customer_id in ({refused})") == [("trending",)]
    for table in ("features.customer_features", "scores.customer_scores", "scores.interactions", "scores.score_reasons"):
        assert rows_of(store, f"select count(*) from {table} where customer_id in ({refused})") == [(0,)], table


def test_nobody_is_shown_what_they_never_want_to_see(store: Settings) -> None:
    shown = """
    select distinct customers.email, products.product_id, lower(products.category)
    from scores.customer_recommendations as lists
    inner join profile.current_customers as customers using (as_of, customer_id)
    inner join scores.recommendable_products as products using (as_of, product_id)
    """
    found = rows_of(store, shown)
    coffee = {email for email, _, category in found if category == "coffee"}
    assert len(coffee) > 100 and "kunde001@example.org" not in coffee
    assert "kunde001@example.org" in {email for email, *_ in found}
    single = {email for email, product, _ in found if product in ("904", "905")}
    assert len(single) > 100 and "kunde002@example.org" not in single
    assert "kunde002@example.org" in {email for email, *_ in found}


def test_what_a_products_page_may_show_is_sold_and_published(store: Settings) -> None:
    beside = """
    select count(*) > 20, bool_and(products.in_stock), bool_and(relations.product_id <> related_product_id), count(distinct relation)
    from scores.product_relations as relations
    inner join scores.recommendable_products as products
        on relations.as_of = products.as_of and relations.related_product_id = products.product_id
    """
    assert rows_of(store, beside)[0][:3] == (True, True, True)
    folder = store.store / "published"
    newest = folder / json.loads((folder / "current.json").read_text())["folder"]
    for name in ("product_relations", "product_bundles"):
        days_rows = f"select count(*) from scores.{name} where as_of = (select max(as_of) from scores.{name})"
        assert pq.read_metadata(newest / f"{name}.parquet").num_rows == rows_of(store, days_rows)[0][0]


def test_a_days_bundles_are_rows_of_the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small shop's orders have none, so the library's answer is given."""
    made = Recommendations(
        table=recommending.RECOMMENDATIONS.empty_table().drop(["as_of"]),
        relations=recommending.PRODUCT_RELATIONS.empty_table().drop(["as_of"]),
        bundles=pa.table({"rank": pa.array([1], pa.int32()), "product_ids": [["cup", "saucer"]], "score": [1.5]}),
        rankers={},
    )
    monkeypatch.setattr(recommending, "recommend", lambda *_, **__: made)
    moment = load_shop(SMALL).moment(date(2026, 3, 1))
    day = recommending.recommend_day(Something(), moment)  # type: ignore[arg-type]
    assert day["product_bundles"].to_pylist() == [{"as_of": moment.as_of, "rank": 1, "product_ids": ["cup", "saucer"], "score": 1.5}]


class Something:
    """A store in which every table has a row."""

    def read(self, sql: str, parameters: object = ()) -> pa.Table:
        return pa.table({"x": [1]})


def test_where_nobody_may_be_profiled_everybody_gets_what_is_trending() -> None:
    moment = load_shop(SMALL).moment(date(2026, 3, 1))
    day = recommending.recommend_day(Unprofiled(), moment)  # type: ignore[arg-type]
    shown = day["customer_recommendations"].to_pylist()
    assert {(row["customer_id"], row["strategy"], row["product_id"]) for row in shown} == {
        (customer, "trending", product) for customer in ("ann", "bob") for product in ("cup", "pot")
    }
    nothing = recommending.recommend_day(Unprofiled({"products": 0}), moment)  # type: ignore[arg-type]
    assert not any(table.num_rows for table in nothing.values())


class Unprofiled:
    """The store of a shop that sells two products to two people who refuse profiling."""

    def __init__(self, rows: dict[str, int] | None = None) -> None:
        self.rows = rows or {}

    def read(self, sql: str, parameters: object = ()) -> pa.Table:
        texts = pa.string()
        if sql == recommending.PRODUCTS:
            return pa.table({"product_id": ["cup", "pot"], "in_stock": [True, True]}).slice(0, self.rows.get("products", 2))
        if sql == recommending.CUSTOMERS:
            return pa.table({"customer_id": ["ann", "bob"], "profiling": [False, False]})
        if sql == recommending.INTERACTIONS:
            columns = {"customer_id": texts, "product_id": texts, "at": pa.timestamp("us"), "kind": texts, "quantity": pa.int64()}
            return pa.schema(list(columns.items())).empty_table()
        return pa.table({"customer_id": pa.array([], texts)})
