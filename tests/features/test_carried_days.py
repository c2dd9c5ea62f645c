"""A day carried from the day before says what a day computed from all facts says, over random histories; and who leaves a window is noticed."""

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from benchmarks.transactions import DBT_PROJECT
from dagster_project.transform import dbt_build

START = datetime(2025, 1, 1)
LAST = 460
# Days carried over a night, a week, a season and most of a year.
DAYS = [START + timedelta(days=day) for day in (60, 61, 68, 160, 161, LAST)]
STATES = [
    "int_record_addresses",
    "int_logged_purposes",
    "int_permission_state",
    "int_profiled_customers",
    "int_product_shelves",
    "int_order_state",
    "int_web_state",
    "int_email_state",
    "int_affinity_state",
    "int_category_state",
]
DATED = {
    "customer_permissions": "profile",
    **dict.fromkeys(["order_features", "web_features", "email_features", "affinity_features", "category_features"], "features"),
}

FACTS = {
    "fct_orders": "order_id varchar, net_amount decimal(18, 2), discount_amount decimal(18, 2), is_unpriced boolean",
    "fct_order_items": "order_item_id varchar, order_id varchar, product_id varchar, quantity integer",
    "fct_returns": "return_id varchar, net_amount decimal(18, 2)",
    "fct_web_events": "web_event_id varchar, session_id varchar, event varchar, device varchar, product_id varchar",
    "fct_email_events": "email_event_id varchar, campaign varchar, event varchar, is_machine boolean, device varchar",
    "fct_consents": "consent_id varchar, channel varchar, purpose varchar, state varchar, is_soft_opt_in boolean, is_logged boolean, evidence varchar, "
    "source varchar, source_customer_id varchar",
    "fct_suppressions": "suppression_id varchar, channel varchar, reason varchar",
    "dim_products": "product_id varchar, category varchar, brand varchar, price decimal(18, 4)",
}


def write_history(store: Path, seed: int) -> None:
    """A shop of forty customers: late rows, corrections, facts that change hands, consents and customers that come and go, products that change their shelf."""
    chance = random.Random(seed)
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in FACTS}

    def tell(table: str, customer: str | None, at: datetime, *values: object) -> None:
        """A fact with one to three versions: known at once or late, its later versions another customer's or changed in value."""
        known = at + timedelta(hours=chance.choice([0, 0, 0, 5, 30, 400]))
        for last in [False] * chance.choice([0, 0, 0, 1, 2]) + [True]:
            until = None if last else known + timedelta(hours=chance.randint(1, 3000))
            rows[table].append((customer, at, known, until, *values))
            known = until or known
            customer = customer and chance.choice([customer, customer, f"c{chance.randrange(40)}"])

    for number in range(1500):
        customer = chance.choice([None, *(f"c{one}" for one in range(40))])
        at = START + timedelta(seconds=chance.randrange(LAST * 86400))
        product = f"p{chance.randrange(12)}"
        match chance.randrange(6):
            case 0:
                order = (customer, at, at, None)
                rows["fct_orders"].append((*order, f"o{number}", chance.randint(1, 20000) / 100, chance.choice([0, 5]), False))
                rows["fct_order_items"].append((*order, f"i{number}", f"o{number}", product, chance.randint(1, 3)))
            case 1:
                tell("fct_orders", customer, at, f"o{number}", chance.randint(1, 20000) / 100, 0, number % 5 == 0)
            case 2:
                tell("fct_returns", customer, at, f"r{number}", chance.randint(1, 5000) / 100)
            case 3:
                event = chance.choice(["opened", "clicked", "received"])
                tell(
                    "fct_email_events",
                    customer,
                    at,
                    f"e{number}",
                    f"m{chance.randrange(9)}",
                    event,
                    chance.random() < 0.2,
                    chance.choice(["mobile", "desktop"]),
                )
            case _:
                event = chance.choice(["page_view", "view_item", "add_to_cart", "search"])
                session, device = f"s{chance.randrange(300)}", chance.choice(["mobile", "desktop", None])
                tell("fct_web_events", customer, at, f"w{number}", session, event, device, product)
    for one in range(40):
        for _ in range(chance.choice([1, 1, 3])):
            at = START + timedelta(days=chance.choice([0, 0, chance.randrange(LAST)]))
            state = chance.choice(["granted", "granted", "withdrawn"])
            # From a day on the shop keeps a log: what was granted elsewhere holds no more.
            is_logged = chance.random() < 0.6 and at > START + timedelta(days=200)
            rows["fct_consents"].append(
                (f"c{one}", at, at, None, f"{one}{at}{state}", "email", "profiling", state, False, is_logged, "said so", "shop", f"{one}")
            )
    for one in range(0, 40, 5):
        # Deleted, and half of them back a while later.
        at = START + timedelta(days=chance.randrange(LAST))
        back = at + timedelta(days=chance.randint(1, 30)) if one % 2 else None
        rows["fct_suppressions"].append((f"c{one}", at, at, back, f"d{one}", "email", "customer deleted"))
    for one in range(12):
        until = START + timedelta(days=chance.randrange(LAST))
        shelf = (chance.choice(["tea", "pots"]), chance.choice(["a", "b"]), chance.randint(1, 50))
        rows["dim_products"].append((None, START, START, until, f"p{one}", *shelf))
        rows["dim_products"].append((None, START, until, None, f"p{one}", *shelf[:2], chance.randint(1, 50)))
    with duckdb.connect(str(store)) as connection:
        connection.execute("set TimeZone = 'UTC'; create schema profile; create schema sources")
        stamps = "customer_id varchar, occurred_at timestamp, known_at timestamp, superseded_at timestamp"
        for table, columns in FACTS.items():
            connection.execute(f"create table profile.{table} ({stamps}, {columns})")
            places = ", ".join("?" * len(rows[table][0]))
            connection.executemany(f"insert into profile.{table} values ({places})", rows[table])
        connection.execute("create table sources.run_days (as_of timestamp, known_by timestamp, is_day boolean, is_training boolean)")
        connection.execute("create table sources.built_days (as_of timestamp)")
        connection.execute("create schema identity")
        versions = "known_at timestamp, version_at timestamp, version_number integer"
        connection.execute(
            f"create table identity.customer_records (source varchar, source_customer_id varchar, email varchar, {versions})"
        )
        connection.execute("create table sources.shop (zone varchar)")
        connection.execute("insert into sources.shop values ('Europe/Berlin')")


def build(store: Path, days: Sequence[datetime], project: Path = DBT_PROJECT) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    with duckdb.connect(str(store)) as connection:
        connection.execute("delete from sources.run_days")
        connection.executemany("insert into sources.run_days values (?, ?, true, false)", [(day, day + timedelta(hours=6)) for day in days])
    manifest = dbt_build.parse().manifest.deepcopy() if project == DBT_PROJECT else None
    os.environ |= {"DEARLY_WAREHOUSE": str(store), "DO_NOT_TRACK": "1"}
    folders = ["--project-dir", project, "--profiles-dir", project, "--target-path", store.parent / "target", "--log-path", store.parent]
    try:
        result = dbtRunner(manifest=manifest).invoke(["run", "--quiet", "--select", *STATES, *DATED, *map(str, folders)])
    finally:
        DuckDBConnectionManager.close_all_connections()
    assert result.success, result.exception or result.result


def differing(one: Path, other: Path) -> dict[str, int]:
    """Rows of each dated table that one of two stores has and the other has not."""
    found = {}
    with duckdb.connect(str(one), read_only=True) as connection:
        connection.execute(f"attach '{other}' as other (read_only)")
        for table, schema in DATED.items():
            days = f"where as_of in (select as_of from {schema}.{table})"
            mine, theirs = (f"select * from {place}{schema}.{table} {days}" for place in ("", "other."))
            sql = f"select count(*) from (({mine} except all {theirs}) union all ({theirs} except all {mine}))"
            row = connection.execute(sql).fetchone()
            assert row is not None
            found[table] = row[0]
            assert connection.execute(f"select count(*) from {schema}.{table}").fetchone() > (20,)
    return {table: rows for table, rows in found.items() if rows}


def builds_of(store: Path) -> dict[str, bool]:
    with duckdb.connect(str(store), read_only=True) as connection:
        return dict(connection.execute("select model, is_whole from sources.model_builds").fetchall())


@pytest.fixture(scope="module")
def unchanged_environment() -> Iterator[None]:
    before = os.environ.get("DEARLY_WAREHOUSE")
    yield
    os.environ.pop("DEARLY_WAREHOUSE", None) if before is None else os.environ.update(DEARLY_WAREHOUSE=before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, unchanged_environment: None) -> Path:
    """All days at once, each from all facts."""
    store = tmp_path_factory.mktemp("whole") / "warehouse.duckdb"
    write_history(store, seed=1)
    build(store, DAYS)
    return store


def carried(folder: Path, days: Sequence[datetime], project: Path = DBT_PROJECT) -> Path:
    store = folder / "warehouse.duckdb"
    write_history(store, seed=1)
    for day in days:
        build(store, [day], project)
    return store


def test_carried_days_equal_days_computed_from_all_facts(whole: Path, tmp_path: Path) -> None:
    store = carried(tmp_path, DAYS)
    states = {model: is_whole for model, is_whole in builds_of(store).items() if model.endswith("_state")}
    assert len(states) == 6
    assert not any(states.values()), "the last day was carried"
    assert differing(store, whole) == {}


def test_without_the_windows_carried_days_go_wrong(whole: Path, tmp_path: Path) -> None:
    """The control: states that do not look at who leaves a window keep counting what has expired."""
    project = tmp_path / "dbt"
    shutil.copytree(DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for path in (project / "models" / "features").glob("int_*_state.sql"):
        text = path.read_text()
        for windows in ("order_windows", "web_windows", "email_windows", "category_windows"):
            text = text.replace(f"'windows': {windows}()", "'windows': []")
        path.write_text(text)
    found = differing(carried(tmp_path, DAYS[1:4], project), whole)
    assert {"order_features", "web_features", "email_features", "category_features"} <= set(found)
