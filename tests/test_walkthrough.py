"""The walkthrough asks what the store can answer, and its tables are answers to its queries."""

import re

import pytest

from dagster_project.settings import Settings
from dagster_project.walkthrough import ASKED, PAGE, retold

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]


def heads(page: str) -> list[str]:
    return [asked["table"].splitlines()[0] for asked in ASKED.finditer(page)]


def test_each_query_is_answered_with_the_columns_that_stand_below_it(backfilled: Settings) -> None:
    page = PAGE.read_text()
    again = retold(page, backfilled.warehouse)
    assert len(heads(page)) == page.count("```sql") > 8
    assert heads(again) == heads(page)
    # What changed is tables alone, and this store's people are others.
    outside = re.compile(r"^\|.*\n", re.MULTILINE)
    assert outside.sub("", again) == outside.sub("", page)
    assert again != page


def test_a_renamed_column_would_be_noticed(backfilled: Settings) -> None:
    page = PAGE.read_text().replace("membership_tier as tier", "membership_tier as level")
    assert heads(retold(page, backfilled.warehouse)) != heads(page)
