"""Which customer each source record belongs to, and since when: a pure function of the records, the edges between them and people's decisions.

People are found anew at each close of a day, from what was known by then: edges begin and end, and decisions come into force. All of the history
before the first close is seen with the eyes of that close. A customer's id derives from its anchor, the first of its records by (known_at, record
id), so neither the order of runs nor of rows changes an id; when two customers turn out one, the older id stays.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Cut, Positions, components
from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.link_lists import Decision, Decisions
from dagster_project.identity.resolve import places_of
from dagster_project.identity.rules import Rule
from dagster_project.identity.ties import BY_HAND, Decided, Ties

# Where persons' records stood at a close: each with its anchor (a record id), what brought it there, and the first of all records that it hung
# together with (`kin`).
STOOD = pa.schema(
    [
        ("record_id", pa.string()),
        ("anchor", pa.string()),
        ("rule", pa.string()),
        ("match_probability", pa.float64()),
        ("valid_from", pa.timestamp("us")),
        ("kin", pa.string()),
    ]
)
STAYS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("source", pa.string()),
        ("source_customer_id", pa.string()),
        ("rule", pa.string()),
        ("match_probability", pa.float64()),
        ("valid_from", pa.timestamp("us")),
        ("valid_to", pa.timestamp("us")),
    ]
)
MERGE_LOG = pa.schema(
    [
        ("happened_at", pa.timestamp("us")),
        ("kind", pa.string()),
        ("from_customer_id", pa.string()),
        ("to_customer_id", pa.string()),
        ("records", pa.int64()),
        ("because", pa.string()),
    ]
)
# When, what, from and to whom (anchors), how many records, and why.
Change = tuple[datetime, str, int, int, int, str]
# A stay by places instead of ids: of the record, of its anchor.
PLACED = pa.schema(
    [
        ("record", pa.int64()),
        ("anchor", pa.int64()),
        ("rule", pa.string()),
        ("match_probability", pa.float64()),
        ("valid_from", pa.timestamp("us")),
    ]
)


@dataclass(frozen=True)
class History:
    """Stays of persons' records (STAYS), the customers that became one or two (MERGE_LOG), and where the records stand at the last close (STOOD,
    ordered like the records): of all records, or of those for whom something changed since they stood."""

    stays: pa.Table
    merge_log: pa.Table
    stood: pa.Table


def pseudonym(key: str, record_id: str) -> str:
    """The customer id of an anchor: keyed, so that nobody without the key can tell whose it is."""
    return "c" + hmac.digest(key.encode(), record_id.encode(), "sha256").hex()[:20]


def history(
    records: pa.Table,
    edges: pa.Table,
    rules: tuple[Rule, ...],
    closes: Sequence[datetime],
    decisions: Decisions,
    key: str,
    cut: Cut = CUT,
    stood: pa.Table | None = None,
) -> History:
    """The stays of the records, in the order of their ids.

    Args:
        records: record_id (source:source_customer_id), known_at (first); one row per record.
        edges: what `compare` found between them.
        rules: the exact rules, for those that no weight contradicts.
        closes: the moments at which people are found, ascending; the last is not before any record was known.
        decisions: what people decided.
        key: the shop's pseudonym key.
        cut: what a merge of two groups needs.
        stood: where records stood at the first of `closes` (STOOD), when only what changed since then is asked for; the records are then those
            whose customer may have changed, with all that hang together with them.
    """
    order = pc.sort_indices(records, [("known_at", "ascending"), ("record_id", "ascending")])
    ids = records["record_id"].take(order).combine_chunks()
    known = records["known_at"].take(order).to_numpy().astype("datetime64[us]")
    everyone = np.arange(len(ids), dtype=np.int64)
    moments = np.array(closes, dtype="datetime64[us]")
    came = np.searchsorted(moments, known)
    ties, in_force = Ties.of(edges, ids, closes, rules, cut), _placed_decisions(decisions, ids)
    anchors, label, kept = everyone.copy(), everyone.copy(), np.full(len(ids), -1, dtype=np.int64)
    stays, log = [PLACED.empty_table()], list[Change]()
    decided = Decided({})
    if stood is not None:
        record, anchor, kin = (places_of(stood[column], ids) for column in ("record_id", "anchor", "kin"))
        anchors[record], label[record], kept[record] = anchor, kin, kin
        stays.append(_placed(record, anchor, *(stood[column] for column in PLACED.names[2:])))
        decided = in_force(closes[0])
    for close, moment in list(enumerate(closes))[0 if stood is None else 1 :]:
        before, decided, now = decided, in_force(moment), ties.at(close)
        must, cannot, changed = decided.pairs("link"), decided.pairs("unlink"), decided.changed(before)
        # What hangs together: by an edge along which groups merge, a decision, or until now.
        by_hand, merging = np.array(must, dtype=np.int64).reshape(-1, 2), now.among(now.may_merge)
        hanging = [(merging.left, merging.right), (by_hand[:, 0], by_hand[:, 1]), (everyone, anchors)]
        label = components(len(ids), *(np.concatenate([pair[side] for pair in hanging]) for side in (0, 1)))
        touched = came == close
        touched[[record for pair in changed for record in pair]] = True
        touched[ties.stirred(close, label)] = True
        if not touched.any():
            continue
        inside = np.flatnonzero(np.isin(label, label[touched & (came <= close)]))
        found = now.anchors(inside, len(ids), must, cannot)
        moved = inside[found != anchors[inside]]
        old = anchors.copy()
        anchors[inside] = found
        which = np.union1d(moved, inside[came[inside] == close])
        best = now.strongest(which, anchors)
        starts = np.where(came[which] == close, known[which], moments[close])
        stays.append(_placed(which, anchors[which], *now.brought(which, anchors, best, by_hand), starts))
        left_over = np.bincount(anchors[came <= close], minlength=len(ids))
        for source, target, records_moved in _between(moved[came[moved] < close], old, anchors):
            is_split = bool(left_over[source])
            because = _because(records_moved, is_split, [decided.by_pair.get(pair) for pair in changed], changed, best, now)
            log.append((moment, "split" if is_split else "merged", source, target, len(records_moved), because))
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    return _history(ids, pa.concat_tables(stays), log, kept, first[group], key)


def _placed_decisions(decisions: Decisions, ids: pa.Array) -> Callable[[datetime], Decided]:
    """The decisions in force at a moment, by places, of those whose records are here."""
    named = sorted({record for decision in decisions.made for record in decision.pair})
    places = places_of(pa.chunked_array([named], pa.string()), ids)
    at = {record: place for record, place in zip(named, places.tolist(), strict=True) if place >= 0}

    def in_force(moment: datetime) -> Decided:
        return Decided({(at[a], at[b]): said for (a, b), said in decisions.in_force(moment).items() if a in at and b in at})

    return in_force


def _between(moved: Positions, old: Positions, new: Positions) -> list[tuple[int, int, list[int]]]:
    """From, to and the records, one entry per two customers between whom records moved."""
    groups: dict[tuple[int, int], list[int]] = {}
    for record in moved.tolist():
        groups.setdefault((int(old[record]), int(new[record])), []).append(record)
    return [(source, target, records) for (source, target), records in sorted(groups.items())]


def _because(
    records: list[int], is_split: bool, verdicts: list[Decision | None], pairs: list[tuple[int, int]], best: Positions, ties: Ties
) -> str:
    """Why records moved: a decision that changed, or what the data say."""
    verdict = "unlink" if is_split else "link"
    said = [one for one, pair in zip(verdicts, pairs, strict=True) if one and one.verdict == verdict and set(pair) & set(records)]
    if said:
        return f"{said[0].verdict}ed by {said[0].by}: {said[0].why}"
    if is_split:
        return "what linked them is shared by too many, or speaks against it now"
    linking = [int(best[record]) for record in records if best[record] >= 0]
    rule = ties.said["rule"][min(linking)].as_py() if linking else BY_HAND
    return "alike in names and details" if rule == MODEL_RULE else str(rule)


def _placed(record: Positions, anchor: Positions, rule: pa.ChunkedArray, probability: pa.ChunkedArray, start: Any) -> pa.Table:
    return pa.table([pa.array(record), pa.array(anchor), rule, probability, start], schema=PLACED)


def _history(ids: pa.Array, stays: pa.Table, log: list[Change], kept: Positions, kin: Positions, key: str) -> History:
    """What is new in the stays (PLACED, in the order of time): of records that stood nowhere (`kept` -1), that moved, or whose kin is another."""
    order = np.argsort(stays["record"].to_numpy(), kind="stable")
    stays = stays.take(pa.array(order))
    record = stays["record"].to_numpy()
    often = np.bincount(record, minlength=len(ids))
    is_new = (kept < 0) | (often > 1)
    differs = np.flatnonzero(is_new | (kept != kin))
    last = stays.take(pa.array(np.cumsum(often)[differs] - 1))
    now = pa.table(
        [
            ids.take(last["record"]),
            ids.take(last["anchor"]),
            *(last[column] for column in PLACED.names[2:]),
            ids.take(pa.array(kin[differs])),
        ],
        schema=STOOD,
    )
    stays = stays.filter(pa.array(is_new[record]))
    anchors = pa.array(np.unique(np.concatenate([stays["anchor"].to_numpy(), *([row[2], row[3]] for row in log)]).astype(np.int64)))
    customers = dict(zip(anchors.to_pylist(), (pseudonym(key, name) for name in ids.take(anchors).to_pylist()), strict=True))
    merged = [(when, kind, customers[one], customers[other], count, because) for when, kind, one, other, count, because in log]
    named = pa.array(list(customers.values()), pa.string()).take(pc.index_in(stays["anchor"], value_set=anchors))
    return History(_stays(ids, stays, named), columns_of(merged, MERGE_LOG), now)


def _stays(ids: pa.Array, stays: pa.Table, customers: pa.ChunkedArray) -> pa.Table:
    """STAYS of stays that are ordered by record and time, in the order of the records' ids."""
    rank = np.empty(len(ids), dtype=np.int64)
    rank[pc.sort_indices(ids).to_numpy()] = np.arange(len(ids))
    order = np.argsort(rank[stays["record"].to_numpy()], kind="stable")
    stays, customers = stays.take(pa.array(order)), customers.take(pa.array(order))
    parts = pc.split_pattern(ids.take(stays["record"]), ":", max_splits=1)
    record, start = stays["record"].to_numpy(), stays["valid_from"].to_numpy()
    is_last = np.diff(record, append=-1) != 0
    ends = pa.array(np.append(start[1:], start[:1]), pa.timestamp("us"), mask=is_last)
    source, name = (pc.list_element(parts, part) for part in (0, 1))
    return pa.table([customers, source, name, stays["rule"], stays["match_probability"], stays["valid_from"], ends], schema=STAYS)


def columns_of(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)
