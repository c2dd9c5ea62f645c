"""Who was erased and stays out: keyed digests of their identifiers in the shop's folder, the key apart from them.

    shops/<shop>/privacy/erased/<request>.json    asked_at, is_proven, people (the digests of each), key_check

A digest is HMAC-SHA-256 under a key derived from the shop's pseudonym key, so that nobody who has the file alone can try addresses or numbers on
it. An extract is landed without the rows that such an identifier is in: they are blank there, and count as erased.
"""

import hashlib
import hmac
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc

from dagster_project.files import write_json
from dagster_project.shop import Shop
from dagster_project.sources.blanking import without, write_blanked
from dagster_project.sources.contract import System
from dagster_project.sources.identifiers import ADDRESS, Identifier, identified_rows, identifier, unreadable_rows
from dagster_project.sources.reading import read_chunks
from dagster_project.sources.reading.chunks import Chunk


@dataclass(frozen=True)
class Entry:
    """What is kept of an erasure: when it was asked for (the store's clock, text), whether it was proven, the digests of each person, and one
    of a constant, by which the key that made them is told from another."""

    request: str
    asked_at: str
    is_proven: bool
    people: tuple[tuple[str, ...], ...]
    key_check: str


def folder_of(shop: Shop) -> Path:
    return shop.folder / "privacy" / "erased"


def entries_of(shop: Shop) -> list[Entry]:
    """The erasures of a shop that are not lifted."""
    said = [json.loads(path.read_text()) for path in sorted(folder_of(shop).glob("*.json"))]
    return [
        Entry(one["request"], one["asked_at"], one["is_proven"], tuple(tuple(digests) for digests in one["people"]), one["key_check"])
        for one in said
    ]


def keep_entry(shop: Shop, entry: Entry) -> Path:
    path = folder_of(shop) / f"{entry.request}.json"
    write_json(path, asdict(entry), indent=1)
    return path


def lift(shop: Shop, stated_key: str | None, one: Identifier) -> int:
    """Let a person in again, as their sources speak of them from now on; return how many erasures named them.

    Raises:
        ValueError: the key that knows them is not at hand.
    """
    digest, found = Erased.of(shop, stated_key).digest(one), 0
    for entry in entries_of(shop):
        others = tuple(digests for digests in entry.people if digest not in digests)
        if len(others) == len(entry.people):
            continue
        found += 1
        if others:
            keep_entry(shop, replace(entry, people=others))
        else:
            (folder_of(shop) / f"{entry.request}.json").unlink()
    return found


@dataclass(frozen=True)
class Erased:
    """Those who stay out of a shop, by digests; `country` reads numbers without a prefix."""

    key: str
    digests: frozenset[str]
    country: str

    @staticmethod
    def of(shop: Shop, stated_key: str | None) -> "Erased":
        """Everybody erased so far; `stated_key` is the settings' pseudonym key.

        Raises:
            ValueError: somebody was, and the key that knows them is not at hand.
        """
        entries = entries_of(shop)
        digests = frozenset(digest for entry in entries for digests in entry.people for digest in digests)
        everybody = Erased(shop.pseudonym_key(stated_key) if digests else "", digests, shop.country)
        for entry in entries:
            if entry.key_check != everybody.key_check:
                raise ValueError(
                    f"{folder_of(shop) / entry.request}.json was kept under another pseudonym key than {shop.name} has now, so nobody of it would "
                    "be known: set DEARLY_PSEUDONYM_KEY to the key of that time."
                )
        return everybody

    @staticmethod
    def against(shop: Shop, stated_key: str | None, identifiers: Iterable[Identifier]) -> "Erased":
        """These persons alone."""
        blank = Erased(shop.pseudonym_key(stated_key), frozenset(), shop.country)
        return Erased(blank.key, frozenset(blank.digest(one) for one in identifiers), shop.country)

    def __bool__(self) -> bool:
        return bool(self.digests)

    @cached_property
    def _key(self) -> bytes:
        # Of its own, so that a digest here is never a pseudonym elsewhere.
        return hmac.new(self.key.encode(), b"dearly erasure", hashlib.sha256).digest()

    @property
    def key_check(self) -> str:
        return self.digest(Identifier("key", "check"))

    @property
    def request(self) -> str:
        """What a request about these persons is called."""
        return self.digest(Identifier("request", "".join(sorted(self.digests))))[:12]

    def digest(self, one: Identifier) -> str:
        return hmac.new(self._key, f"{one.kind}|{one.value}".encode(), hashlib.sha256).hexdigest()[:32]

    def holds(self, one: Identifier) -> bool:
        return self.digest(one) in self.digests

    def names(self, text: str) -> bool:
        """Whether a text has the address of one of them."""
        stated = (identifier("email", address, "", self.country) for address in re.findall(ADDRESS, text)) if "@" in text else ()
        return any(one is not None and self.holds(one) for one in stated)

    def rows_of(self, system: System, name: str, chunk: Chunk) -> dict[int, bool | None]:
        """The numbers of the rows of a table that are of one of these persons, and whether something of the row may stay (`Table.stays`).
        None: it is another's, who mentions one of them in a text."""
        stated = [*identified_rows(system, name, chunk.rows, self.country), *unreadable_rows(system, name, chunk, self.country)]
        met = {one for one in {said.identifier for said in stated} if self.holds(one)}
        own: dict[int, bool] = {}
        for said in stated:
            if said.is_own:
                own[said.row] = own.get(said.row, False) or said.identifier in met
        stays = set(system.tables[name].stays)
        rows: dict[int, bool | None] = {}
        for said in stated:
            # A row that says whose it is, and that is nobody of them, is not theirs for a browser or a telephone that was, nor for a word of them.
            if said.identifier in met and own.get(said.row, True):
                # What would stay must not name them.
                rows[said.row] = rows.get(said.row, True) and bool(stays) and said.column != "" and said.column not in stays
            elif said.identifier in met and said.is_mention:
                rows[said.row] = None
        return rows

    def rows_in(self, path: Path, system: System, name: str) -> dict[int, bool | None]:
        """The same of a file.

        Raises:
            UnreadableExtract: it cannot be read.
        """
        rows: dict[int, bool | None] = {}
        for chunk in read_chunks(path, system.tables[name]):
            rows |= self.rows_of(system, name, chunk)
        return rows

    def copy(self, source: Path, target: Path, system: System, name: str) -> None:
        """Copy an extract without these persons: byte for byte where they are not in it.

        Raises:
            UnreadableExtract: it cannot be read, so nobody knows.
        """
        rows = self.rows_in(source, system, name) if self else {}
        if rows:
            write_blanked(source, target, system.tables[name], rows, lambda value: without(value, self.names))
        else:
            shutil.copyfile(source, target)


def without_blanks(chunk: Chunk) -> tuple[Chunk, int]:
    """A chunk without the rows that say nothing at all, as blanked ones do, and how many those are."""
    said = None
    for name in chunk.rows.column_names:
        if name != "_row_number":
            here = pc.is_valid(chunk.rows[name])
            said = here if said is None else pc.or_(said, here)
    rows = chunk.rows if said is None else chunk.rows.filter(said)
    return Chunk(rows, chunk.unreadable), chunk.rows.num_rows - rows.num_rows
