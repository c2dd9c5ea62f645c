"""Which customer each source record belongs to, and since when: a pure function of the records and the edges between them.

Edges are taken in the order in which they became known. When two clusters meet, the one with the later anchor joins the other: its records end
their stay there and begin one with the older customer. A customer's id derives from its cluster's anchor, the first record by (known_at,
record id), so that neither the order of runs nor of rows changes an id.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

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


def pseudonym(key: str, record_id: str) -> str:
    """The customer id of an anchor: keyed, so that nobody without the key can tell whose it is."""
    return "c" + hmac.new(key.encode(), record_id.encode(), hashlib.sha256).hexdigest()[:20]


def stays(records: pa.Table, edges: pa.Table, key: str) -> pa.Table:
    """The stays of every record.

    Args:
        records: record_id (source:source_customer_id), known_at (first); one row per record.
        edges: record_a, record_b, rule, match_probability, known_at; records that are the same person.
        key: the shop's pseudonym key.

    Returns:
        One row per record and stay (STAYS), `valid_to` null for the present one, ordered by record and time. `rule` is what brought the record
        to this customer ("first record" for the anchor itself).
    """
    known = dict(zip(records["record_id"].to_pylist(), records["known_at"].to_pylist(), strict=True))
    order = {record: place for place, record in enumerate(sorted(known, key=lambda record: (known[record], record)))}
    parent = {record: record for record in known}
    members: dict[str, list[str]] = {record: [record] for record in known}
    # Each record's stays so far: (anchor, rule, probability, valid_from).
    history: dict[str, list[tuple[str, str, float, datetime]]] = {
        record: [(record, "first record", 1.0, known[record])] for record in known
    }

    def anchor_of(record: str) -> str:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for first, second, rule, probability, at in in_order(edges, known):
        one, other = sorted((anchor_of(first), anchor_of(second)), key=order.__getitem__)
        if one == other:
            continue
        parent[other] = one
        moving = members.pop(other)
        members[one] += moving
        for record in moving:
            if history[record][-1][3] == at:
                # It never was with the other customer for any length of time.
                history[record].pop()
            history[record].append((one, rule, probability, at))
    return table(history, key)


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
    columns = list(zip(*rows, strict=True)) or [()] * len(STAYS)
    return pa.table([pa.array(list(column), field.type) for column, field in zip(columns, STAYS, strict=True)], schema=STAYS)


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


def in_order(edges: pa.Table, known: dict[str, datetime]) -> Sequence[tuple[str, str, str, float, datetime]]:
    """Edges by when both their records and the edge were known, then by name: a total order."""
    rows = edges.select(["record_a", "record_b", "rule", "match_probability", "known_at"]).to_pylist()
    timed = [(max(r["known_at"], known[r["record_a"]], known[r["record_b"]]), r["record_a"], r["record_b"], r["rule"], r) for r in rows]
    timed.sort(key=lambda row: row[:4])
    return [(a, b, rule, row["match_probability"], at) for at, a, b, rule, row in timed]


def table(history: dict[str, list[tuple[str, str, float, datetime]]], key: str) -> pa.Table:
    names = {anchor: pseudonym(key, anchor) for stays_of in history.values() for anchor, *_ in stays_of}
    rows = []
    for record in sorted(history):
        source, source_customer_id = record.split(":", 1)
        stays_of = history[record]
        ends = [start for *_, start in stays_of[1:]] + [None]
        for (anchor, rule, probability, start), end in zip(stays_of, ends, strict=True):
            rows.append((names[anchor], source, source_customer_id, rule, probability, start, end))
    columns = list(zip(*rows, strict=True)) or [()] * len(STAYS)
    return pa.table([pa.array(list(column), field.type) for column, field in zip(columns, STAYS, strict=True)], schema=STAYS)
