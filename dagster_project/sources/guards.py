"""Guards: a late or shrunken extract holds the day's delivery, not the night. A person looks, mends or accepts."""

from collections.abc import Sequence
from datetime import datetime

from dagster_project.moments import Moment
from dagster_project.shop import Shop
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.pulling import Pulled
from dagster_project.warehouse import Warehouse

# Per moment: the rows that came in its window, and what a usual day brings (median of the days before, history apart).
DAILY_ROWS = """
select coalesce(sum(rows_in), 0), count(*)
from sources.load_ledger
where source = ? and table_name = ? and extracted_at > ? and extracted_at <= ?
"""
USUAL_ROWS = """
select median(rows) from (
    select sum(rows_in) as rows
    from sources.load_ledger
    where source = ? and table_name = ? and extracted_at <= ? and not is_history
    group by extracted_at
)
"""


def judge_extracts(warehouse: Warehouse, shop: Shop, moments: Sequence[Moment]) -> None:
    """Judge each moment's extracts and write `sources.guards`, one row per moment and guard; a guard once accepted stays accepted."""
    rows: list[tuple[datetime, str, bool, str]] = []
    contracts = contracts_of(shop)
    for moment in moments:
        for system in shop.sources:
            for name, table in contracts[system].tables.items():
                if table.daily:
                    message = complaint(warehouse, shop, system, name, moment)
                    rows.append((moment.as_of, f"extract {system}.{name}", message is not None, message or "as usual"))
    write_guards(warehouse, rows)


def complaint(warehouse: Warehouse, shop: Shop, system: str, table: str, moment: Moment) -> str | None:
    """What is wrong with the extract that should have come by this moment; None when nothing is."""
    ((rows, batches),) = warehouse.rows(DAILY_ROWS, [system, table, moment.as_of, moment.known_by])
    ((usual,),) = warehouse.rows(USUAL_ROWS, [system, table, moment.as_of])
    if batches == 0:
        return (
            f"no extract of {system}.{table} came between {moment.as_of} and {moment.known_by} (UTC); pull it, or accept the day without it"
        )
    if usual and usual >= shop.guards.rows_compared_from and rows < shop.guards.rows_at_least * usual:
        return f"the extract of {system}.{table} has {rows} rows, a usual one {usual:.0f}; pull it again, or accept it"
    return None


def judge_pulls(warehouse: Warehouse, pulled: Sequence[Pulled], moments: Sequence[Moment]) -> None:
    """A table that could not be pulled holds the newest moment's delivery; once it is pulled after all, it lets go."""
    newest = max(moment.as_of for moment in moments)
    failures = {f"pull {one.system}.{one.table}": one.failure for one in pulled if one.failure is not None}
    stood = warehouse.rows("select guard from sources.guards where as_of = ? and guard like 'pull %'", [newest])
    rows = [
        (newest, guard, guard in failures, failures.get(guard, "as usual")) for guard in sorted({*failures, *(row[0] for row in stood)})
    ]
    write_guards(warehouse, rows)


def write_guards(warehouse: Warehouse, rows: Sequence[tuple[datetime, str, bool, str]]) -> None:
    with warehouse.transaction() as connection:
        for as_of, guard, is_red, message in rows:
            known = connection.execute("select accepted_by from sources.guards where as_of = ? and guard = ?", [as_of, guard]).fetchone()
            connection.execute("delete from sources.guards where as_of = ? and guard = ?", [as_of, guard])
            connection.execute(
                "insert into sources.guards values (?, ?, ?, ?, ?)", [as_of, guard, is_red, message, known[0] if known else None]
            )


def accept(warehouse: Warehouse, as_of: datetime, guards: Sequence[str], who: str) -> None:
    """Let a day's delivery go although these guards are red, and note who said so."""
    with warehouse.transaction() as connection:
        for guard in guards:
            connection.execute("update sources.guards set accepted_by = ? where as_of = ? and guard = ?", [who, as_of, guard])


def holding(warehouse: Warehouse, as_of: datetime) -> list[str]:
    """The red guards of a day that nobody accepted: `guard: message`."""
    rows = warehouse.rows(
        "select guard, message from sources.guards where as_of = ? and is_red and accepted_by is null order by 1", [as_of]
    )
    return [f"{guard}: {message}" for guard, message in rows]
