"""Files that the product itself landed or pulled: a person's rows in them become blank, so that every other row keeps its number."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dagster_project.files import make_whole, sha256_of, sync_folder
from dagster_project.moments import stamp
from dagster_project.privacy.searching import Search
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.blanking import write_blanked
from dagster_project.sources.contract import System
from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.erased import Erased, without_blanks
from dagster_project.sources.extracts import find_extracts
from dagster_project.sources.ledger import batch_name
from dagster_project.sources.mapping import contracts_of
from dagster_project.sources.reading import read_chunks


@dataclass
class Blanked:
    """blanks: landed file (below the store) → how many of its rows are blank. renamed: batch id → the id that a pulled file's content has now.
    waiting: pulled file → its new content, to be put in its place once the tables know."""

    blanks: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    waiting: dict[Path, Path] = field(default_factory=dict)

    def replace_pulled(self) -> None:
        for path, new in self.waiting.items():
            new.replace(path)
            sync_folder(path.parent)


def blank_landed(settings: Settings, shop: Shop, erased: Erased, search: Search) -> Blanked:
    """Blank those persons' rows in every landed file, and make pulled files without them; count what is blank, whoever it was."""
    done = Blanked()
    for path, system, name in landed_files(settings, shop):
        try:
            rows = erased.rows_in(path, system, name)
            if rows or search.file(path):
                make_whole(path, partial(write_blanked, path, table=system.tables[name], rows=rows, without=search.without))
            done.blanks[path.relative_to(settings.store).as_posix()] = sum(
                without_blanks(chunk)[1] for chunk in read_chunks(path, system.tables[name])
            )
        except UnreadableExtract:
            # A refused extract is landed again once it is mended.
            path.unlink()
    for name, source in shop.sources.items():
        if source.kind != "files":
            blank_pulled(shop, settings.store, contracts_of(shop)[name], erased, search, done)
    return done


def landed_files(settings: Settings, shop: Shop) -> Iterator[tuple[Path, System, str]]:
    contracts = contracts_of(shop)
    for path in sorted((settings.store / "landing").glob("*/*/*/*")):
        system, table = path.relative_to(settings.store).parts[1:3]
        if system in contracts and table in contracts[system].tables and not path.name.startswith("."):
            yield path, contracts[system], table


def blank_pulled(shop: Shop, store: Path, system: System, erased: Erased, search: Search, done: Blanked) -> None:
    for extract in find_extracts(shop.extracts(system.system, store), system):
        try:
            rows = erased.rows_in(extract.path, system, extract.table)
        except UnreadableExtract:
            # It was never loaded: the proof tells where it names them.
            continue
        if rows or search.file(extract.path):
            new = extract.path.with_name(f".{extract.path.name}.new")
            write_blanked(extract.path, new, system.tables[extract.table], rows, search.without)
            with new.open("rb") as file:
                os.fsync(file.fileno())
            old_content, content = sha256_of(extract.path), sha256_of(new)
            for stamped in (None, stamp(extract.extracted_at)):
                before, now = (batch_name(extract.system, extract.table, one, stamped) for one in (old_content, content))
                done.renamed[before] = now
            done.waiting[extract.path] = new
