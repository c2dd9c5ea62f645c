"""What is given back at each moment, over many orders that are cancelled, refunded and brought back, in any order of arrival."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.transform import dbt_build
from dagster_project.warehouse import Warehouse

START = datetime(2026, 1, 1)
HISTORY, NIGHTS, ORDERS = 10, 16, 300
SOLD = 20
# source, return_id, order_id, occurred_at, known_at, version_at, net_amount, kind
Return = tuple[str, str, str, datetime, datetime, datetime, int, str | None]
# source, order_id, version_at, known_at
Order = tuple[str, str, datetime, datetime]


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def history_of(chance: random.Random, order_id: str) -> tuple[list[Order], list[Return]]:
    """The versions of an order of one line, and of its refund. An extract of history is known when what it says happened, one of a night at night, and
    one that comes late after those that came before it; some changes move no updated_at."""
    orders: list[Order] = []
    returns: list[Return] = []
    extracts = sorted(chance.sample(range(6, NIGHTS), chance.randint(1, 5)))
    late = chance.choice(extracts) if chance.random() < 0.3 else None
    version = None
    for night in extracts:
        is_history = night <= HISTORY and late != night
        known = day(0) if is_history else day(NIGHTS + 1 if late == night else night)
        if is_history or version is None or chance.random() < 0.8:
            version = day(night)
        orders.append(("sales", order_id, version, known))
        if chance.random() < 0.5:
            cancelled = day(5) if is_history else known
            returns.append(("sales", order_id, order_id, day(5), cancelled, version, SOLD, "cancellation"))
    for night in chance.sample(range(6, NIGHTS), chance.randint(0, 2)):
        known = day(3) if night <= HISTORY else day(night)
        returns.append(
            ("sales", order_id, order_id, day(3), known, day(night), chance.randint(1, 9), chance.choice(["refund", "refund", None]))
        )
    return orders, returns


def given_back(orders: list[Order], returns: list[Return], moment: datetime) -> int:
    """Worked out without the model: all of it while the newest version of the order known by then is cancelled, else what the newest refund says."""
    known = [one for one in orders if one[3] <= moment]
    newest = max(known, key=lambda one: one[2:], default=None)
    said = sorted((one for one in returns if one[4] <= moment), key=lambda one: (one[5], one[4]))
    cancelled = [one for one in said if one[7] == "cancellation" and newest and one[5] == newest[2] and one[4] >= newest[3]]
    refunds = [one for one in said if one[7] != "cancellation"]
    if cancelled:
        return SOLD
    return refunds[-1][6] if refunds and refunds[-1][7] else 0


@pytest.fixture(scope="module")
def cases() -> dict[str, tuple[list[Order], list[Return]]]:
    chance = random.Random(4)
    return {f"o{number}": history_of(chance, f"o{number}") for number in range(ORDERS)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, cases) -> Path:
    folder = tmp_path_factory.mktemp("returns")
    warehouse = Warehouse(folder / "warehouse.duckdb")
    warehouse.create()
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("create schema if not exists staging; create schema if not exists profile")
        for system in ("online_retail", "sales", "shopify"):
            connection.execute(
                f"create table staging.stg_{system}__returns (source varchar, return_id varchar, order_id varchar, occurred_at timestamp, "
                "known_at timestamp, version_at timestamp, net_amount integer, kind varchar, version_number integer default 0, "
                "source_customer_id varchar default 'ann', product_id varchar default 'tea', quantity integer default 1)"
            )
            connection.execute(
                f"create table staging.stg_{system}__orders (source varchar, order_id varchar, version_at timestamp, known_at timestamp, "
                "version_number integer default 0)"
            )
        connection.execute(
            "create table profile.int_record_owners as select 'sales' as source, 'ann' as source_customer_id, 'c1' as customer_id, "
            "timestamp '0001-01-01' as since, timestamp '9999-12-31' as until"
        )
        for orders, returns in cases.values():
            connection.executemany("insert into staging.stg_sales__orders values (?, ?, ?, ?, 0)", orders)
            if returns:
                names = "source, return_id, order_id, occurred_at, known_at, version_at, net_amount, kind"
                connection.executemany(f"insert into staging.stg_sales__returns ({names}) values (?, ?, ?, ?, ?, ?, ?, ?)", returns)
    dbt_build.invoke(warehouse.path, 2, folder / "target", ["build", "--select", "fct_returns"], dbt_build.parse().manifest.deepcopy())
    return warehouse.path


def test_at_each_moment_what_the_newest_word_says_is_given_back(store: Path, cases) -> None:
    with duckdb.connect(str(store), read_only=True) as connection:
        for number in range(NIGHTS + 3):
            sql = "select order_id, sum(net_amount) from profile.fct_returns where known_at <= $1 and (superseded_at is null or superseded_at > $1) group by 1"
            found = dict(connection.execute(sql, [day(number)]).fetchall())
            expected = {order_id: Decimal(given_back(*case, day(number))) for order_id, case in cases.items()}
            assert {order_id: found.get(order_id, Decimal(0)) for order_id in cases} == expected, day(number)


def test_the_cases_have_what_they_are_about(cases) -> None:
    """The control: refunds that a cancellation covers and that come back, and cancellations taken back within history."""
    back = within_history = 0
    for case in cases.values():
        course = [given_back(*case, day(number)) for number in range(NIGHTS + 3)]
        refunded = [number for number, amount in enumerate(course) if 0 < amount < SOLD]
        back += bool(refunded) and SOLD in course[refunded[0] : refunded[-1]]
        kinds = {one[5]: one for one in case[1] if one[7] == "cancellation"}
        history = [one for one in case[0] if one[3] == day(0)]
        within_history += len(history) > 1 and history[0][2] in kinds and history[-1][2] not in kinds
    assert back > 5 and within_history > 5
