"""From extract files to raw rows: landed as they came, judged by their contract, loaded once. In = loaded + duplicate + quarantined + erased.

extracts of a table, oldest first ──→ chunks ──→ judged (suites) ──→ raw rows, quarantine, ledger: those judged together in one transaction
                                                                └──→ an extract that cannot be read is refused whole; the others go on
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.faults import fault_point
from dagster_project.files import make_whole, sha256_of
from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.settings import memory_megabytes
from dagster_project.shop import Shop
from dagster_project.sources.contract import System, Table
from dagster_project.sources.drift import Drifting, UnreadableExtract
from dagster_project.sources.erased import Erased
from dagster_project.sources.extracts import Extract, find_extracts
from dagster_project.sources.judged import Judged
from dagster_project.sources.judging import Judging
from dagster_project.sources.lateness import known_from, note_outdated
from dagster_project.sources.ledger import Batch, Ledger
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.raw_tables import RawTable
from dagster_project.sources.reading.chunks import CHUNK_ROWS
from dagster_project.warehouse import Warehouse

# While one table's rows are judged, in Python, another's are inserted, in DuckDB; each holds a chunk of rows, so where memory is short they take turns.
TABLES_AT_ONCE = 2
ROOM_FOR_TWO = 1_000


def load_shop_extracts(
    warehouse: Warehouse, shop: Shop, store: Path, key: str | None = None, only_consent: bool = False, closed: datetime | None = None
) -> list[Batch]:
    """Land and load every extract of the shop's systems that the ledger does not have, oldest first.

    An extract that cannot be read, or that its contract stops, is noted in `sources.refused_extracts`, and the others go on. With
    `only_consent`, just the tables that hold consent or suppression: delivery's last look. `closed` is the `known_by` of the day at hand. `key` is
    the settings' pseudonym key, by which those who were erased are known.
    """
    contracts = contracts_of(shop)
    due: list[tuple[System, str, list[Extract]]] = []
    for name in shop.sources:
        system = contracts[name]
        found = find_extracts(shop.extracts(name, store), system)
        for table_name, table in system.tables.items():
            if table.consent or not only_consent:
                due.append((system, table_name, [extract for extract in found if extract.table == table_name]))

    def load_table(system: System, table_name: str, extracts: list[Extract]) -> list[Batch]:
        own = Warehouse(warehouse.path, warehouse.threads)
        # Judged rows wait in temporary tables of one connection.
        with own.session():
            return TableLoader(own, shop, store, system, table_name, key, closed).load(extracts)

    # The longest first: what begins last should not be what everybody waits for.
    places = sorted(range(len(due)), key=lambda place: (-sum(extract.path.stat().st_size for extract in due[place][2]), place))
    in_order = [due[place] for place in places]
    with warehouse.connect():
        if memory_megabytes() < ROOM_FOR_TWO:
            loaded = [load_table(*one) for one in in_order]
        else:
            with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
                loaded = list(pool.map(lambda one: load_table(*one), in_order))
    by_place = dict(zip(places, loaded, strict=True))
    return [batch for place in range(len(due)) for batch in by_place[place]]


class TableLoader:
    """Loads extracts of one table."""

    def __init__(
        self, warehouse: Warehouse, shop: Shop, store: Path, system: System, name: str, key: str | None, closed: datetime | None = None
    ) -> None:
        self.warehouse, self.shop, self.store = warehouse, shop, store
        self.system, self.name, self.closed = system, name, closed
        self.table: Table = system.tables[name]
        self.ledger = Ledger(warehouse, shop, store, system, name)
        self.raw = RawTable(warehouse, system, name)
        self.erased = Erased.of(shop, key)

    def load(self, extracts: Sequence[Extract]) -> list[Batch]:
        """Land and load those whose content is not loaded yet, under whatever name it came; note those that are refused."""
        refused: list[tuple[Extract, str]] = []
        batches: list[Batch] = []
        for group in self.groups(extracts, refused):
            # A commit costs more than a small extract's rows: those judged together count together.
            with self.warehouse.transaction():
                batches += [batch for judged in group if (batch := self.insert_or_refuse(judged, refused))]
            fault_point("loaded")
        self.ledger.note_refused(refused)
        return batches

    def load_one(self, extract: Extract, before: Callable[[duckdb.DuckDBPyConnection, Judged], object]) -> Batch | None:
        """Land and load one extract; None when its content is loaded already. `before` runs in the same transaction, ahead of it.

        Raises:
            UnreadableExtract: it is refused.
        """
        refused: list[tuple[Extract, str]] = []
        batches = [self.insert(judged, before) for group in self.groups([extract], refused) for judged in group]
        if refused:
            raise UnreadableExtract(refused[0][1])
        return batches[0] if batches else None

    def insert_or_refuse(self, judged: Judged, refused: list[tuple[Extract, str]]) -> Batch | None:
        try:
            return self.insert(judged)
        except UnreadableExtract as error:
            refused.append((judged.extract, str(error)))
            return None

    def groups(self, extracts: Sequence[Extract], refused: list[tuple[Extract, str]]) -> Iterator[list[Judged]]:
        """Extracts with their rows judged, as many at once as make a chunk: a suite costs the same for ten rows as for ten thousand."""
        judging: Judging | None = None
        # What is judged and not entered yet may say anything: who comes after it is asked once more when it is entered.
        judged: dict[str, datetime] = {}
        for extract in extracts:
            content = sha256_of(extract.path)
            if self.ledger.is_said(extract, content, judged | self.ledger.known):
                continue
            judged[extract.path.name] = extract.extracted_at
            if judging is None:
                self.raw.complete()
                judging = Judging(self.warehouse, self.shop, self.system, self.name, erases=bool(self.erased))
            tell("sources", extract.path.name)
            try:
                judging.take(extract, content, self.land(extract, content), self.drifting(extract, judging))
            except UnreadableExtract as error:
                refused.append((extract, str(error)))
                continue
            if judging.rows >= CHUNK_ROWS:
                yield judging.done()
                judging = None
        if judging is not None:
            yield judging.done()

    def drifting(self, extract: Extract, waiting: Judging) -> Drifting:
        """What an extract is compared with: the contract, the optional columns that earlier extracts filled, and the names that they had beside
        the declared ones, loaded or `waiting` to be. What Dearly pulled itself has every name in every row.
        """
        sql = "select column_name from sources.differences where drift = 'new_column' and source = ? and table_name = ?"
        met = {name for (name,) in self.warehouse.rows(sql, [extract.system, extract.table])}
        met |= {one.column for judged in waiting.taken for one in judged.drifting.met if one.case == "new_column"}
        filled = self.raw.filled() | {name for name, rows in waiting.filled.items() if rows}
        loaded = self.warehouse.exists(self.raw.name)

        def share(name: str) -> float:
            if self.shop.sources[extract.system].kind != "files":
                return 1.0
            with_value, rows = self.warehouse.rows(f'select count("{name}"), count(*) from {self.raw.name}')[0] if loaded else (0, 0)
            return float((with_value + waiting.filled[name]) / max(rows + waiting.rows, 1))

        return Drifting(extract.path, self.table, frozenset(filled), share, frozenset(met))

    def land(self, extract: Extract, content: str) -> Path:
        """Keep the file as it came, below a folder that says when it was pulled; who was erased is not in it.

        Raises:
            UnreadableExtract: somebody was erased, and nobody can tell whether they are in it.
        """
        folder = self.store / "landing" / extract.system / extract.table / f"extracted_at={stamp(extract.extracted_at)}"
        suffix = "".join(extract.path.suffixes[-2:]) if extract.path.suffix == ".gz" else extract.path.suffix
        landed = folder / f"{content[:16]}{suffix}"
        if not landed.exists():
            make_whole(landed, lambda path: self.erased.copy(extract.path, path, self.system, self.name))
        fault_point("landed")
        return landed

    def insert(self, judged: Judged, before: Callable[[duckdb.DuckDBPyConnection, Judged], object] | None = None) -> Batch | None:
        """Insert an extract's good new rows, quarantine its bad ones, and enter the batch, all or nothing; None for the same content again.

        Raises:
            RowsLost: the counts do not add up.
            UnreadableExtract: the extract as a whole is not as the source or the contract says.
        """
        extract = judged.extract
        self.refuse_if_cut(judged)
        judged.refuse_if_changed()
        judged.reconcile()
        if self.ledger.is_said(extract, judged.content, self.ledger.known):
            return None
        batch_id = self.ledger.new_id(extract, judged.content, judged.rows)
        known_at = known_from(self.warehouse, self.shop, extract, self.closed)
        is_history = self.ledger.is_history(extract, known_at)
        later = note_outdated(self.warehouse, self.store, extract, self.table)
        path = judged.landed.relative_to(self.store).as_posix()
        with self.warehouse.transaction() as connection:
            if before:
                before(connection, judged)
            self.raw.create(connection)
            self.raw.choose_fresh(connection, judged, later)
            self.raw.insert_fresh(connection, judged, batch_id, known_at, is_history)
            judged.quarantine(connection, batch_id)
            became = (judged.rows, *self.raw.count(connection, batch_id), judged.erased)
            batch = Batch(extract.system, extract.table, batch_id, extract.extracted_at, is_history, path, *became, known_at)
            self.ledger.enter(connection, extract, batch)
        return batch

    def refuse_if_cut(self, judged: Judged) -> None:
        """Compare what came with what the source says of it, and with how its files usually end.

        Raises:
            UnreadableExtract: rows are missing.
        """
        path, counts = judged.extract.path, judged.counts
        if counts is None and self.table.manifest:
            raise UnreadableExtract(
                f"{path}: the source's own count ({path.name}.manifest.json) is missing; the extract has not come whole."
            )
        if counts is not None and counts["rows"] != judged.rows:
            raise UnreadableExtract(f"{path}: {judged.rows} rows came, the source counted {counts['rows']}; pull it again.")
        if judged.drifting.unended and self.ledger.usually_ends():
            raise UnreadableExtract(
                f"{path}: the last line does not end, as those of this table's other extracts do; the file is cut off, pull it again "
                "(or end it with a line break if it is whole)."
            )
