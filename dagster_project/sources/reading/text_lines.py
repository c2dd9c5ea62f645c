"""The lines of a text file, whatever its encoding and compression."""

import codecs
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dagster_project.sources.drift import UnreadableExtract
from dagster_project.sources.reading.chunks import Reading

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def open_bytes(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def text_lines(reading: Reading, newline: str) -> Iterator[str]:
    """The lines of a text file with their ends. Bytes that the encoding does not know survive as surrogates: one bad row does not cost the file."""
    encoding = reading.table.encoding
    with open_bytes(reading.path) as binary:
        head = binary.read(4)
        mark = next((mark for mark in MARKS if head.startswith(mark)), None)
        binary.seek(0)
        if mark:
            reading.drifting.meet("byte_order_mark", None, f"begins with a byte order mark ({MARKS[mark]})")
            if mark != codecs.BOM_UTF8:
                reading.drifting.meet("encoding", None, f"is {MARKS[mark].upper()}, declared is {encoding}")
            encoding = "utf-8-sig" if mark == codecs.BOM_UTF8 else MARKS[mark]
        last = None
        try:
            for line in io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline=newline):
                last = line
                yield line
        except UnicodeError as error:
            raise UnreadableExtract(
                f"{reading.path}: the text ends within a character ({error}); the file is cut off, pull it again."
            ) from None
    if last is not None and not last.endswith(("\n", "\r")):
        reading.drifting.unended = True


def encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
