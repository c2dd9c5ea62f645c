"""What strangers' headers and values say: numbers in other languages, dates with offsets, statuses that give an order back."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.onboarding import values
from dagster_project.onboarding.headers import meaning_of
from dagster_project.onboarding.samples import read_file


@pytest.mark.parametrize(
    ("header", "meaning"),
    [
        ("N° client", "customer id"),
        ("Numéro de commande", "order id"),
        ("Nº Pedido", "order id"),
        ("n° ordine", "order id"),
        ("Note", "note"),
        ("Customer No", "customer no"),
    ],
)
def test_a_number_is_known_by_what_it_numbers(header: str, meaning: str) -> None:
    assert meaning_of(header) == meaning


def test_a_moment_with_an_offset_is_read_with_it(tmp_path: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]
    (tmp_path / "orders.csv").write_text("at,word\n" + "".join(f"{day} 10:00:00 +0100,w{day}\n" for day in days))
    with duckdb.connect() as connection:
        sample = read_file(connection, tmp_path / "orders.csv", 0)
        assert values.moment(connection, sample, "at") == values.Written("%Y-%m-%d %H:%M:%S %z")
        assert values.moment(connection, sample, "word") is None
