"""One run of one feed for one destination: files, manifest, README, `_SUCCESS`, and `latest.json` that moves only forward.

A feed is a campaign, a segment list or the profile feed: rows with a key. A run holds everybody (`full`) and what changed since the run it
builds on (`added`, `changed`, `removed`). Its name holds content, no clock: the same rows are the same folder, and a second run writes nothing. A
second run of a moment with other rows builds on the first, which a tool may have taken by then.
"""

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.delivery.destinations import Destination, Shaped
from dagster_project.delivery.feeds import Feed
from dagster_project.delivery.formats import FORMATS, Format, Part, parts_of, text_of, to_parquet
from dagster_project.delivery.readme import readme_of
from dagster_project.faults import fault_point
from dagster_project.files import write_json, write_whole
from dagster_project.moments import stamp

CONTRACT_VERSION = "1"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class ExportRun:
    """What was written: the run's folder name, what it builds on, how many rows, and whom (external id) the tool could not take."""

    run: str
    delta_of: str | None
    rows: int
    is_new: bool
    refused: frozenset[str]


@dataclass(frozen=True)
class Kind:
    """The files of one kind (full, added, …), in parts."""

    extension: str
    parts: list[Part]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(hashlib.sha256(part.content).digest() for part in self.parts)).digest()


def write_export(root: Path, destination: Destination, feed: Feed, given: Path | None, moves_latest: bool) -> ExportRun:
    """Write one run of a feed below `root`/<destination>/<feed>; `given` is the folder of the run that the destination was given last, if any.

    With `moves_latest`, `latest.json` comes to point here unless it points at a later moment already.
    """
    folder = root / destination.name / feed.name
    shaped = destination.shape(feed)
    form = FORMATS[destination.format]
    kinds = {"full": kind_of(shaped.rows, destination, form)}
    base = None if feed.stands_alone or given is None else base_of(given, feed, kinds["full"])
    left: list[str] = []
    cleared: list[dict[str, Any]] = []
    if base:
        change = delta_of(shaped, read_parts((part.content for part in kinds["full"].parts), form), read_full(base, form))
        tables = {"added": change.added, "changed": change.changed}
        if destination.takes_removals:
            tables["removed"] = destination.removed(feed, change.removed, shaped.key)
        else:
            left = change.left
        cleared = [] if destination.takes_blanks else change.cleared
        kinds |= {name: kind_of(table, destination, form) for name, table in tables.items()}
    if feed.content is not None:
        content = to_parquet(destination.content(mails, shaped, feed.unsubscribe_tags) for mails in feed.content)
        kinds["content"] = Kind("parquet", [Part(pq.read_metadata(io.BytesIO(content)).num_rows, content)])
    digests = b"".join(kind.digest for _, kind in sorted(kinds.items()))
    hash8 = hashlib.sha256(digests + (base.name if base else "").encode()).hexdigest()[:8]
    run = f"run={stamp(feed.as_of)}_{hash8}"
    refused = frozenset(customer for customer, _ in shaped.refused)
    result = ExportRun(run, base.name if base else None, shaped.rows.num_rows, not (folder / run / "_SUCCESS").exists(), refused)
    if result.is_new:
        files = []
        for name, kind in kinds.items():
            for number, part in enumerate(kind.parts, start=1):
                file = f"{feed.name}__{name}__{stamp(feed.as_of)}_{hash8}__p{number:04d}.{kind.extension}"
                write_whole(folder / run / file, part.content, is_last=False)
                fault_point("exporting")
                files.append(described(file, name, part))
        manifest = manifest_of(destination, feed, shaped, result.delta_of, files, left, cleared)
        readme = readme_of(manifest, shaped.rows, destination.how_to_import, destination.takes_removals)
        write_whole(folder / run / "README.html", readme.encode(), is_last=False)
        write_json(folder / run / "manifest.json", manifest)
        fault_point("manifested")
        write_whole(folder / run / "_SUCCESS", b"")
    if moves_latest:
        point_latest(folder, run, stamp(feed.as_of))
    return result


def base_of(given: Path, feed: Feed, full: Kind) -> Path | None:
    """The run to build on: the one that was given last or, where that is this very run (the same moment, the same rows), what it was built on."""
    stated = json.loads((given / "manifest.json").read_text())
    before = [file["sha256"] for file in stated["files"] if file["kind"] == "full"]
    if stated["as_of"] != text_of(feed.as_of) or before != [hashlib.sha256(part.content).hexdigest() for part in full.parts]:
        return given
    earlier = given.parent / str(stated["delta_of"])
    return earlier if stated["delta_of"] and earlier.exists() else None


def kind_of(table: pa.Table, destination: Destination, form: Format) -> Kind:
    parts = parts_of(table, form, destination.max_rows, destination.max_bytes)
    if destination.compressed:
        return Kind(f"{form.extension}.gz", [part.zipped() for part in parts])
    return Kind(form.extension, parts)


def read_full(run: Path, form: Format) -> list[dict[str, Any]]:
    """The rows of the `full` files of an earlier run, as written."""
    manifest = json.loads((run / "manifest.json").read_text())
    names = [file["name"] for file in manifest["files"] if file["kind"] == "full"]
    return read_parts(((run / name).read_bytes() for name in names), form)


def read_parts(contents: Iterable[bytes], form: Format) -> list[dict[str, Any]]:
    """The rows of a kind's files, which a destination may have compressed."""
    plain = (gzip.decompress(content) if content.startswith(GZIP) else content for content in contents)
    return [row for content in plain for row in form.read(content)]


@dataclass(frozen=True)
class Delta:
    """What changed since an earlier run: rows by now, keys that are no longer in, the external ids of those where rows have them, and by external id
    the columns that had a value and have none."""

    added: pa.Table
    changed: pa.Table
    removed: list[str]
    left: list[str]
    cleared: list[dict[str, Any]]


def delta_of(shaped: Shaped, now: list[dict[str, Any]], before: list[dict[str, Any]]) -> Delta:
    """What changed since an earlier run: `now` and `before` as written, `now` in the order of `shaped`."""
    key = shaped.key
    known = {row[key]: row for row in before}
    added = [place for place, row in enumerate(now) if row[key] not in known]
    changed = [place for place, row in enumerate(now) if row[key] in known and known[row[key]] != row]
    removed = sorted(known.keys() - {row[key] for row in now})
    return Delta(
        added=shaped.rows.take(pa.array(added, pa.int64())),
        changed=shaped.rows.take(pa.array(changed, pa.int64())),
        removed=removed,
        left=sorted(known[one].get(shaped.id_column) or "" for one in removed),
        cleared=[one for place in changed if (one := cleared_of(known[now[place][key]], now[place], shaped.id_column))["fields"]],
    )


def cleared_of(before: Mapping[str, Any], now: Mapping[str, Any], id_column: str) -> dict[str, Any]:
    """The columns of a person that had a value and have none."""
    fields = [name for name, value in before.items() if value not in (None, "") and now.get(name) in (None, "")]
    return {"customer_id": now.get(id_column), "fields": fields}


def described(name: str, kind: str, part: Part) -> dict[str, Any]:
    return {"name": name, "kind": kind, "rows": part.rows, "bytes": len(part.content), "sha256": hashlib.sha256(part.content).hexdigest()}


def manifest_of(
    destination: Destination,
    feed: Feed,
    shaped: Shaped,
    base: str | None,
    files: Sequence[Mapping[str, Any]],
    left: Sequence[str],
    cleared: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What a run holds. `totals` counts everybody the feed has by reason, also whom this tool cannot take."""
    refusals = Counter(f"refused by {destination.name}: {reason}" for _, reason in shaped.refused)
    return {
        "contract_version": CONTRACT_VERSION,
        "destination": destination.name,
        "feed": feed.name,
        "kind": feed.kind,
        "description": feed.description,
        **({"sender": feed.sender.model_dump()} if feed.sender else {}),
        "as_of": text_of(feed.as_of),
        "zone": feed.zone,
        "consent_as_of": text_of(feed.consent_as_of) or None,
        "delta_of": base,
        "key": shaped.key,
        "schema": [{"name": column.name, "type": str(column.type)} for column in shaped.rows.schema],
        "files": list(files),
        "totals": {**feed.totals, **dict(sorted(refusals.items()))},
        "held_back": [{"customer_id": customer, "reason": reason} for customer, reason in feed.held_back],
        "refused": [{"customer_id": customer, "reason": reason} for customer, reason in shaped.refused],
        "left": list(left),
        "cleared": list(cleared),
    }


def point_latest(folder: Path, run: str, as_of: str) -> None:
    """Let latest.json point at this run, unless it is already further."""
    path = folder / "latest.json"
    if path.exists() and json.loads(path.read_text())["as_of"] > as_of:
        return
    content = json.dumps({"run": run, "as_of": as_of}, indent=2).encode() + b"\n"
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content)
