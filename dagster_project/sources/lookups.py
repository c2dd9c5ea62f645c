"""Enrichment: what a service knows of a person is asked once, kept for a while, and only of those who agreed to be profiled."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from dagster_project.sources.contract import Pull, Table
from dagster_project.sources.extracts import Extract
from dagster_project.warehouse import Warehouse

if TYPE_CHECKING:
    from dagster_project.sources.http_api import Api

# Who may be profiled, by the newest word at hand: the profile of the day before, since the answer comes in ahead of today's.
PERMITTED = """
select distinct customers.email
from profile.current_permissions as permissions
inner join profile.dim_customers as customers on permissions.customer_id = customers.customer_id and customers.valid_to is null
where permissions.channel = 'email' and permissions.purpose = 'profiling' and permissions.is_permitted and customers.email is not null
order by 1
"""


def people_to_ask(warehouse: Warehouse, landed: list[Extract], table: Table, pull: Pull, now: datetime) -> list[str]:
    """The addresses of customers who permit profiling and of whom no answer younger than `keep_days` is at hand."""
    if not warehouse.exists("profile.current_permissions"):
        return []
    permitted = [row[0] for row in warehouse.rows(PERMITTED)]
    young = [str(extract.path) for extract in landed if extract.extracted_at > now - timedelta(days=pull.keep_days)]
    answered = f'$."{table.headers[table.key[0]]}"'
    with duckdb.connect() as connection:
        sql = "select json_extract_string(json, ?) from read_ndjson_objects(?)"
        known = {row[0] for row in connection.execute(sql, [answered, young]).fetchall()} if young else set()
    return [address for address in permitted if address not in known]


def answers(api: "Api", pull: Pull, table: Table, people: list[str], now: datetime) -> Iterator[dict[str, Any]]:
    """An answer per address. That nothing is known of somebody is an answer too, so that it is not asked again tomorrow."""
    assert pull.path is not None
    assert pull.lookup is not None
    key = table.headers[table.key[0]]
    for address in people:
        answer = api.one(pull.path, {**pull.parameters, pull.lookup: address}) or {}
        day = {table.headers[pull.looked_up_at]: now.date().isoformat()} if pull.looked_up_at else {}
        yield {**day, **answer, key: address}
