"""Which customer a browser, a loyalty card or a bought-in row belongs to: the one that all its ties lead to."""

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.stays import STAYS, columns_of


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
    return columns_of(rows, STAYS)


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
