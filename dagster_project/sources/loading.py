"""From an extract file to raw rows: landed as it came, judged by its contract, loaded once. In = loaded + duplicate + quarantined + erased."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.faults import fault_point
from dagster_project.files import make_whole, sha256_of
from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.shop import Shop
from dagster_project.sources.contract import STAMPS, Rule, System, Table, rules_of
from dagster_project.sources.extracts import Extract, Rows, find_extracts, read_rows
from dagster_project.sources.mapping import contracts_of
from dagster_project.warehouse import Warehouse


@dataclass(frozen=True)
class Batch:
    """What became of one extract's rows, as the ledger has it."""

    source: str
    table_name: str
    batch_id: str
    extracted_at: datetime
    is_history: bool
    path: str
    rows_in: int
    rows_loaded: int
    rows_duplicate: int
    rows_quarantined: int
    rows_erased: int = 0


class RowsLost(RuntimeError):
    """A batch's rows do not add up: our own mistake, so the run stops."""


def load_shop_extracts(warehouse: Warehouse, shop: Shop, store: Path, only_consent: bool = False) -> list[Batch]:
    """Land and load every extract of the shop's systems that the ledger does not have, oldest first.

    With `only_consent`, just the tables that hold consent or suppression: delivery's last look.
    """
    contracts = contracts_of(shop)
    batches: list[Batch] = []
    # The file stays open between batches: opening and closing it costs more than a day's rows. Each batch is its own transaction all the same.
    with warehouse.connect():
        for name in shop.sources:
            system = contracts[name]
            known = {row[0] for row in warehouse.rows("select batch_id from sources.load_ledger where source = ?", [name])}
            for extract in find_extracts(shop.extracts(name, store), system):
                table = system.tables[extract.table]
                if only_consent and not table.consent:
                    continue
                tell("sources", extract.path.name)
                batch = load_extract(warehouse, shop, store, system, extract, known)
                if batch:
                    batches.append(batch)
                    known.add(batch.batch_id)
    return batches


def load_extract(
    warehouse: Warehouse,
    shop: Shop,
    store: Path,
    system: System,
    extract: Extract,
    known: set[str],
    before: Callable[[duckdb.DuckDBPyConnection], object] | None = None,
) -> Batch | None:
    """Land and load one extract; None when its content is already loaded, under whatever name it came.

    `before` runs in the same transaction as the load, ahead of it.
    """
    content = sha256_of(extract.path)
    if batch_id_of(extract, content) in known or batch_id_of(extract, content, stamped=True) in known:
        return None
    landed = land(store, extract, content)
    fault_point("landed")
    table = system.tables[extract.table]
    rows = read_rows(landed, table)
    # Two empty extracts are two batches: each says that its day had nothing.
    batch_id = batch_id_of(extract, content, stamped=len(rows) == 0)
    history_until = shop.sources[system.system].history_until
    is_history = history_until is not None and extract.extracted_at <= history_until
    with warehouse.transaction() as connection:
        if before:
            before(connection)
        rules = rules_of(table, [shop.currency, *shop.fx_rates])
        batch = insert(connection, extract, table, rules, rows, batch_id, is_history, landed.relative_to(store).as_posix())
    fault_point("loaded")
    return batch


def batch_id_of(extract: Extract, content: str, stamped: bool = False) -> str:
    """The batch's identity: the content, and the table it is meant for."""
    parts = [extract.system, extract.table, content] + ([stamp(extract.extracted_at)] if stamped else [])
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def land(store: Path, extract: Extract, content: str) -> Path:
    """Keep the file as it came, below a folder that says when it was pulled."""
    folder = store / "landing" / extract.system / extract.table / f"extracted_at={stamp(extract.extracted_at)}"
    landed = folder / f"{content[:16]}{''.join(extract.path.suffixes[-2:]) if extract.path.suffix == '.gz' else extract.path.suffix}"
    if not landed.exists():
        make_whole(landed, lambda path: shutil.copyfile(extract.path, path))
    return landed


def insert(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    table: Table,
    rules: list[Rule],
    rows: Rows,
    batch_id: str,
    is_history: bool,
    path: str,
) -> Batch:
    """Judge the rows, insert good new ones, quarantine bad ones, and enter the batch, all in the caller's transaction.

    Raises:
        RowsLost: the counts do not add up.
    """
    raw = f"sources.{extract.system}__{extract.table}"
    columns = ", ".join(f'"{name}"' for name in table.columns)
    stamps = ", ".join(f"{name} {kind}" for name, kind in STAMPS.items())
    texts = ", ".join(f'"{name}" varchar' for name in table.columns)
    connection.execute(f"create table if not exists {raw} ({texts}, {stamps})")
    connection.register("incoming", rows.table)
    verdict = "\n".join(f"when not ({rule.good}) then {place}" for place, rule in enumerate(rules))
    judgement = f"case {verdict} end" if verdict else "null::integer"
    connection.execute(
        f"""
        create or replace temp table judged as
        select
            *,
            {judgement} as broken_rule,
            md5(json_array({columns})::varchar) as _row_hash
        from incoming
        """
    )
    seen = f"_row_hash in (select _row_hash from {raw})" if table.cursor else unchanged(raw, table)
    connection.execute(
        f"""
        create or replace temp table fresh as
        select * from judged
        where broken_rule is null and not ({seen})
        qualify row_number() over (partition by _row_hash order by _row_number) = 1
        """
    )
    names = ", ".join([columns, *STAMPS])
    connection.execute(
        f"insert into {raw} ({names}) select {columns}, ?, _row_number, _row_hash, ?, ? from fresh order by _row_number",
        [batch_id, extract.extracted_at, is_history],
    )
    quarantined = refuse(connection, extract, table, rules, rows, batch_id)
    good = count(connection, "select count(*) from judged where broken_rule is null")
    loaded = count(connection, "select count(*) from fresh")
    batch = Batch(
        extract.system, extract.table, batch_id, extract.extracted_at, is_history, path, len(rows), loaded, good - loaded, quarantined
    )
    if batch.rows_in != batch.rows_loaded + batch.rows_duplicate + batch.rows_quarantined + batch.rows_erased:
        raise RowsLost(f"{extract.path}: {batch.rows_in} rows came in, but {batch} does not account for all of them.")
    connection.execute(f"insert into sources.load_ledger values ({', '.join('?' * 11)})", list(batch.__dict__.values()))
    connection.unregister("incoming")
    return batch


def unchanged(raw: str, table: Table) -> str:
    """For a table without a cursor: the newest known version of the row's key says the same."""
    key = ", ".join(f'"{name}"' for name in table.key)
    same_key = " and ".join(f'held."{name}" is not distinct from judged."{name}"' for name in table.key)
    # Only the keys that have come: a small extract must not sort all that is held.
    held = f"select * from {raw} as held where exists (select 1 from judged where {same_key})"
    newest = f"select _row_hash from ({held}) qualify row_number() over (partition by {key} order by _known_at desc, _row_number desc) = 1"
    return f"_row_hash in ({newest})"


def refuse(connection: duckdb.DuckDBPyConnection, extract: Extract, table: Table, rules: list[Rule], rows: Rows, batch_id: str) -> int:
    """Quarantine the rows that broke a rule or could not be read; return how many."""
    columns = ", ".join(f'"{name}" := "{name}"' for name in table.columns)
    broken = connection.execute(
        f"select _row_number, broken_rule, to_json(struct_pack({columns}))::varchar from judged where broken_rule is not null order by 1"
    ).fetchall()
    refused = [(number, rules[place].reason, rules[place].column, row) for number, place, row in broken]
    refused += [(number, reason, None, json.dumps(text)) for number, reason, text in rows.unreadable]
    if refused:
        numbers, reasons, names, texts = (list(values) for values in zip(*sorted(refused, key=lambda row: row[0]), strict=True))
        quarantine = pa.table(
            {
                "row_number": pa.array(numbers, pa.int64()),
                "reason": pa.array(reasons, pa.string()),
                "column_name": pa.array(names, pa.string()),
                "row_json": pa.array(texts, pa.string()),
            }
        )
        connection.register("refused", quarantine)
        connection.execute(
            "insert into sources.quarantine select ?, ?, ?, row_number, reason, column_name, row_json, null from refused",
            [extract.system, extract.table, batch_id],
        )
        connection.unregister("refused")
    return len(refused)


def count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return int(row[0])
