"""The checks for two people in one customer: both find such a customer, and no other."""

from pathlib import Path

import duckdb
import jinja2
import pytest

TESTS = Path(__file__).parents[2] / "dbt" / "tests"


@pytest.mark.parametrize(
    ("check", "column", "one", "same", "other"),
    [
        ("assert_customers_have_one_birth_date", "birth_date", "1990-02-14", "1990-02-14", "1990-02-15"),
        ("assert_customers_have_one_national_id", "national_id", "12345678-z", "12 345 678 Z", "12345679Z"),
    ],
)
def test_a_customer_with_two_is_found(check: str, column: str, one: str, same: str, other: str) -> None:
    rows = [("twice", one), ("twice", other), ("once", one), ("once", same), ("unsaid", one), ("unsaid", None), ("not any more", one)]
    sql = jinja2.Template((TESTS / f"{check}.sql").read_text()).render(config=lambda **_: "", ref=lambda name: name)
    with duckdb.connect() as connection:
        connection.execute(
            f"create table int_customer_records_linked (customer_id varchar, {column} varchar, valid_to timestamp, is_person boolean)"
        )
        connection.executemany("insert into int_customer_records_linked values (?, ?, null, true)", rows)
        connection.execute("insert into int_customer_records_linked values ('not any more', ?, timestamp '2026-01-01', true)", [other])
        connection.execute("insert into int_customer_records_linked values ('once', ?, null, false)", [other])
        assert connection.execute(sql).fetchall() == [("twice", 2)]


def test_a_national_id_links_and_goes_no_further() -> None:
    """Of the models it is named where records are read and linked, and nowhere after that."""
    models = {
        path.relative_to(TESTS.parent / "models").parts[0]
        for path in (TESTS.parent / "models").glob("**/*.sql")
        if "national_id" in path.read_text()
    }
    assert models == {"staging"}
