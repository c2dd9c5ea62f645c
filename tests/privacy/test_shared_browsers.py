"""Who reads what is held of them reads nothing of others who used the same browser."""

import duckdb

from dagster_project.privacy.access import BROWSERS

HERS = {"browser_id": ["b1"], "login_id": ["ann"], "record_id": ["shopify:1"]}


def test_of_a_shared_browser_only_her_own_use_is_told() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema identity")
        connection.execute(
            "create table identity.browser_users as select * from (values ('b1', 'ann', null), ('b1', null, 'shopify:1'), ('b1', 'bob', null), "
            "('b1', null, 'shopify:2'), ('b2', 'ann', null)) as used (browser_id, login_id, record_id)"
        )
        found = connection.execute(BROWSERS, HERS).fetchall()
    assert sorted(found, key=str) == sorted([("b1", "ann", None), ("b1", None, "shopify:1")], key=str)
