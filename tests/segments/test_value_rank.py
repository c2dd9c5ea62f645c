"""Who is valuable: a rank among those who have an expected value, of whom the upper third may be at risk."""

import re
from pathlib import Path

import pytest

from dagster_project.settings import Settings
from dagster_project.transform.dbt_build import build, parse
from dagster_project.warehouse import Warehouse

pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("ten days")]

AT_RISK = "select customer_id from segments.segment_flags where valuable_at_risk and as_of = (select max(as_of) from sources.run_days)"


def flagged(settings: Settings, worth: str, leaving: float = 0.6) -> list[str]:
    """Who is valuable and at risk when customers have an expected value (`worth`, by place) and everybody is as likely to leave (`leaving`)."""
    warehouse = Warehouse(settings.warehouse)
    with warehouse.transaction() as connection:
        connection.execute("delete from scores.customer_scores where as_of = (select max(as_of) from sources.run_days)")
        connection.execute(
            f"""
            insert into scores.customer_scores by name
            select as_of, customer_id, {leaving} as churn_probability, {worth} as clv_365d_amount
            from (
                select as_of, customer_id, row_number() over (order by customer_id) as place
                from features.customer_features where as_of = (select max(as_of) from sources.run_days)
            )
            """
        )
    for _ in build(settings, ["segment_flags"], exclude_tests=True):
        pass
    return [customer for (customer,) in warehouse.rows(AT_RISK)]


def test_people_without_a_value_take_no_rank_from_those_who_have_one(backfilled: Settings, copy_of, tmp_path: Path) -> None:
    settings = copy_of(backfilled)
    ((customers,),) = Warehouse(settings.warehouse).rows(
        "select count(*) from features.customer_features where as_of = (select max(as_of) from sources.run_days)"
    )
    some = flagged(settings, "case when place % 10 = 0 then place end")
    assert 0.2 < len(some) / (customers // 10) < 0.4
    assert flagged(settings, "cast(null as double)") == []


def test_who_is_at_risk_is_at_risk_by_as_much_as_the_description_says(backfilled: Settings, copy_of) -> None:
    settings = copy_of(backfilled)
    columns = parse().nodes["nodes"]["model.dearly.segment_flags"]["columns"]
    (said,) = re.findall(r"At least (\d+) % likely", columns["valuable_at_risk"]["description"])
    assert flagged(settings, "place", int(said) / 100)
    assert flagged(settings, "place", (int(said) - 1) / 100) == []
