"""Which customer each source record belongs to, and since when: a pure function of the records, the edges between them and people's decisions.

People are found anew at each close of a day, from what was known by then: edges begin and end, and decisions come into force. All of the history
before the first close is seen with the eyes of that close. A customer's id derives from its anchor, the first of its records by (known_at, record
id), so neither the order of runs nor of rows changes an id; when two customers turn out one, the older id stays.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

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
# A record's stay: (anchor's position, rule, probability, valid_from).
Stay = tuple[int, str, float, datetime]


@dataclass(frozen=True)
class History:
    """Stays of persons' records (STAYS), the customers that became one or two (MERGE_LOG), and where the records stand at the last close (STOOD,
    ordered like the records): of all records, or of those for whom something changed since they stood."""

    stays: pa.Table
    merge_log: pa.Table
    stood: pa.Table


def pseudonym(key: str, record_id: str) -> str:
    """The customer id of an anchor: keyed, so that nobody without the key can tell whose it is."""
    return "c" + hmac.new(key.encode(), record_id.encode(), hashlib.sha256).hexdigest()[:20]


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
    ordered = sorted(zip(records["known_at"].to_pylist(), records["record_id"].to_pylist(), strict=True))
    names = [name for _, name in ordered]
    known = [at for at, _ in ordered]
    at = {name: place for place, name in enumerate(names)}
    ids = pa.array(names, pa.string())
    left, right = places_of(edges["record_a"], ids), places_of(edges["record_b"], ids)
    moments = np.array(closes, dtype="datetime64[us]")
    came = np.searchsorted(moments, np.array(known, dtype="datetime64[us]"))
    begins = np.searchsorted(moments, edges["known_at"].to_numpy().astype("datetime64[us]"))
    ends = np.searchsorted(moments, edges["known_until"].to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    ends[edges["known_until"].is_null().to_numpy(zero_copy_only=False)] = len(closes)
    strength = _strength(edges, rules)
    may_merge = can_merge(edges, cut)
    anchors, label = np.arange(len(names), dtype=np.int64), np.arange(len(names), dtype=np.int64)
    stays: list[list[Stay]] = [[] for _ in names]
    kept: dict[int, str] = {}
    log: list[tuple[datetime, str, int, int, int, str]] = []
    decided: dict[tuple[str, str], Decision] = {}
    if stood is not None:
        for row in stood.to_pylist():
            record, anchor = at[row["record_id"]], at[row["anchor"]]
            anchors[record], label[record] = anchor, at[row["kin"]]
            stays[record].append((anchor, row["rule"], row["match_probability"], row["valid_from"]))
            kept[record] = row["kin"]
        decided = {p: d for p, d in in_force(decisions, closes[0], closing).items() if p[0] in at and p[1] in at}
    for place, moment in list(enumerate(closes))[0 if stood is None else 1 :]:
        active = (begins <= place) & (place < ends)
        before, decided = decided, {p: d for p, d in in_force(decisions, moment, closing).items() if p[0] in at and p[1] in at}
        changed = [pair for pair in {*before, *decided} if before.get(pair) != decided.get(pair)]
        touched = np.zeros(len(names), dtype=bool)
        touched[came == place] = True
        touched[[at[name] for pair in changed for name in pair]] = True
        must = [(at[one], at[other]) for (one, other), decision in decided.items() if decision.verdict == "link"]
        cannot = [(at[one], at[other]) for (one, other), decision in decided.items() if decision.verdict == "unlink"]
        # What hangs together: by an edge along which groups merge, a decision, or until now.
        hand_made = np.array(must, dtype=np.int64).reshape(-1, 2)
        tied = active & may_merge
        ties = [(left[tied], right[tied]), (hand_made[:, 0], hand_made[:, 1]), (np.arange(len(names)), anchors)]
        label = components(len(names), *(np.concatenate([tie[side] for tie in ties]) for side in (0, 1)))
        # An edge that begins or ends speaks for or against a merge of those that hang together.
        stirred = ((begins == place) & active | (ends == place) & (begins < place)) & (may_merge | (label[left] == label[right]))
        touched[left[stirred]] = touched[right[stirred]] = True
        if not touched.any():
            continue
        inside = np.flatnonzero(np.isin(label, label[touched & (came <= place)]))
        found = _found(inside, edges, left, right, active, rules, must, cannot, cut)
        moved = inside[found != anchors[inside]]
        old = anchors.copy()
        anchors[inside] = found
        fresh = inside[came[inside] == place]
        best = _best_edges(np.union1d(moved, fresh), anchors, left, right, active, strength)
        hand = {frozenset((at[one], at[other])): decision for (one, other), decision in decided.items()}
        for record in np.union1d(moved, fresh).tolist():
            start = known[record] if came[record] == place else moment
            rule, probability = _brought(record, int(anchors[record]), best, edges, hand)
            stays[record].append((int(anchors[record]), rule, probability, start))
        grown = moved[came[moved] < place]
        log += [(moment, *row) for row in _changes(grown, old, anchors, came <= place, best, edges, hand, changed, at)]
    moved_or_new = [record for record in range(len(names)) if record not in kept or len(stays[record]) > 1]
    customers = {anchor: pseudonym(key, names[anchor]) for record in moved_or_new for anchor, *_ in stays[record]}
    merged = [(when, kind, customers[one], customers[other], count, because) for when, kind, one, other, count, because in log]
    _, first, which = np.unique(label, return_index=True, return_inverse=True)
    kin = first[which]
    differing = sorted({*moved_or_new, *(record for record, one in kept.items() if one != names[kin[record]])})
    now = [(names[record], names[stays[record][-1][0]], *stays[record][-1][1:], names[kin[record]]) for record in differing]
    return History(
        _table({names[record]: stays[record] for record in moved_or_new}, customers), _columns(merged, MERGE_LOG), _columns(now, STOOD)
    )


def _strength(edges: pa.Table, rules: tuple[Rule, ...]) -> Positions:
    """The place of each edge by how much it says: rules in their order, then the model by weight."""
    rank = {rule.name: number for number, rule in enumerate(rules)}
    ranks = np.array([rank.get(rule, len(rank)) for rule in edges["rule"].to_pylist()], dtype=np.int64)
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=0.0)
    order = np.lexsort((np.arange(len(ranks)), -weights, ranks))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places


def can_merge(edges: pa.Table, cut: float) -> np.ndarray:
    """Which edges can make one customer of two (`clustering._neighbours`): exact ones, and weights that reach the cut."""
    weights = np.nan_to_num(edges["match_weight"].to_numpy(zero_copy_only=False).astype(np.float64), nan=-np.inf)
    return np.asarray(pc.not_equal(edges["rule"], MODEL_RULE).to_numpy(zero_copy_only=False), dtype=bool) | (weights >= cut)


def _found(
    inside: Positions,
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
    place = np.full(max(int(inside.max()) + 1, len(left) and int(max(left.max(), right.max())) + 1), -1, dtype=np.int64)
    place[inside] = np.arange(len(inside))
    rows = np.flatnonzero(active & (place[left] >= 0) & (place[right] >= 0))
    local = {int(record): number for number, record in enumerate(inside)}
    joined, apart = ([(local[a], local[b]) for a, b in listed if a in local and b in local] for listed in (must, cannot))
    return inside[grouped(len(inside), edges.take(pa.array(rows)), place[left[rows]], place[right[rows]], rules, joined, apart, cut=cut)]


def _best_edges(
    records: Positions, anchors: Positions, left: Positions, right: Positions, active: np.ndarray, strength: Positions
) -> dict[int, int]:
    """For each record its strongest edge within its customer."""
    wanted = np.zeros(len(anchors), dtype=bool)
    wanted[records] = True
    rows = np.flatnonzero(active & (anchors[left] == anchors[right]) & (wanted[left] | wanted[right]))
    best: dict[int, int] = {}
    for row in rows[np.argsort(-strength[rows])].tolist():
        for record in (int(left[row]), int(right[row])):
            if wanted[record]:
                best[record] = row
    return best


def _brought(record: int, anchor: int, best: dict[int, int], edges: pa.Table, hand: dict[frozenset[int], Decision]) -> tuple[str, float]:
    """What brought a record to its customer: rule and probability."""
    if record == anchor:
        return FIRST, 1.0
    if any(decision.verdict == "link" and record in pair for pair, decision in hand.items()):
        return BY_HAND, 1.0
    if record not in best:
        return BY_HAND, 1.0
    row = best[record]
    return edges["rule"][row].as_py(), edges["match_probability"][row].as_py()


def _changes(
    moved: Positions,
    old: Positions,
    new: Positions,
    is_here: np.ndarray,
    best: dict[int, int],
    edges: pa.Table,
    hand: dict[frozenset[int], Decision],
    changed: list[tuple[str, str]],
    at: dict[str, int],
) -> list[tuple[str, int, int, int, str]]:
    """Kind, from, to, records and why, one row per two customers between whom records moved."""
    rows = []
    groups: dict[tuple[int, int], list[int]] = {}
    for record in moved.tolist():
        groups.setdefault((int(old[record]), int(new[record])), []).append(record)
    for (source, target), records in sorted(groups.items()):
        left_behind = bool((is_here & (new == source)).any())
        kind = "split" if left_behind else "merged"
        decisions = [hand.get(frozenset((at[one], at[other]))) for one, other in changed]
        verdict = "unlink" if left_behind else "link"
        said = [d for d in decisions if d and d.verdict == verdict and ({at[d.record_a], at[d.record_b]} & set(records))]
        if said:
            because = f"{said[0].verdict}ed by {said[0].by}: {said[0].why}"
        elif left_behind:
            because = "what linked them is shared by too many, or speaks against it now"
        else:
            linking = [best[record] for record in records if record in best]
            because = edges["rule"][min(linking)].as_py() if linking else BY_HAND
            because = "alike in names and details" if because == MODEL_RULE else because
        rows.append((kind, source, target, len(records), because))
    return rows


def _table(stays: dict[str, list[Stay]], ids: dict[int, str]) -> pa.Table:
    rows: list[tuple[object, ...]] = []
    for name, of_record in sorted(stays.items()):
        source, source_customer_id = name.split(":", 1)
        ends = [start for *_, start in of_record[1:]] + [None]
        for (anchor, rule, probability, start), end in zip(of_record, ends, strict=True):
            rows.append((ids[anchor], source, source_customer_id, rule, probability, start, end))
    return _columns(rows, STAYS)


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
