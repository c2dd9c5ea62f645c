"""Guards on audiences: a list that tripled or fell to a third overnight is looked at before a tool acts on it."""

from datetime import datetime

from dagster_project.moments import Moment
from dagster_project.shop import Shop
from dagster_project.sources.guards import write_guards
from dagster_project.warehouse import Warehouse

# The audiences of two days: every segment, and everybody who may be mailed at all.
SIZES = """
select coalesce(today.audience, before.audience) as audience, coalesce(today.customers, 0), coalesce(before.customers, 0)
from (select segment as audience, count(*) as customers from segments.customer_segments where as_of = ? group by segment) as today
full join (select segment as audience, count(*) as customers from segments.customer_segments where as_of = ? group by segment) as before
    on today.audience = before.audience
order by 1
"""

BEFORE = """
select max(as_of) from campaigns.export_log
where as_of < ? and as_of not in (select as_of from sources.guards where is_red and accepted_by is null)
and exists (select 1 from sources.built_days where as_of < ? and as_of >= ?::timestamp - interval 7 day)
"""


def judge_audiences(warehouse: Warehouse, shop: Shop, moment: Moment) -> None:
    """Write the day's audience guards: one per segment that is outside its band, against the day delivered before it."""
    before = day_before(warehouse, moment.as_of)
    guards = shop.guards
    red: dict[str, str] = {}
    for audience, today, then in warehouse.rows(SIZES, [moment.as_of, before]) if before else []:
        factor = guards.audience_change_at_most
        is_outside = max(today, then) >= guards.audience_at_least and (today > factor * then or then > factor * today)
        if is_outside and not is_new_or_gone(warehouse, audience, moment.as_of, before):
            red[f"audience {audience}"] = (
                f"{audience} has {today} customers, the last day delivered had {then}; look at what changed it, or accept it"
            )
    stood = warehouse.rows("select guard from sources.guards where as_of = ? and guard like 'audience %'", [moment.as_of])
    names = sorted({*red, *(guard for (guard,) in stood)})
    write_guards(warehouse, [(moment.as_of, name, name in red, red.get(name, "as usual")) for name in names])


def is_new_or_gone(warehouse: Warehouse, audience: str, *days: datetime | None) -> bool:
    """Whether somebody wrote or deleted a segment between two days: the flags of the day without it are null, not false. A cluster has no flag."""
    if audience not in {column for column, *_ in warehouse.rows("describe segments.segment_flags")}:
        return False
    sql = f'select count(*) from (select as_of from segments.segment_flags where as_of in (?, ?) group by as_of having count("{audience}") = 0)'
    return bool(warehouse.rows(sql, days)[0][0])


def day_before(warehouse: Warehouse, as_of: datetime) -> datetime | None:
    """The newest day before this one that was delivered: a held one went to no tool, and the next of its kind is held as well. None after a week
    in which no day was built: audiences may well be others by then."""
    ((before,),) = warehouse.rows(BEFORE, [as_of, as_of, as_of])
    return before
