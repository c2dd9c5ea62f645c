"""From extract files to raw rows: landed as they came, judged by their contract, loaded once. In = loaded + duplicate + quarantined + erased.

extracts of a table, oldest first ──→ chunks ──→ judged (suites) ──→ raw rows, quarantine, ledger: those judged together in one transaction
                                                                └──→ an extract that cannot be read is refused whole; the others go on
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.faults import fault_point
from dagster_project.files import make_whole, sha256_of
from dagster_project.moments import stamp
from dagster_project.progress import tell
from dagster_project.settings import memory_megabytes
from dagster_project.shop import Shop
from dagster_project.sources.contract import STAMPS, System, Table, row_hash
from dagster_project.sources.drift import Drifting, UnreadableExtract
from dagster_project.sources.erased import Erased
from dagster_project.sources.extracts import Extract, find_extracts
from dagster_project.sources.judging import Judged, Judging
from dagster_project.sources.lateness import known_from, note_outdated
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.reading.chunks import CHUNK_ROWS
from dagster_project.sources.reading.text_lines import open_bytes
from dagster_project.warehouse import Warehouse

# While one table's rows are judged, in Python, another's are inserted, in DuckDB; each holds a chunk of rows, so where memory is short they take turns.
TABLES_AT_ONCE = 2
ROOM_FOR_TWO = 1_000


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
    rows_erased: int
    known_at: datetime


class RowsLost(RuntimeError):
    """A batch's rows do not add up: our own mistake, so the run stops."""


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
    """Loads extracts of one table. `known` are the batches that the ledger has of it, with the time of their extraction."""

    def __init__(
        self, warehouse: Warehouse, shop: Shop, store: Path, system: System, name: str, key: str | None, closed: datetime | None = None
    ) -> None:
        self.warehouse, self.shop, self.store = warehouse, shop, store
        self.system, self.name, self.closed = system, name, closed
        sql = "select batch_id, extracted_at from sources.load_ledger where source = ? and table_name = ?"
        self.known: dict[str, datetime] = dict(warehouse.rows(sql, [system.system, name]))
        self.table: Table = system.tables[name]
        self.raw = f"sources.{system.system}__{name}"
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
        self.note_refused(refused)
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
            if self.is_said(extract, content, judged | self.known):
                continue
            judged[extract.path.name] = extract.extracted_at
            if judging is None:
                self.complete_raw()
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
        optional = [name for name, column in self.table.columns.items() if not column.required and not column.sparse]
        filled = {name for name, rows in waiting.filled.items() if rows}
        loaded = self.warehouse.exists(self.raw)
        if optional and loaded:
            # However long ago: a mark that one customer has is on one row of many.
            flags = ", ".join(f'exists (select 1 from {self.raw} where "{name}" is not null)' for name in optional)
            (found,) = self.warehouse.rows(f"select {flags}")
            filled |= {name for name, is_filled in zip(optional, found, strict=True) if is_filled}

        def share(name: str) -> float:
            if self.shop.sources[extract.system].kind != "files":
                return 1.0
            with_value, rows = self.warehouse.rows(f'select count("{name}"), count(*) from {self.raw}')[0] if loaded else (0, 0)
            return float((with_value + waiting.filled[name]) / max(rows + waiting.rows, 1))

        return Drifting(extract.path, self.table, frozenset(filled), share, frozenset(met))

    def is_pulled_again(self, extract: Extract) -> bool:
        """Whether a pull follows another of its table: what it brings is the night's news, not history."""
        sql = "select count(*) from sources.load_ledger where source = ? and table_name = ? and extracted_at < ?"
        ((earlier,),) = self.warehouse.rows(sql, [extract.system, extract.table, extract.extracted_at])
        return bool(earlier) and self.shop.sources[extract.system].kind != "files"

    def batch_id(self, extract: Extract, content: str, stamped: bool = False) -> str:
        """The batch's identity: the content, and the table it is meant for. Two empty extracts are two batches: each says its day had nothing."""
        return batch_name(extract.system, extract.table, content, stamp(extract.extracted_at) if stamped else None)

    def is_said(self, extract: Extract, content: str, known: dict[str, datetime]) -> bool:
        """Whether an extract is loaded, or says what the table's extract before it said. What an older one said, and one between did not, is news."""
        own = self.batch_id(extract, content)
        if self.batch_id(extract, content, stamped=True) in known or known.get(own) == extract.extracted_at:
            return True
        # What happened at its extract's moment happened once more in the next one.
        if self.is_dated_by_extract():
            return False
        before = max((moment for moment in known.values() if moment < extract.extracted_at), default=None)
        if own not in known or before is None:
            return own in known
        return known[own] == before or self.batch_id(replace(extract, extracted_at=before), content, stamped=True) in known

    def is_dated_by_extract(self) -> bool:
        return any(column.or_extracted for column in self.table.columns.values())

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
        history_until = self.shop.sources[self.system.system].history_until
        known_at = known_from(self.warehouse, self.shop, extract, self.closed)
        # What happened before the first day is known from then on only while no day is built without it.
        is_history = (
            history_until is not None
            and extract.extracted_at <= history_until
            and known_at == extract.extracted_at
            and not self.is_pulled_again(extract)
        )
        if self.is_said(extract, judged.content, self.known):
            return None
        is_of_an_older_one = self.batch_id(extract, judged.content) in self.known
        batch_id = self.batch_id(extract, judged.content, stamped=judged.rows == 0 or is_of_an_older_one or self.is_dated_by_extract())
        later = note_outdated(self.warehouse, self.store, extract, self.table)
        with self.warehouse.transaction() as connection:
            if before:
                before(connection, judged)
            self.create_raw(connection)
            self.choose_fresh(connection, judged, later)
            columns = ", ".join(f'"{name}"' for name in self.table.columns)
            connection.execute(
                f"""
                insert into {self.raw} ({", ".join([columns, *STAMPS])})
                select {columns}, ?, _row_number, _row_hash, ?, ? from ({judged.good_rows()}) inner join fresh using (_row_number) order by _row_number
                """,
                [batch_id, known_at, is_history],
            )
            judged.quarantine(connection, batch_id)
            # Counted where they lie now, not where they came from: that is what the invariant is about.
            ((quarantined, loaded, duplicate),) = connection.execute(
                f"""
                select (select count(*) from sources.quarantine where batch_id = $1), (select count(*) from {self.raw} where _batch_id = $1),
                    (select count(*) from good) - (select count(*) from fresh)
                """,
                [batch_id],
            ).fetchall()
            batch = Batch(
                extract.system,
                extract.table,
                batch_id,
                extract.extracted_at,
                is_history,
                judged.landed.relative_to(self.store).as_posix(),
                judged.rows,
                loaded,
                duplicate,
                quarantined,
                judged.erased,
                known_at,
            )
            if batch.rows_in != batch.rows_loaded + batch.rows_duplicate + batch.rows_quarantined + batch.rows_erased:
                raise RowsLost(f"{extract.path}: {batch.rows_in} rows came in, but {batch} does not account for all of them.")
            names = [field.name for field in fields(Batch)]
            connection.execute(
                f"insert into sources.load_ledger ({', '.join(names)}) values ({', '.join('?' * len(names))})",
                [getattr(batch, name) for name in names],
            )
        self.known[batch_id] = extract.extracted_at
        return batch

    def create_raw(self, connection: duckdb.DuckDBPyConnection) -> None:
        texts = ", ".join(f'"{name}" varchar' for name in self.table.columns)
        stamps = ", ".join(f"{name} {kind}" for name, kind in STAMPS.items())
        connection.execute(f"create table if not exists {self.raw} ({texts}, {stamps})")

    def complete_raw(self) -> None:
        """Add the columns that the contract has gained since the table was made: what was known before says nothing in them."""
        if self.warehouse.exists(self.raw):
            added = (f'alter table {self.raw} add column if not exists "{name}" varchar' for name in self.table.columns)
            with self.warehouse.transaction() as connection:
                connection.execute("; ".join(added))

    def choose_fresh(self, connection: duckdb.DuckDBPyConnection, judged: Judged, later: str | None) -> None:
        """The good rows' hashes and keys (`good`), and those that say something new (`fresh`); `later` is what a later extract has said already.

        Rows stay where they are: copies of whole rows cost more than everything that is asked about them.
        """
        hashed = row_hash(f'"{name}"' for name in self.table.columns)
        kept = ", ".join(f'"{name}"' for name in self.table.versioned_by)
        connection.execute(
            f"create or replace temp table good as select {kept}, _row_number, {hashed} as _row_hash from ({judged.good_rows()})"
        )
        connection.execute(
            f"""
            create or replace temp table fresh as
            select _row_number, _row_hash from good
            where not ({self.unchanged()}) {f"and not ({later})" if later else ""}
                and _row_number in (select min(_row_number) from good group by _row_hash)
            """
        )

    def unchanged(self) -> str:
        """The newest word on the row's key, and cursor where there is one, says the same: a row that was deleted and is back as it was is news."""
        names = self.table.versioned_by
        key = ", ".join(f'"{name}"' for name in names)
        same_key = " and ".join(f'held."{name}" is not distinct from good."{name}"' for name in names)
        # Only the keys that have come: a small extract must not sort all that is held.
        held = f"select * from {self.raw} as held where exists (select 1 from good where {same_key})"
        # An extract that says two things of one cursor is not news again when it repeats both.
        place = (
            "rank() over (partition by {} order by _known_at desc)"
            if self.table.cursor
            else ("row_number() over (partition by {} order by _known_at desc, _row_number desc)")
        )
        return f"_row_hash in (select _row_hash from ({held}) qualify {place.format(key)} = 1)"

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
        if judged.drifting.unended and self.usually_ends(judged):
            raise UnreadableExtract(
                f"{path}: the last line does not end, as those of this table's other extracts do; the file is cut off, pull it again "
                "(or end it with a line break if it is whole)."
            )

    def usually_ends(self, judged: Judged) -> bool:
        """Whether the newest other extract of this table ends with a line break."""
        others = self.warehouse.rows(
            "select path from sources.load_ledger where source = ? and table_name = ? and rows_in > 0 order by extracted_at desc, path limit 1",
            [self.system.system, self.name],
        )
        if not others or not (self.store / others[0][0]).is_file():
            return False
        last = b""
        with open_bytes(self.store / others[0][0]) as file:
            while block := file.read(1 << 20):
                last = block[-1:]
        return last in (b"\n", b"\r")

    def note_refused(self, refused: Sequence[tuple[Extract, str]]) -> None:
        """State the extracts at hand that are refused, and no others: one that is mended or taken away is refused no more."""
        with self.warehouse.transaction() as connection:
            connection.execute("delete from sources.refused_extracts where source = ? and table_name = ?", [self.system.system, self.name])
            for extract, reason in refused:
                connection.execute(
                    "insert into sources.refused_extracts values (?, ?, ?, ?, ?)",
                    [extract.system, extract.table, extract.extracted_at, extract.path.name, reason],
                )


def batch_name(system: str, table: str, content: str, stamped: str | None) -> str:
    """A batch's id: the content (its SHA-256) and the table it is meant for, and the moment of extraction where that tells batches apart."""
    return hashlib.sha256("|".join([system, table, content] + ([stamped] if stamped else [])).encode()).hexdigest()[:16]
