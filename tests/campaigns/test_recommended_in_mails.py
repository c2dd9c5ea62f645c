"""Which recommendations a mail shows, and in which order."""

from datetime import datetime
from pathlib import Path

import pytest

from dagster_project.campaigns.personal import recommended
from dagster_project.warehouse import Warehouse

AS_OF = datetime(2026, 3, 10, 23)
TABLES = """
create table campaigns.recipients as
select timestamp '2026-03-10 23:00' as as_of, 'new' as campaign, 'preview' as step, * from (values ('c1', 'Tea'), ('c2', null)) as people (customer_id, favourite_category);
create table campaigns.recommended_products as
select timestamp '2026-03-10 23:00' as as_of, title as product_id, title, category, 5.0 as price, null as image_url, null as handle, *
from (values ('new_for_you', 1, 'cup', 'Kitchen'), ('new_for_you', 2, 'oolong', 'Tea'), ('new_for_you', 3, 'pan', 'Kitchen'), ('new_for_you', 4, 'sencha', 'Tea'),
    ('trending', 1, 'soap', 'Bath'), ('trending', 2, 'mate', 'Tea'), ('goes_with', 1, 'lid', 'Tea')) as products (strategy, rank, title, category)
cross join (values ('c1'), ('c2')) as people (customer_id)
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse.duckdb")
    made.create()
    with made.transaction() as connection:
        connection.execute(TABLES)
    return made


def shown(warehouse: Warehouse, favourite_first: bool) -> dict[str, list[str]]:
    rows = recommended(warehouse, AS_OF, "new", "preview", "new_for_you", "EUR", favourite_first)
    return {customer: [row["title"] for row in products] for customer, products in rows.items()}


def test_a_mail_of_the_favourite_category_shows_its_products_first(warehouse: Warehouse) -> None:
    by_rank = ["cup", "oolong", "pan", "sencha", "soap", "mate"]
    assert shown(warehouse, False) == {"c1": by_rank, "c2": by_rank}
    # Nobody knows what c2 likes most: the order stays.
    assert shown(warehouse, True) == {"c1": ["oolong", "sencha", "cup", "pan", "mate", "soap"], "c2": by_rank}
