"""The rows of an extract as text, a chunk at a time: a module a format of files, and `formats` for values written in one of their own."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dagster_project.sources.contract import Table
from dagster_project.sources.drift import Drifting, UnreadableExtract
from dagster_project.sources.reading.chunks import Chunk, Reading
from dagster_project.sources.reading.csv_files import csv_chunks
from dagster_project.sources.reading.formats import as_written
from dagster_project.sources.reading.json_lines import jsonl_chunks
from dagster_project.sources.reading.parquet_files import parquet_chunks

# What an extract's name may end with, before .gz → its format.
ENDINGS = {"csv": "csv", "tsv": "csv", "jsonl": "jsonl", "parquet": "parquet"}
READERS = {"csv": csv_chunks, "jsonl": jsonl_chunks, "parquet": parquet_chunks}


def format_of(path: Path, table: Table) -> str:
    """The format of an extract by its ending, else the declared one."""
    return ENDINGS.get(path.name.removesuffix(".gz").rsplit(".", 1)[-1], table.format)


def read_chunks(path: Path, table: Table, drifting: Drifting | None = None) -> Iterator[Chunk]:
    """The rows of a landed file.

    Raises:
        UnreadableExtract: it is truncated, of another format, or has drifted in a way that the contract stops.
    """
    reading = Reading(path, table, drifting or Drifting(path, table))
    try:
        for chunk in READERS[format_of(path, table)](reading):
            yield replace(chunk, rows=as_written(chunk.rows, table))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableExtract(f"{path}: the file is cut off or not gzip ({error}); pull it again.") from None
