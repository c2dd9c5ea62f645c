"""Replay: quarantined rows, mended or under a changed rule, come in once more as a batch of their own, known from the replay on."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dagster_project.files import write_whole
from dagster_project.moments import stamp
from dagster_project.shop import Shop
from dagster_project.sources.contract import System
from dagster_project.sources.extracts import Extract
from dagster_project.sources.lateness import closed_until
from dagster_project.sources.ledger import Batch, newest_known
from dagster_project.sources.loading import TableLoader
from dagster_project.sources.mapping import contracts_of
from dagster_project.warehouse import Warehouse

OPEN = """
select row_number, row_json from sources.quarantine
where source = ? and table_name = ? and replayed_at is null order by batch_id, row_number
"""

# A waiting row is settled by a mended one of its key. Rows whose key was mended too, or that could not be read, are told by number alone: they are
# settled once as many rows of other keys came. Every other row waits on.
SETTLE = """
with
waiting as (
    select batch_id, row_number, case when json_type(row_json) = 'OBJECT' then {waiting_key} else 'unreadable' end as key
    from sources.quarantine where source = $source and table_name = $table and replayed_at is null
),
came as (select {came_key} as key from stated_rows where _extract = $place),
numbers as (
    select
        (select count(*) from came where key not in (select key from waiting)) as others,
        (select count(*) from waiting where key not in (select key from came)) as open
)
update sources.quarantine set replayed_at = $known_at
where source = $source and table_name = $table and (batch_id, row_number) in (
    select (batch_id, row_number) from waiting, numbers where waiting.key in (select key from came) or numbers.others >= numbers.open
)
"""


@dataclass(frozen=True)
class Replay:
    """What a replay did: the moment it is known from, the batch (None when these rows had been replayed before), and how many rows wait still."""

    known_at: datetime
    batch: Batch | None
    waiting: int


class NothingToReplay(ValueError):
    """No quarantined row waits in this table."""


def open_rows(warehouse: Warehouse, system: System, table: str) -> list[dict[str, str | None]]:
    """The waiting rows of a table under the extract's own column names, ready to be mended. Rows that could not be read come as {"unreadable": text}.

    Raises:
        ValueError: the system has no such table.
    """
    if table not in system.tables:
        raise ValueError(f"{system.system} has no table {table!r}; it has {', '.join(system.tables)}.")
    headers = system.tables[table].headers
    rows = []
    for _, text in warehouse.rows(OPEN, [system.system, table]):
        row = json.loads(text)
        rows.append({headers[name]: value for name, value in row.items()} if isinstance(row, dict) else {"unreadable": row})
    return rows


def system_named(shop: Shop, name: str) -> System:
    """The contract of one of the shop's sources.

    Raises:
        ValueError: the shop has no such source.
    """
    if name not in shop.sources:
        raise ValueError(f"{shop.name} has no source {name!r}; it has {', '.join(shop.sources)}.")
    return contracts_of(shop)[name]


def replay_moment(warehouse: Warehouse, shop: Shop) -> datetime:
    """When a replay now is known: after everything that has been built or extracted, so that no built day changes."""
    known = newest_known(warehouse)
    assert known is not None
    return max(known, closed_until(warehouse, shop) or known).replace(microsecond=0) + timedelta(seconds=1)


def replay(
    warehouse: Warehouse, shop: Shop, store: Path, system_name: str, table: str, mended: Path | None = None, key: str | None = None
) -> Replay:
    """Replay a table's quarantined rows as they are (after a changed rule), or from a file of mended rows in the table's own format.

    Raises:
        NothingToReplay: no row waits.
        ValueError: the shop has no such source or table.
    """
    system = system_named(shop, system_name)
    rows = open_rows(warehouse, system, table)
    if not rows:
        raise NothingToReplay(f"Nothing of {system_name}.{table} is in quarantine.")
    known_at = replay_moment(warehouse, shop)
    path = mended or store / "replays" / f"{table}_{stamp(known_at)}.jsonl"
    if mended is None:
        write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows if "unreadable" not in row).encode())
    keys = system.tables[table].key
    waiting_key = " || chr(31) || ".join(f"coalesce(row_json ->> '$.\"{key}\"', '')" for key in keys)
    settle = SETTLE.format(waiting_key=waiting_key, came_key=" || chr(31) || ".join(f"coalesce(\"{key}\", '')" for key in keys))
    extract = Extract(known_at, system_name, table, path)
    with warehouse.session():
        batch = TableLoader(warehouse, shop, store, system, table, key).load_one(
            extract,
            before=lambda connection, judged: connection.execute(
                settle, {"source": system_name, "table": table, "known_at": known_at, "place": judged.place}
            ),
        )
    return Replay(known_at, batch, len(warehouse.rows(OPEN, [system_name, table])))
