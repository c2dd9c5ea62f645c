"""Guards: an extract that is late, refused, shrunken, swollen, stale or not what the source counted holds the day's delivery, not the night.

A person looks, mends or accepts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from statistics import median

from dagster_project.moments import Moment
from dagster_project.shop import Shop
from dagster_project.sources.contract import Table
from dagster_project.sources.ledger import Batch, all_batches
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.pulling import Pulled
from dagster_project.warehouse import Warehouse

REFUSED = "select source, table_name, extracted_at, reason from sources.refused_extracts order by extracted_at, file"
# Table rules that are judged where the rows are, at loading.
NOT_RECONCILED = "select batch_id, message from sources.differences where drift = 'reconciliation' order by batch_id, message"


@dataclass(frozen=True)
class TableExtracts:
    """What is known of one table's extracts, when a moment is judged."""

    name: str
    table: Table
    batches: list[Batch]
    refused: list[tuple[datetime, str]]
    not_reconciled: dict[str, list[str]]

    def of_night(self, moment: Moment) -> list[Batch]:
        return [batch for batch in self.batches if moment.as_of < batch.extracted_at <= moment.known_by]


def judge_extracts(warehouse: Warehouse, shop: Shop, moments: Sequence[Moment]) -> None:
    """Judge each moment's extracts and write `sources.guards`, one row per moment and guard; a guard once accepted stays accepted. A message has no
    full stop: who shows it goes on or ends the sentence."""
    batches = all_batches(warehouse)
    refused = warehouse.rows(REFUSED)
    not_reconciled: dict[str, list[str]] = {}
    for batch_id, message in warehouse.rows(NOT_RECONCILED):
        not_reconciled.setdefault(batch_id, []).append(message)
    stood = set(warehouse.rows("select as_of, guard from sources.guards"))
    contracts = contracts_of(shop)
    rows: list[tuple[datetime, str, bool, str]] = []
    for system in shop.sources:
        for name, table in contracts[system].tables.items():
            extracts = TableExtracts(
                f"{system}.{name}",
                table,
                [batch for batch in batches if (batch.source, batch.table_name) == (system, name)],
                [(at, reason) for source, table_name, at, reason in refused if (source, table_name) == (system, name)],
                not_reconciled,
            )
            for moment in moments:
                said = list(complaints(warehouse, shop, extracts, moment))
                guard = f"extract {extracts.name}"
                if said or table.daily or (moment.as_of, guard) in stood:
                    message = "; ".join(one.removesuffix(".") for one in said) or passed_message(shop, extracts, moment)
                    rows.append((moment.as_of, guard, bool(said), message))
    write_guards(warehouse, rows)


def complaints(warehouse: Warehouse, shop: Shop, extracts: TableExtracts, moment: Moment) -> Iterator[str]:
    """What is wrong with a table's extracts that should have come by this moment."""
    yield from (reason for at, reason in extracts.refused if at <= moment.known_by)
    night = extracts.of_night(moment)
    # History that was extracted later says what this night would have: its rows are known when they happened.
    is_covered = any(batch.is_history and batch.extracted_at > moment.known_by for batch in extracts.batches)
    if extracts.table.daily and not night and not is_covered:
        between = f"between {moment.as_of} and {moment.known_by} (UTC)"
        yield f"no extract of {extracts.name} came {between}; pull it, or accept the day without it"
    rows = sum(batch.rows_in for batch in night)
    refused = sum(batch.rows_quarantined for batch in night)
    # Rows of erased people are neither taken nor refused.
    if refused and not any(batch.rows_loaded or batch.rows_duplicate for batch in night):
        yield f"every one of the {refused} rows of {extracts.name} was refused; look at them (`dearly replay quarantine`), or accept the day without them"
    if night:
        yield from volume_complaints(shop, extracts, moment, rows)
        yield from freshness_complaints(warehouse, extracts, night)
    for batch in night:
        yield from extracts.not_reconciled.get(batch.batch_id, [])


def passed_message(shop: Shop, extracts: TableExtracts, moment: Moment) -> str:
    """What a green guard says: that the rows are as many as usual only where their number was judged."""
    usual = usual_rows(extracts, moment)
    rows = sum(batch.rows_in for batch in extracts.of_night(moment))
    if not extracts.table.volume.is_judged:
        return f"came; {rows} row{'' if rows == 1 else 's'}, in bursts by their nature: no number is unusual"
    if usual is not None and max(usual, rows) < shop.guards.rows_compared_from:
        return f"came; {rows} row{'' if rows == 1 else 's'}, a usual night {usual:.0f}: too few to judge their number"
    return "as usual"


def usual_rows(extracts: TableExtracts, moment: Moment) -> float | None:
    """The median of the extractions before, history apart; None where there are none."""
    nights: dict[datetime, int] = {}
    for batch in extracts.batches:
        if batch.extracted_at <= moment.as_of and not batch.is_history:
            nights[batch.extracted_at] = nights.get(batch.extracted_at, 0) + batch.rows_in
    return median(nights.values()) if nights else None


def volume_complaints(shop: Shop, extracts: TableExtracts, moment: Moment, rows: int) -> Iterator[str]:
    """A night's rows against a usual night's."""
    usual = usual_rows(extracts, moment)
    if usual is None:
        return
    volume = extracts.table.volume
    least = shop.guards.rows_at_least if volume.at_least is None else volume.at_least
    most = shop.guards.rows_at_most if volume.at_most is None else volume.at_most
    if extracts.table.daily and usual >= shop.guards.rows_compared_from and rows < least * usual:
        yield f"the extract of {extracts.name} has {rows} rows, a usual one {usual:.0f}; pull it again, or accept it"
    if usual and rows >= shop.guards.rows_compared_from and rows > most * usual:
        yield f"the extract of {extracts.name} has {rows} rows, a usual one {usual:.0f}; look at what swelled it, or accept it"


def freshness_complaints(warehouse: Warehouse, extracts: TableExtracts, night: Sequence[Batch]) -> Iterator[str]:
    """How old the newest word of a night's extracts is, where the contract says how old it may be."""
    fresh = extracts.table.fresh
    if fresh is None or not any(batch.rows_loaded for batch in night):
        return
    raw = f"sources.{extracts.name.replace('.', '__')}"
    newest_of = f'max(coalesce(make_timestamp(try_cast("{fresh.column}" as bigint)), try_cast("{fresh.column}" as timestamptz)::timestamp))'
    names = [batch.batch_id for batch in night]
    ((newest,),) = warehouse.rows(f"select {newest_of} from {raw} where list_contains(?, _batch_id)", [names])
    extracted_at = max(batch.extracted_at for batch in night)
    if newest is None or newest < extracted_at - timedelta(hours=fresh.hours):
        yield (
            f"the newest {fresh.column} of {extracts.name} is {newest or 'nothing'} (UTC), more than {fresh.hours:g} hours before its extraction "
            f"at {extracted_at}; the source may have stood still: pull it again, or accept it"
        )


def judge_pulls(warehouse: Warehouse, pulled: Sequence[Pulled], moments: Sequence[Moment]) -> None:
    """A table that could not be pulled holds the newest moment's delivery; once it is pulled after all, it lets go."""
    newest = max(moment.as_of for moment in moments)
    failures = {f"pull {one.system}.{one.table}": one.failure.removesuffix(".") for one in pulled if one.failure is not None}
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


def refuse_unknown(shop: Shop, guards: Sequence[str]) -> None:
    """A misspelt guard would let nothing go, and say so only after the whole run.

    Raises:
        ValueError: no guard of the shop can be called so.
    """
    tables = [f"{system}.{table}" for system, contract in contracts_of(shop).items() for table in contract.tables]
    for guard in guards:
        kind, _, name = guard.partition(" ")
        if not name or kind not in ("extract", "pull", "audience") or (kind != "audience" and name not in tables):
            like = get_close_matches(guard, [f"{one} {table}" for one in ("extract", "pull") for table in tables], 1)
            meant = f" Did you mean {like[0]!r}?" if like else ""
            raise ValueError(
                f"--accept {guard!r}: there is no such guard.{meant} `dearly status` names those that hold delivery "
                "(extract SYSTEM.TABLE, pull SYSTEM.TABLE, audience SEGMENT)."
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
