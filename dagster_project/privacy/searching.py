"""Files that name a person: looked into whatever they are packed in."""

import gzip
import io
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.privacy.person import Person
from dagster_project.privacy.traces import patterns
from dagster_project.sources.blanking import as_text, without

# What is read of a large file at once, and how much of it is read twice, so that nothing is cut in two.
BLOCK, OVERLAP = 1 << 26, 1 << 10
# What unpacking a file raises that is cut off or broken.
BROKEN = (EOFError, OSError, zlib.error, zipfile.BadZipFile, sqlite3.DatabaseError, pa.ArrowException)


class Search:
    """Whether a text names a person: by an identifier, or by the id of a mail that is theirs alone. Files are called what they are below `store`."""

    def __init__(self, person: Person, store: Path = Path("/")) -> None:
        self.store = store
        self.needles = sorted(person.needles | person.contents)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in patterns(self.needles)]

    def names(self, text: str) -> bool:
        """Whether a text does. Plain containment first: it costs next to nothing."""
        lowered = text.lower()
        return any(needle in lowered for needle in self.needles) and any(pattern.search(lowered) for pattern in self._patterns)

    def without(self, value: Any) -> Any:
        """A value without what names the person: items of JSON go, a text goes whole."""
        return without(value, self.names)

    def file(self, path: Path, if_broken: bool = False) -> bool:
        """Whether a file does, or what it is called; `if_broken` where it cannot be unpacked to its end and names nobody before."""
        try:
            return self.called(path) or any(self.names(text) for text in texts_of(path))
        except BROKEN:
            return if_broken

    def called(self, path: Path) -> bool:
        """Whether the names of a file and its folders do, whose parts are apart by __ and endings."""
        within = path.relative_to(self.store)
        spelled = (within, within.with_suffix(""), within.with_suffix("").with_suffix(""))
        return self.names("\n".join(one.as_posix().replace("__", "/") for one in spelled))


def texts_of(path: Path) -> Iterator[str]:
    """What a file says, unpacked: gzip, Parquet, SQLite, zip archives (numpy's too); anything else as it is, a block at a time."""
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1_000):
                yield "\n".join(as_text(row) for row in batch.to_pylist())
        return
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            yield from connection.iterdump()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
        return
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        tail = b""
        # One read of the file at a time: what comes before a cut is not lost to it.
        while block := file.read1(BLOCK):
            yield (tail + block).decode("utf-8", "replace")
            tail = (tail + block)[-OVERLAP:]


def unpacked(path: Path) -> str:
    """The text of a small file of lines; bytes that are no UTF-8 come through."""
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "surrogateescape")


def packed(path: Path, text: str) -> bytes:
    """The bytes of a text as its file packs it."""
    if path.suffix != ".gz":
        return text.encode("utf-8", "surrogateescape")
    raw = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    return raw.getvalue()
