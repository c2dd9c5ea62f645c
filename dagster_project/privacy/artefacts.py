"""Files of the store that name a person: what a tool or a reader takes is written anew without them, a page is taken away.

The shop's own source files are not touched: they are listed, and whoever was erased is left out when they are read (`sources/erased.py`).
"""

import csv
import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.delivery.destinations import DESTINATIONS
from dagster_project.delivery.formats import FORMATS
from dagster_project.delivery.readme import readme_of
from dagster_project.faults import fault_point
from dagster_project.files import make_whole, write_json, write_whole
from dagster_project.privacy.searching import Search, packed, unpacked
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.blanking import as_text, csv_records, pruned
from dagster_project.sources.reading.csv_files import DELIMITERS, Remembering
from dagster_project.warehouse import Warehouse
from ml.store import FILES, fingerprint

# Of the store, but looked into otherwise: the tables, its lock, and what an erasure itself writes down until it is done.
OWN = ("store.lock", "erasing.json", "warehouse.duckdb", "warehouse.duckdb.wal")
DELETIONS = "deletions"
# Folders of what was written for somebody to look at: a command writes it again.
PAGES = ("explained", "previews", "report")


def files_of(settings: Settings, shop: Shop) -> Iterator[Path]:
    """Every file of the store but the warehouse, what the erasure itself needs, and the shop's own source files."""
    sources = [shop.extracts(name, settings.store) for name, source in shop.sources.items() if source.kind == "files"]
    for path in sorted(settings.store.rglob("*")):
        within = path.relative_to(settings.store).parts
        is_own = within[0] in OWN or (within[0] == "exports" and DELETIONS in within)
        if path.is_file() and not is_own and not any(path.is_relative_to(folder) for folder in sources):
            yield path


def rewrite(path: Path, search: Search) -> None:
    """Write a file anew without the rows that name the person; pages and unfinished files go whole. What it cannot write stays, for the proof to
    tell."""
    if path.suffix == ".parquet":
        make_whole(path, partial(parquet_without, path, search=search))
    elif is_of_lines(path):
        write_whole(path, lines_without(path, search))
    elif path.suffix == ".json":
        write_json(path, pruned(json.loads(path.read_text()), search.names))
    elif path.suffix in (".html", ".eml", ".tmp"):
        path.unlink()


def take_away(path: Path) -> None:
    """A file that goes whole, with its folder where that is empty then: the folder may be called after the person."""
    path.unlink(missing_ok=True)
    if path.parent.exists() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def forget_names_learned(settings: Settings) -> None:
    """Take away the identity model wherever it was saved: it knows how frequent each name is, a rare one too. The next night learns it anew."""
    warehouse = Warehouse.of(settings)
    log = warehouse.rows("select artifact_sha256 from identity.model_log") if warehouse.exists("identity.model_log") else []
    learned = {sha256 for (sha256,) in log}
    for path in [*settings.artifacts.rglob("model.json"), *settings.tracked_files.rglob("model.json")]:
        if all((path.parent / name).is_file() for name in FILES) and fingerprint(path.parent) in learned:
            shutil.rmtree(path.parent)


def parquet_without(path: Path, new: Path, search: Search) -> None:
    """A group of rows at a time: the mails of a large audience would fill the memory."""
    with pq.ParquetFile(path) as file:
        groups = range(file.num_row_groups)
        compression = file.metadata.row_group(0).column(0).compression if groups else "snappy"
        with pq.ParquetWriter(new, file.schema_arrow, compression=compression) as writer:
            for group in groups:
                rows = file.read_row_group(group)
                kept = [place for place, row in enumerate(rows.to_pylist()) if not search.names(as_text(row))]
                writer.write_table(rows.take(pa.array(kept, pa.int64())))


def is_of_lines(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith((".csv", ".jsonl", ".txt", ".out", ".err", ".log"))


def lines_without(path: Path, search: Search) -> bytes:
    return packed(path, "".join(record for record in records_of(path, unpacked(path)) if not search.names(record)))


def records_of(path: Path, text: str) -> Iterator[str]:
    """The lines of a text; of CSV its records, whose cells may have lines too. Python knows more line ends (U+2028) than files have."""
    lines = (line for line in re.findall(r"[^\n]*\n|[^\n]+", text))
    if ".csv" not in path.suffixes:
        yield from lines
        return
    head = text.partition("\n")[0]
    source = Remembering(lines)
    reader = csv.reader(source, delimiter=max(DELIMITERS, key=head.count))
    yield from (record for _, record in csv_records(reader, source))


def rewrite_run(run: Path, search: Search) -> None:
    """One run of an export without the person. It keeps its name, by which others build on it; the manifest tells the files as they are now and is
    written first: whoever is killed between finds the person in the files again, and writes the same."""
    stated = json.loads((run / "manifest.json").read_text())
    manifest = pruned(stated, search.names)
    destination = DESTINATIONS[manifest["destination"]]
    form = FORMATS[destination.format]
    contents: dict[Path, bytes] = {}
    gone = 0
    for file in manifest["files"]:
        path = run / file["name"]
        if path.suffix == ".parquet":
            rewrite(path, search)
            content, rows = path.read_bytes(), pq.read_metadata(path).num_rows
        else:
            content = contents[path] = lines_without(path, search)
            rows = len(form.read(unpack(path, content).encode()))
        gone += file["rows"] - rows if file["kind"] == "full" else 0
        file |= {"rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    recount(manifest, stated, gone)
    full = [path for path in contents if "__full__" in path.name]
    sample = [row for path in full[:1] for row in form.read(unpack(path, contents[path]).encode())[:3]]
    columns = {
        column["name"]: pa.array([str(row.get(column["name"]) or "") for row in sample], pa.string()) for column in manifest["schema"]
    }
    readme = readme_of(manifest, pa.table(columns), destination.how_to_import, destination.takes_removals)
    write_json(run / "manifest.json", manifest)
    write_whole(run / "README.html", readme.encode())
    for path, content in contents.items():
        fault_point("rewriting")
        write_whole(path, content)


def recount(manifest: dict[str, Any], stated: dict[str, Any], gone: int) -> None:
    """Take from the totals who left the files (`gone`) and the lists since the manifest was written."""
    totals = manifest["totals"]
    refused = [one for one in stated["refused"] if one not in manifest["refused"]]
    for one in refused:
        totals[f"refused by {manifest['destination']}: {one['reason']}"] -= 1
    for total in totals.keys() & {"in", "sent to"}:
        totals[total] -= gone + len(refused)


def unpack(path: Path, content: bytes) -> str:
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
