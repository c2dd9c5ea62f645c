"""One run of one feed for one destination: files, manifest, README, `_SUCCESS`, and `latest.json` that moves only forward.

A feed is a campaign, a segment list or the profile feed: rows with a key. A run holds everybody (`full`) and what changed since the run it
builds on (`added`, `changed`, `removed`). Its name holds content, no clock: the same rows are the same folder, and a second run writes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.delivery.destinations import Destination
from dagster_project.delivery.formats import READERS, WRITERS, text_of
from dagster_project.delivery.readme import readme_of
from dagster_project.faults import fault_point
from dagster_project.files import write_whole
from dagster_project.moments import stamp

CONTRACT_VERSION = "1"


@dataclass(frozen=True)
class Feed:
    """What is exported: rows by `key`, and what a person reading the export wants to know.

    `content` are rendered mails beside the rows, for feeds that have them. `totals` counts people by reason. `held_back` lists who was decided
    to be sent to and then was not, as customer id and reason.
    """

    name: str
    kind: str
    description: str
    as_of: datetime
    rows: pa.Table
    key: str
    totals: Mapping[str, int] = field(default_factory=dict)
    held_back: tuple[tuple[str, str], ...] = ()
    consent_as_of: datetime | None = None
    content: pa.Table | None = None


@dataclass(frozen=True)
class ExportRun:
    """What was written: the run's folder name, what it builds on, and how many rows."""

    run: str
    delta_of: str | None
    rows: int
    is_new: bool


def write_export(root: Path, destination: Destination, feed: Feed, base: Path | None, moves_latest: bool) -> ExportRun:
    """Write one run of a feed below `root`/<destination>/<feed>; `base` is the folder of the run it builds on, if any.

    With `moves_latest`, `latest.json` comes to point here unless it points at a later moment already.
    """
    folder = root / destination.name / feed.name
    rows = destination.rows(feed)
    key = destination.columns.get(feed.key, feed.key)
    extension = destination.format
    tables = {"full": rows, **(delta(rows, read_full(base), extension, key) if base else {})}
    files = {kind: WRITERS[extension](table) for kind, table in tables.items()}
    extensions = dict.fromkeys(files, extension)
    if feed.content is not None:
        tables["content"] = destination.content(feed.content)
        files["content"] = WRITERS["parquet"](tables["content"])
        extensions["content"] = "parquet"
    hash8 = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for _, content in sorted(files.items())) + (base.name if base else "").encode()).hexdigest()[:8]
    run = f"run={stamp(feed.as_of)}_{hash8}"
    result = ExportRun(run, base.name if base else None, rows.num_rows, not (folder / run / "_SUCCESS").exists())
    if result.is_new:
        names = {kind: f"{feed.name}__{kind}__{stamp(feed.as_of)}_{hash8}__p0001.{extensions[kind]}" for kind in files}
        for kind, content in files.items():
            write_whole(folder / run / names[kind], content)
            fault_point("exporting")
        manifest = manifest_of(destination, feed, result.delta_of, tables, files, names)
        write_whole(folder / run / "README.html", readme_of(manifest, rows, destination.how_to_import).encode())
        write_whole(folder / run / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
        fault_point("manifested")
        write_whole(folder / run / "_SUCCESS", b"")
    if moves_latest:
        point_latest(folder, run, stamp(feed.as_of))
    return result


def read_full(run: Path) -> bytes:
    """The `full` file of an earlier run."""
    manifest = json.loads((run / "manifest.json").read_text())
    (name,) = [file["name"] for file in manifest["files"] if file["kind"] == "full"]
    return (run / name).read_bytes()


def delta(rows: pa.Table, earlier: bytes, extension: str, key: str) -> dict[str, pa.Table]:
    """What changed since an earlier run, compared as written. `removed` holds keys only: a removal must not carry a person's data once more."""
    before = READERS[extension](earlier)
    now = READERS[extension](WRITERS[extension](rows))
    known = {row[key]: row for row in before}
    added = [place for place, row in enumerate(now) if row[key] not in known]
    changed = [place for place, row in enumerate(now) if row[key] in known and known[row[key]] != row]
    removed = sorted(known.keys() - {row[key] for row in now})
    take = {"added": rows.take(pa.array(added, pa.int64())), "changed": rows.take(pa.array(changed, pa.int64()))}
    return {**take, "removed": pa.table({key: pa.array(removed, pa.string())})}


def manifest_of(
    destination: Destination,
    feed: Feed,
    base: str | None,
    tables: Mapping[str, pa.Table],
    files: Mapping[str, bytes],
    names: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "contract_version": CONTRACT_VERSION,
        "destination": destination.name,
        "feed": feed.name,
        "kind": feed.kind,
        "description": feed.description,
        "as_of": text_of(feed.as_of),
        "consent_as_of": text_of(feed.consent_as_of) or None,
        "delta_of": base,
        "key": destination.columns.get(feed.key, feed.key),
        "schema": [{"name": column.name, "type": str(column.type)} for column in tables["full"].schema],
        "files": [
            {
                "name": names[kind],
                "kind": kind,
                "rows": tables[kind].num_rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for kind, content in files.items()
        ],
        "totals": dict(feed.totals),
        "held_back": [{"customer_id": customer, "reason": reason} for customer, reason in feed.held_back],
    }


def point_latest(folder: Path, run: str, as_of: str) -> None:
    """Let latest.json point at this run, unless it is already further."""
    path = folder / "latest.json"
    if path.exists() and json.loads(path.read_text())["as_of"] > as_of:
        return
    content = json.dumps({"run": run, "as_of": as_of}, indent=2).encode() + b"\n"
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
