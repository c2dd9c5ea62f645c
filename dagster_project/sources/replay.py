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
from dagster_project.sources.loading import Batch, TableLoader
from dagster_project.sources.mapping import contracts_of
from dagster_project.warehouse import Warehouse

OPEN = """
select row_number, row_json from sources.quarantine
where source = ? and table_name = ? and replayed_at is null order by batch_id, row_number
"""


@dataclass(frozen=True)
class Replay:
    """What a replay did: the moment it is known from, and the batch (None when these rows had been replayed before)."""

    known_at: datetime
    batch: Batch | None


class NothingToReplay(ValueError):
    """No quarantined row waits in this table."""


def open_rows(warehouse: Warehouse, system: System, table: str) -> list[dict[str, str | None]]:
    """The waiting rows of a table under the extract's own column names, ready to be mended. Rows that could not be read come as {"unreadable": text}."""
    headers = system.tables[table].headers
    rows = []
    for _, text in warehouse.rows(OPEN, [system.system, table]):
        row = json.loads(text)
        rows.append({headers[name]: value for name, value in row.items()} if isinstance(row, dict) else {"unreadable": row})
    return rows


def replay_moment(warehouse: Warehouse, shop: Shop) -> datetime:
    """When a replay now is known: after everything that has been built or extracted, so that no built day changes."""
    ((known,),) = warehouse.rows("select max(greatest(extracted_at, known_at)) from sources.load_ledger")
    return max(known, closed_until(warehouse, shop) or known).replace(microsecond=0) + timedelta(seconds=1)


def replay(warehouse: Warehouse, shop: Shop, store: Path, system_name: str, table: str, mended: Path | None = None) -> Replay:
    """Replay a table's quarantined rows as they are (after a changed rule), or from a file of mended rows in the table's own format.

    Raises:
        NothingToReplay: no row waits.
        ValueError: the shop has no such source or table.
    """
    if system_name not in shop.sources:
        raise ValueError(f"{shop.name} has no source {system_name!r}; it has {', '.join(shop.sources)}.")
    system = contracts_of(shop)[system_name]
    if table not in system.tables:
        raise ValueError(f"{system_name} has no table {table!r}; it has {', '.join(system.tables)}.")
    rows = open_rows(warehouse, system, table)
    if not rows:
        raise NothingToReplay(f"Nothing of {system_name}.{table} is in quarantine.")
    known_at = replay_moment(warehouse, shop)
    path = mended or store / "replays" / f"{table}_{stamp(known_at)}.jsonl"
    if mended is None:
        write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows if "unreadable" not in row).encode())
    known = {row[0] for row in warehouse.rows("select batch_id from sources.load_ledger where source = ?", [system_name])}
    waiting = "update sources.quarantine set replayed_at = ? where source = ? and table_name = ? and replayed_at is null"
    extract = Extract(known_at, system_name, table, path)
    with warehouse.session():
        batch = TableLoader(warehouse, shop, store, system, table, known).load_one(
            extract, before=lambda connection: connection.execute(waiting, [known_at, system_name, table])
        )
    return Replay(known_at, batch)
