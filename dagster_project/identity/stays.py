"""Which customer each source record belongs to, and since when: a pure function of the records, the edges between them and people's decisions.

People are found anew at each close of a day, from what was known by then: edges begin and end, and decisions come into force. All of the history
before the first close is seen with the eyes of that close. A customer's id derives from its anchor, the first of its records by (known_at, record
id), so neither the order of runs nor of rows changes an id; when two customers turn out one, the older id stays.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Positions, components
from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.link_lists import Decision, in_force
from dagster_project.identity.resolve import grouped, places_of
from dagster_project.identity.rules import Rule

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
BY_HAND = "linked by hand"
FIRST = "first record"
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
    decisions: Sequence[Decision],
    closing: Callable[[date], datetime],
    key: str,
    cut: float = CUT,
    stood: pa.Table | None = None,
) -> History:
    """The stays of the records, in the order of their ids.

    Args:
        records: record_id (source:source_customer_id), known_at (first); one row per record.
        edges: what `compare` found between them.
        rules: the exact rules, for those that no weight contradicts.
        closes: the moments at which people are found, ascending; the last is not before any record was known.
        decisions: what people decided; `closing` says from which moment a day's decisions are in force.
        key: the shop's pseudonym key.
        cut: the mean weight that a merge of two groups needs.
        stood: where records stood at the first of `closes` (STOOD), when only what changed since then is asked for; the records are then those
            whose customer may have changed, with all that hang together with them.
    """
    order = pc.sort_indices(records, [("known_at", "ascending"), ("record_id", "ascending")])
    ids = records["record_id"].take(order).combine_chunks()
    known = records["known_at"].take(order).to_numpy().astype("datetime64[us]")
    everyone = np.arange(len(ids), dtype=np.int64)
    at = _named(decisions, ids)
    left, right = places_of(edges["record_a"], ids), places_of(edges["record_b"], ids)
    moments = np.array(closes, dtype="datetime64[us]")
    came = np.searchsorted(moments, known)
    begins = np.searchsorted(moments, edges["known_at"].to_numpy().astype("datetime64[us]"))
    ends = np.searchsorted(moments, edges["known_until"].to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    ends[edges["known_until"].is_null().to_numpy(zero_copy_only=False)] = len(closes)
    strength = _strength(edges, rules)
    may_merge = can_merge(edges, cut)
    anchors, label, kept = everyone.copy(), everyone.copy(), np.full(len(ids), -1, dtype=np.int64)
    stays = [PLACED.empty_table()]
    log: list[tuple[datetime, str, int, int, int, str]] = []
    decided: dict[tuple[str, str], Decision] = {}
    if stood is not None:
        record, anchor, kin = (places_of(stood[column], ids) for column in ("record_id", "anchor", "kin"))
        anchors[record], label[record], kept[record] = anchor, kin, kin
        stays.append(_placed(record, anchor, *(stood[column] for column in PLACED.names[2:])))
        decided = {p: d for p, d in in_force(decisions, closes[0], closing).items() if p[0] in at and p[1] in at}
    for place, moment in list(enumerate(closes))[0 if stood is None else 1 :]:
        active = (begins <= place) & (place < ends)
        before, decided = decided, {p: d for p, d in in_force(decisions, moment, closing).items() if p[0] in at and p[1] in at}
        changed = [pair for pair in {*before, *decided} if before.get(pair) != decided.get(pair)]
        touched = np.zeros(len(ids), dtype=bool)
        touched[came == place] = True
        touched[[at[name] for pair in changed for name in pair]] = True
        must = [(at[one], at[other]) for (one, other), decision in decided.items() if decision.verdict == "link"]
        cannot = [(at[one], at[other]) for (one, other), decision in decided.items() if decision.verdict == "unlink"]
        # What hangs together: by an edge along which groups merge, a decision, or until now.
        hand_made = np.array(must, dtype=np.int64).reshape(-1, 2)
        tied = active & may_merge
        ties = [(left[tied], right[tied]), (hand_made[:, 0], hand_made[:, 1]), (everyone, anchors)]
        label = components(len(ids), *(np.concatenate([tie[side] for tie in ties]) for side in (0, 1)))
        # An edge that begins or ends speaks for or against a merge of those that hang together.
        stirred = ((begins == place) & active | (ends == place) & (begins < place)) & (may_merge | (label[left] == label[right]))
        touched[left[stirred]] = touched[right[stirred]] = True
        if not touched.any():
            continue
        inside = np.flatnonzero(np.isin(label, label[touched & (came <= place)]))
        found = _found(inside, len(ids), edges, left, right, active, rules, must, cannot, cut)
        moved = inside[found != anchors[inside]]
        old = anchors.copy()
        anchors[inside] = found
        which = np.union1d(moved, inside[came[inside] == place])
        best = _best_edges(which, anchors, left, right, active, strength)
        starts = np.where(came[which] == place, known[which], moments[place])
        stays.append(_placed(which, anchors[which], *_brought(which, anchors, best, edges, hand_made), starts))
        hand = {frozenset((at[one], at[other])): decision for (one, other), decision in decided.items()}
        grown = moved[came[moved] < place]
        log += [(moment, *row) for row in _changes(grown, old, anchors, came <= place, best, edges, hand, changed, at)]
    _, first, group = np.unique(label, return_index=True, return_inverse=True)
    return _history(ids, pa.concat_tables(stays), log, kept, first[group], key)


def _named(decisions: Sequence[Decision], ids: pa.Array) -> dict[str, int]:
    """The places of the records that decisions are about, of those that are here."""
    named = sorted({record for decision in decisions for record in decision.pair})
    places = places_of(pa.chunked_array([named], pa.string()), ids)
    return {record: place for record, place in zip(named, places.tolist(), strict=True) if place >= 0}


def _placed(record: Positions, anchor: Positions, rule: pa.ChunkedArray, probability: pa.ChunkedArray, start: Any) -> pa.Table:
    return pa.table([pa.array(record), pa.array(anchor), rule, probability, start], schema=PLACED)


def _history(
    ids: pa.Array, stays: pa.Table, log: list[tuple[datetime, str, int, int, int, str]], kept: Positions, kin: Positions, key: str
) -> History:
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
    return History(_stays(ids, stays, named), _columns(merged, MERGE_LOG), now)


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


def _strength(edges: pa.Table, rules: tuple[Rule, ...]) -> Positions:
    """The place of each edge by how much it says: rules in their order, then the model by weight."""
    names = pa.array([rule.name for rule in rules], pa.string())
    ranks = pc.fill_null(pc.index_in(edges["rule"], value_set=names), len(rules)).to_numpy()
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=0.0)
    places = np.empty(len(ranks), dtype=np.int64)
    places[np.lexsort((-weights, ranks))] = np.arange(len(ranks))
    return places


def can_merge(edges: pa.Table, cut: float) -> np.ndarray:
    """Which edges can make one customer of two (`clustering._neighbours`): exact ones, and weights that reach the cut."""
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=-np.inf)
    return np.asarray(pc.not_equal(edges["rule"], MODEL_RULE).to_numpy(zero_copy_only=False), dtype=bool) | (weights >= cut)


def _found(
    inside: Positions,
    records: int,
    edges: pa.Table,
    left: Positions,
    right: Positions,
    active: np.ndarray,
    rules: tuple[Rule, ...],
    must: list[tuple[int, int]],
    cannot: list[tuple[int, int]],
    cut: float,
) -> Positions:
    """The anchors of the records `inside`, clustered among themselves."""
    place = np.full(records, -1, dtype=np.int64)
    place[inside] = np.arange(len(inside))
    rows = np.flatnonzero(active & (place[left] >= 0) & (place[right] >= 0))
    joined, apart = ([(int(place[a]), int(place[b])) for a, b in listed if min(place[a], place[b]) >= 0] for listed in (must, cannot))
    among = edges.select(["rule", "match_weight"]).take(pa.array(rows))
    return inside[grouped(len(inside), among, place[left[rows]], place[right[rows]], rules, joined, apart, cut=cut)]


def _best_edges(
    records: Positions, anchors: Positions, left: Positions, right: Positions, active: np.ndarray, strength: Positions
) -> Positions:
    """For each record its strongest edge within its customer; -1 where there is none, and for those who are not among `records`."""
    wanted = np.zeros(len(anchors), dtype=bool)
    wanted[records] = True
    rows = np.flatnonzero(active & (anchors[left] == anchors[right]) & (wanted[left] | wanted[right]))
    rows = rows[np.argsort(strength[rows])]
    best = np.full(len(anchors), len(rows), dtype=np.int64)
    for side in (left, right):
        np.minimum.at(best, side[rows], np.arange(len(rows)))
    return np.where(wanted, np.append(rows, -1)[best], -1)


def _brought(records: Positions, anchors: Positions, best: Positions, edges: pa.Table, hand_made: Positions) -> tuple[Any, Any]:
    """What brought records to their customers: rule and probability."""
    is_first = anchors[records] == records
    by_edge = pa.array(best[records], mask=is_first | np.isin(records, hand_made) | (best[records] < 0))
    rule = pc.coalesce(edges["rule"].take(by_edge), pc.if_else(pa.array(is_first), FIRST, BY_HAND))
    return rule, pc.fill_null(edges["match_probability"].take(by_edge), 1.0)


def _changes(
    moved: Positions,
    old: Positions,
    new: Positions,
    is_here: np.ndarray,
    best: Positions,
    edges: pa.Table,
    hand: dict[frozenset[int], Decision],
    changed: list[tuple[str, str]],
    at: dict[str, int],
) -> list[tuple[str, int, int, int, str]]:
    """Kind, from, to, records and why, one row per two customers between whom records moved."""
    rows = []
    left_over = np.bincount(new[is_here], minlength=len(new))
    groups: dict[tuple[int, int], list[int]] = {}
    for record in moved.tolist():
        groups.setdefault((int(old[record]), int(new[record])), []).append(record)
    for (source, target), records in sorted(groups.items()):
        left_behind = bool(left_over[source])
        kind = "split" if left_behind else "merged"
        decisions = [hand.get(frozenset((at[one], at[other]))) for one, other in changed]
        verdict = "unlink" if left_behind else "link"
        said = [d for d in decisions if d and d.verdict == verdict and ({at[d.record_a], at[d.record_b]} & set(records))]
        if said:
            because = f"{said[0].verdict}ed by {said[0].by}: {said[0].why}"
        elif left_behind:
            because = "what linked them is shared by too many, or speaks against it now"
        else:
            linking = [int(best[record]) for record in records if best[record] >= 0]
            because = edges["rule"][min(linking)].as_py() if linking else BY_HAND
            because = "alike in names and details" if because == MODEL_RULE else because
        rows.append((kind, source, target, len(records), because))
    return rows


def _columns(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def attach(found: pa.Table, attachments: pa.Table) -> pa.Table:
    """The stays of records that are no person (browsers, cards, bought-in rows), which belong to a customer only by what they share with one.

    Args:
        found: the stays of persons' records (STAYS).
        attachments: visitor, record_id, rule, match_probability, known_at; what ties a visitor to a person's record.

    Returns:
        One row per visitor and stay (STAYS). A visitor is a customer's for as long as all its ties lead to that one customer: a browser that two
        people use is nobody's, until they turn out one. A visitor without ties has no row.
    """
    whole: dict[str, list[tuple[str, datetime, datetime | None]]] = {}
    names = pc.binary_join_element_wise(found["source"], found["source_customer_id"], ":")
    found = found.filter(pc.is_in(names, attachments["record_id"].combine_chunks()))
    for row in found.select(["customer_id", "source", "source_customer_id", "valid_from", "valid_to"]).to_pylist():
        whole.setdefault(f"{row['source']}:{row['source_customer_id']}", []).append(
            (row["customer_id"], row["valid_from"], row["valid_to"])
        )
    ties: dict[str, list[tuple[datetime, str, str, float]]] = {}
    for row in attachments.select(["visitor", "record_id", "rule", "match_probability", "known_at"]).to_pylist():
        ties.setdefault(row["visitor"], []).append((row["known_at"], row["rule"], row["record_id"], row["match_probability"]))
    rows: list[tuple[object, ...]] = []
    for visitor in sorted(ties):
        source, source_customer_id = visitor.split(":", 1)
        for customer, rule, probability, start, end in stays_by_ties(sorted(ties[visitor]), whole):
            rows.append((customer, source, source_customer_id, rule, probability, start, end))
    return _columns(rows, STAYS)


def stays_by_ties(
    ties: list[tuple[datetime, str, str, float]], whole: dict[str, list[tuple[str, datetime, datetime | None]]]
) -> list[tuple[str, str, float, datetime, datetime | None]]:
    """A visitor's stays: customer, rule and probability of the tie that led there first, from, to."""
    spans = [
        (max(at, start), end, customer, rule, probability)
        for at, rule, record, probability in ties
        for customer, start, end in whole.get(record, [])
        if end is None or end > at
    ]
    moments = sorted({start for start, *_ in spans} | {end for _, end, *_ in spans if end is not None})
    found: list[tuple[str, str, float, datetime, datetime | None]] = []
    for moment, until in zip(moments, [*moments[1:], None], strict=True):
        here = [span for span in spans if span[0] <= moment and (span[1] is None or span[1] > moment)]
        if len({span[2] for span in here}) != 1:
            continue
        _, _, customer, rule, probability = min(here, key=lambda span: (span[0], span[3]))
        if found and found[-1][0] == customer and found[-1][4] == moment:
            found[-1] = (*found[-1][:4], until)
        else:
            found.append((customer, rule, probability, moment, until))
    return found
