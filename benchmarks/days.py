"""What a night costs: as the history grows, and after a change of one in a hundred, beside a build of everything.

    python -m benchmarks.days [--customers N] [--days D] [--times 1 2 4 8] [--orders-a-day N] [--events-a-day N] [--json]

A made-up shop of N customers, D days of history (times 1, 2, 4, 8) in daily extracts: orders, web events, consents, as their vendors' JSON. Each size
is built whole up to the segments, then a night follows: the day's rows, some of days past, and corrections. Then one customer in a hundred does or
corrects something: once told late, so that the same day is built again (what changes is all there is to do), and once as a night of its own (who leaves
a window is in it too). Each is compared with a build of the whole, both ways, row by row; a difference ends the benchmark.

Seconds are the processor's for dbt's models: `facts and state` (kept tables: staging, facts, running state), `undated` (customers, products, views),
`dated` (the day's features and segments, a row per customer); `all` is the whole build's, the wall's beside it. Links are given; the identity stage is another benchmark's.
"""

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.resources import Store
from dagster_project.settings import SHOPS, Settings, load, memory_megabytes
from dagster_project.sources.contract import STAMPS, all_systems
from dagster_project.stated_shop import state_shop
from dagster_project.transform.dbt_build import build as dbt_build
from dagster_project.transform.dbt_build import parse

FIRST_NIGHT = date(2026, 3, 1)
STAGES = ["staging", "identity", "profile", "features", "segments"]
TABLES = [("shopify", "orders"), ("shopify", "customers"), ("shopify", "products"), ("ga4", "events"), ("consent", "receipts")]
PRODUCTS = 500
ASKING = "which models have news"


@dataclass(frozen=True)
class Size:
    """A made-up shop: customers, days of history, and what happens on a day."""

    customers: int
    days: int
    orders_a_day: int
    events_a_day: int


@dataclass(frozen=True)
class Night:
    """What one build cost, processor seconds by kind of model; `rows` differ from a build of the whole (0, or the benchmark fails)."""

    facts_and_state: float
    undated: float
    dated: float
    processor: float
    wall: float
    by_model: Mapping[str, float]
    rows_differing: int | None = None

    @property
    def models(self) -> float:
        return self.facts_and_state + self.undated + self.dated


class Differs(RuntimeError):
    """A night's tables are not those of a build of the whole."""


def open_shop(home: Path) -> Store:
    settings = load({"DEARLY_HOME": str(home)}, shop=str(SHOPS / "small"))
    store = Store.of(settings)
    store.open()
    store.warehouse.create()
    state_shop(store.warehouse, store.shop)
    with store.warehouse.connect() as connection:
        for system, table in TABLES:
            columns = [f'"{name}" varchar' for name in all_systems()[system].tables[table].columns]
            stamps = [f"{name} {kind}" for name, kind in STAMPS.items()]
            connection.execute(f"create table sources.{system}__{table} ({', '.join(columns + stamps)})")
        connection.execute("create schema identity")
    return store


# Every value is drawn from a hash of what it belongs to: the same rows however many threads write them.
def drawn(*of: str) -> str:
    return f"(hash({', '.join(of)}) % 1000000007)"


def stamped(table: str, batch: str, known_at: str, is_history: str) -> str:
    # Rows of one moment are numbered on, as loading numbers them.
    number = f"(select coalesce(max(_row_number), 0) from sources.{table}) + row_number() over () as _row_number"
    columns = f"{batch} as _batch_id, {number}, md5(cast(made as varchar)) as _row_hash"
    return (
        f"insert into sources.{table} by name select *, {columns}, cast({known_at} as timestamp) as _known_at, {is_history} as _is_history "
        "from made"
    )


def add_customers(connection: duckdb.DuckDBPyConnection, size: Size) -> None:
    """Accounts, products and consents, known since long ago; and whose records they are."""
    customers = f"range({size.customers}) as people (one)"
    email = "concat('customer', one, '@example.org')"
    made = {
        "shopify__customers": f"""
            select cast(one as varchar) as id, {email} as email, '2020-01-01T00:00:00Z' as created_at, '2020-01-01T00:00:00Z' as updated_at,
                'Ann' as first_name, 'Weiss' as last_name from {customers}
        """,
        "shopify__products": f"""
            select cast(one as varchar) as id, concat('Ware ', one) as title, concat('brand', one % 20) as vendor, concat('kind', one % 12)
                as product_type, 'active' as status, '2020-01-01T00:00:00Z' as created_at, '2020-01-01T00:00:00Z' as updated_at,
                json_array(json_object('id', cast(one as varchar), 'sku', concat('S', one), 'price', cast(5 + one % 90 as varchar),
                'inventory_quantity', 7)) as variants
            from range({PRODUCTS}) as wares (one)
        """,
        "consent__receipts": f"""
            select concat('r', one) as receipt_id, '2020-01-02T00:00:00Z' as interaction_date, {email} as data_subject_identifier,
                'profiling' as purpose, 'email' as channel, 'CONFIRMED' as transaction_type, 'account' as collection_point
            from {customers}
        """,
    }
    for table, sql in made.items():
        connection.execute(f"create or replace temp table made as {sql}")
        connection.execute(stamped(table, "'first'", "timestamp '2020-01-03'", "true"))
    connection.execute(
        f"""
        create table identity.customer_links as
        select concat('c', one) as customer_id, source, source_customer_id, 'given' as rule, 1.0::double as match_probability,
            timestamp '2020-01-01' as valid_from, cast(null as timestamp) as valid_to
        from {customers}, lateral (
            values ('shopify', cast(one as varchar)), ('ga4', concat('user:', one)), ('consent', md5({email}))
        ) as records (source, source_customer_id)
        """
    )


def add_day(
    connection: duckdb.DuckDBPyConnection,
    size: Size,
    days: tuple[int, int],
    batch: str,
    share: float = 1.0,
    late: bool = False,
    price: str = "11.00",
) -> None:
    """What happened on days (a half-open range, 0 the first night): one batch a day; with `late`, all in one batch, a tenth of it of days past."""
    start = f"timestamp '{FIRST_NIGHT}'"
    day = "day - if(one % 10 = 0, 3, 0)" if late else "day"
    at = f"({start} + to_days(cast({day} as integer)) + to_seconds(cast({drawn('one', 'day', '1')} % 80000 as integer)))"
    known = f"{start} + to_days(cast({days[0] if late else 'day'} + 1 as integer)) + interval 4 hour"
    iso = "strftime({}, '%Y-%m-%dT%H:%M:%SZ')"
    people = int(size.customers * share)
    who = f"({drawn('one', 'day', '2')} % {people})"
    of = f"range({days[0]}, {days[1]}) as days (day), range({{}}) as happened (one)"
    sku = f"({drawn('one', 'day', '3')} % {PRODUCTS})"
    orders = f"""
        select concat('{batch}o', day, '-', one) as id, {iso.format(at)} as created_at, {iso.format(at)} as updated_at, 'EUR' as currency,
            json_object('id', cast({who} as varchar)) as customer, 'web' as source_name,
            json_array(
                json_object('id', 'a', 'product_id', cast({sku} as varchar), 'sku', concat('S', {sku}), 'quantity', 1 + one % 3,
                    'price', cast(5 + {sku} % 90 as varchar)),
                json_object('id', 'b', 'product_id', '7', 'sku', 'S7', 'quantity', 1, 'price', '12.00')
            ) as line_items, day as happened_day
        from {of.format(max(1, int(size.orders_a_day)))}
    """
    if late:
        # One order in ten of yesterday comes again, with a note of what was changed: another price.
        orders += f"""
            union all
            select id, created_at, {iso.format(f"{start} + to_days({days[0]})")}, currency, customer, source_name,
                replace(line_items, '12.00', '{price}'), {days[0]}
            from sources.shopify__orders
            where _known_at >= {start} + to_days({days[0] - 1}) and _known_at < {start} + to_days({days[0]}) + interval 5 hour
                and cast(json_extract_string(customer, '$.id') as bigint) < {people} and hash(id) % 10 = 0
        """
    events = f"""
        select cast(epoch_us({at}) as varchar) as event_timestamp,
            ['page_view', 'view_item', 'add_to_cart', 'view_search_results'][1 + cast({drawn("one", "day", "4")} % 4 as integer)] as event_name,
            -- Everybody has a browser of their own; seven visits in ten are signed in.
            if({drawn("one", "day", "5")} % 10 < 7, cast({who} as varchar), null) as user_id, concat('b', {who}) as user_pseudo_id,
            json_array(
                json_object('key', 'ga_session_id', 'value', json_object('int_value', day * 100 + one % 7)),
                json_object('key', 'page_location', 'value', json_object('string_value', concat('https://shop.example/p/', {sku})))
            ) as event_params,
            json_object('category', 'mobile') as device, 'WEB' as platform,
            json_array(json_object('item_id', concat('S', {sku}), 'item_category', concat('kind', {sku} % 12))) as items, day as happened_day
        from {of.format(max(1, int(size.events_a_day)))}
    """
    made = {"shopify__orders": orders, "ga4__events": events}
    if late:
        # As many people as order correct their name, and as many answer once more what they answered long ago.
        number = f"{drawn('one', 'day', '6')} % {people}"
        made["shopify__customers"] = f"""
            select distinct on (id) cast({number} as varchar) as id, concat('customer', {number}, '@example.org') as email,
                '2020-01-01T00:00:00Z' as created_at, {iso.format(f"{start} + to_days({days[0]})")} as updated_at, 'Anna' as first_name,
                'Weiss' as last_name, day as happened_day
            from {of.format(max(1, int(size.orders_a_day)))}
        """
        made["consent__receipts"] = f"""
            select concat('{batch}r', day, '-', one) as receipt_id, {iso.format(at)} as interaction_date,
                concat('customer', {number}, '@example.org') as data_subject_identifier, 'profiling' as purpose, 'email' as channel,
                if(one % 5 = 0, 'WITHDRAWN', 'CONFIRMED') as transaction_type, 'account' as collection_point, day as happened_day
            from {of.format(max(1, int(size.orders_a_day)))}
        """
    for table, sql in made.items():
        connection.execute(f"create or replace temp table made as select * exclude (happened_day), happened_day as day from ({sql})")
        batch_of = f"'{batch}{days[0]}'" if late else f"concat('{batch}', day)"
        connection.execute(stamped(table, batch_of, known, "false").replace("select *,", "select * exclude (day),"))


def build(store: Store, night: int, full_refresh: bool = False, threads: int = 1) -> Night:
    """One night up to the segments; with one thread of dbt's the seconds of each model are known. What comes before dbt, asking which models have news,
    counts with facts and state."""
    nodes = parse().nodes["nodes"]
    names = [node["name"] for node in nodes.values() if node["schema"] in STAGES]
    store.warehouse.write_run_days([store.shop.moment(FIRST_NIGHT + timedelta(days=night))])
    costs: dict[str, float] = {}
    started, used = time.perf_counter(), processor_seconds()

    # One model at a time: the processor's seconds between its start and its end are its own.
    def heard(event: Any) -> None:
        costs.setdefault(ASKING, processor_seconds() - used)
        if event.info.name in ("NodeStart", "NodeFinished"):
            name = event.data.node_info.unique_id
            costs[name] = processor_seconds() - costs.get(name, 0.0)

    list(dbt_build(replace(store.settings, threads=threads), names, exclude_tests=True, full_refresh=full_refresh, on_event=heard))
    wall, processor = time.perf_counter() - started, processor_seconds() - used
    seconds: dict[str, float] = defaultdict(float)
    for name, cost in costs.items():
        kind = "kept" if name == ASKING else nodes[name]["config"]["materialized"]
        seconds[{"kept": "facts_and_state", "days": "dated"}.get(kind, "undated")] += cost
    by_model = {name.split(".")[-1]: cost for name, cost in costs.items()}
    return Night(seconds["facts_and_state"], seconds["undated"], seconds["dated"], processor, wall, by_model)


def processor_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def gigabytes_at_most() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def compared(store: Store, night: int, built: Night) -> tuple[Night, Night]:
    """The night with how many rows differ from a build of the whole on a copy, and what that build cost.

    Raises:
        Differs: any does.
    """
    home = store.settings.home.parent / "whole"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(store.settings.home, home)
    whole = Store.of(replace(store.settings, home=home))
    whole.open()
    cost = build(whole, night, full_refresh=True)
    found = differing(store.settings, whole.settings)
    shutil.rmtree(home)
    if found:
        raise Differs(f"Rows that one build has and the other has not: {found}")
    return replace(built, rows_differing=0), cost


def differing(one: Settings, other: Settings) -> dict[str, int]:
    """Rows by table, in either direction; of days, the newest. Rows are compared by 128 bits of two hashes: whole rows of a million customers, sorted
    out by an `except all`, take minutes a table."""
    found = {}
    with duckdb.connect(str(one.warehouse), config={"threads": 2}) as connection:
        connection.execute(f"set memory_limit = '{memory_megabytes()}MB'")
        connection.execute(f"attach '{other.warehouse}' as other (read_only)")
        tables = [(row[0], "") for row in connection.execute("select model from sources.model_builds order by 1").fetchall()]
        newest = "where as_of = (select max(as_of) from sources.run_days)"
        tables += [
            (f"features.{name}", newest)
            for name in ("order_features", "web_features", "affinity_features", "category_features", "customer_features")
        ]
        tables += [("segments.segment_flags", newest)]
        for table, where in tables:
            # The columns in one order: a column added later stands last in one store and in its place in the other.
            columns = ", ".join(
                f'"{row[0]}"' for row in connection.execute(f"select column_name from (describe {table}) order by 1").fetchall()
            )
            rows = " union all ".join(
                f"select hash({columns}) as one, hash('another', {columns}) as other, {side} as side from {place}{table} {where}"
                for place, side in (("", 1), ("other.", -1))
            )
            row = connection.execute(
                f"select sum(abs(surplus)) from (select sum(side) as surplus from ({rows}) group by one, other)"
            ).fetchone()
            if row and row[0]:
                found[table] = int(row[0])
    return found


def measure(size: Size, tell: Callable[[str], None]) -> dict[str, Night]:
    """A build of everything, a night, and a night with a change of one in a hundred, each compared."""

    def told(name: str, night: Night) -> Night:
        tell(f"  {name}: {night.models:.1f} processor seconds, {night.wall:.0f} by the wall, {gigabytes_at_most():.1f} GB at most")
        return night

    with tempfile.TemporaryDirectory() as folder:
        store = open_shop(Path(folder) / "home")
        with store.warehouse.connect() as connection:
            add_customers(connection, size)
            add_day(connection, size, (-size.days, 0), "h")
        tell(f"{size.days} days of history: {size.days * size.events_a_day:,} events, {size.days * size.orders_a_day:,} orders")
        first = told("first build", build(store, -1))
        with store.warehouse.connect() as connection:
            add_day(connection, size, (0, 1), "d", late=True)
        night, _ = compared(store, 0, told("night", build(store, 0)))
        change = replace(size, orders_a_day=size.customers // 200, events_a_day=size.customers // 50)
        with store.warehouse.connect() as connection:
            add_day(connection, change, (0, 1), "t", share=0.01, late=True, price="10.00")
        told_late, whole = compared(store, 0, told("one in a hundred, told late", build(store, 0)))
        with store.warehouse.connect() as connection:
            add_day(connection, change, (1, 2), "c", share=0.01, late=True)
        changed, _ = compared(store, 1, told("one in a hundred, a night", build(store, 1)))
        again = told("nothing new", build(store, 1))
    return {
        "first build": first,
        "night": night,
        "1 in 100, told late": told_late,
        "1 in 100, a night": changed,
        "whole": whole,
        "nothing new": again,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=30, help="days of history at 1x")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 8], help="how many times that history")
    parser.add_argument("--orders-a-day", type=int, default=None, help="default: customers / 100")
    parser.add_argument("--events-a-day", type=int, default=None, help="default: customers / 10")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--models", type=int, default=0, metavar="N", help="the N dearest models of each build")
    asked = parser.parse_args(arguments)
    size = Size(asked.customers, asked.days, asked.orders_a_day or asked.customers // 100, asked.events_a_day or asked.customers // 10)

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = {times: measure(replace(size, days=size.days * times), tell) for times in asked.times}
    least, most = found[min(found)], found[max(found)]
    ratios = {
        f"night at {max(found)}x to {min(found)}x": most["night"].models / least["night"].models,
        **{
            f"{name} to whole, {part}": getattr(most[name], field) / getattr(most["whole"], field)
            for name in ("1 in 100, told late", "1 in 100, a night")
            for part, field in (("facts and state", "facts_and_state"), ("everything", "models"))
        },
    }
    if asked.json:
        print(
            json.dumps(
                {"size": asdict(size), "nights": {t: {n: asdict(v) for n, v in f.items()} for t, f in found.items()}, "ratios": ratios}
            )
        )
        return
    print(f"{'':>4} {'':<20} {'facts+state':>11} {'undated':>8} {'dated':>8} {'models':>8} {'all':>8} {'wall':>8} {'rows differing':>15}")
    for times, nights in found.items():
        for name, night in nights.items():
            numbers = (night.facts_and_state, night.undated, night.dated, night.models, night.processor, night.wall)
            differ = "not compared" if night.rows_differing is None else night.rows_differing
            widths = (11, 8, 8, 8, 8, 8)
            print(f"{times:>3}x {name:<20} " + " ".join(f"{n:>{w}.2f}" for n, w in zip(numbers, widths, strict=True)) + f" {differ:>15}")
            for model in sorted(night.by_model, key=night.by_model.__getitem__, reverse=True)[: asked.models]:
                print(f"{'':>8}{night.by_model[model]:>8.2f}  {model}")
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.3f}")


if __name__ == "__main__":
    main()
