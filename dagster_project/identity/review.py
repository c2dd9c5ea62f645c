"""Clerical review: customers who may be one person, for somebody to decide.

A row is two customers, told by their likeliest pair of records. Where one may be any of several (a guest at a shared mailbox), the rows are a case:
`customer_id` is that one, `candidate_id` each of the others, `place` 1 the likeliest. What somebody unlinked is not asked again.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.weighing import KEEP_WEIGHT
from dagster_project.warehouse import Warehouse

# Pairs kept apart are listed from this weight on: a relative weighs less, a typo too many weighs more.
REVIEW_WEIGHT = KEEP_WEIGHT
LIKELIEST = "is_exact desc, match_weight desc nulls last, record_a, record_b, rule, known_at"

# Records of two customers between which something says "one person". An anti join of equal anchors: asked for different ones, DuckDB may join all
# records with all others first.
APART = """
with stood as (
    select edges.*, l.anchor as anchor_a
    from identity.edges as edges
    inner join identity.stood as l on edges.record_a = l.record_id
    where edges.known_until is null
)
select stood.*
from stood
anti join identity.stood as r on stood.record_b = r.record_id and stood.anchor_a = r.anchor
"""
REVIEW = f"""
with customers as (
    select source || ':' || source_customer_id as anchor, customer_id from identity.stays where valid_to is null
),
decided as (
    select least(l.anchor, r.anchor) as one, greatest(l.anchor, r.anchor) as other
    from unlinked
    inner join identity.stood as l on unlinked.record_a = l.record_id
    inner join identity.stood as r on unlinked.record_b = r.record_id
),
near as (
    select
        apart.* exclude (anchor_a),
        apart.rule <> '{MODEL_RULE}' as is_exact,
        least(anchor_a, r.anchor) as one,
        greatest(anchor_a, r.anchor) as other
    from ({APART}) as apart
    inner join identity.stood as r on apart.record_b = r.record_id
    where apart.rule <> '{MODEL_RULE}' or apart.match_weight >= {REVIEW_WEIGHT}
),
of_two as (
    select *, count(distinct (record_a, record_b)) over (partition by one, other) as pairs
    from near
    anti join decided using (one, other)
    qualify row_number() over (partition by one, other order by {LIKELIEST}) = 1
),
counted as (
    select anchor, count(*) as others
    from (select one as anchor from of_two union all select other as anchor from of_two)
    group by anchor
),
cases as (
    select of_two.*, if(r.others > l.others, other, one) as asked, if(r.others > l.others, one, other) as candidate
    from of_two
    inner join counted as l on one = l.anchor
    inner join counted as r on other = r.anchor
)
select
    asked_of.customer_id,
    candidates.customer_id as candidate_id,
    row_number() over (partition by asked order by {LIKELIEST}) as place,
    count(*) over (partition by asked) as candidates,
    pairs,
    cases.* exclude (is_exact, one, other, pairs, asked, candidate),
    if(is_exact, 'a rule says one person, and something speaks against it', 'near, and not near enough') as reason
from cases
inner join customers as asked_of on asked = asked_of.anchor
inner join customers as candidates on candidate = candidates.anchor
order by {LIKELIEST}
"""
CASES = f"""
select customer_id, candidate_id, reason, match_weight, candidates
from identity.clerical_review
where place = 1
order by rule <> '{MODEL_RULE}' desc, match_weight desc nulls last, record_a, record_b
"""


def review_of(connection: duckdb.DuckDBPyConnection, unlinked: Sequence[tuple[str, str]]) -> pa.Table:
    """Who may be one person and is two customers, the likeliest first, from the store's edges and where records stand now."""
    pairs = {name: pa.array([pair[place] for pair in unlinked], pa.string()) for place, name in enumerate(("record_a", "record_b"))}
    connection.register("unlinked", pa.table(pairs))
    return connection.execute(REVIEW).to_arrow_table()


def cases(warehouse: Warehouse) -> list[tuple[str, str, str, float | None, int]] | None:
    """A row per case, the likeliest first: customer, likeliest candidate, reason, weight (log2; None by rule), candidates. None where nothing is
    linked yet."""
    if not warehouse.exists("identity.clerical_review"):
        return None
    return [(str(a), str(b), str(reason), weight, int(candidates)) for a, b, reason, weight, candidates in warehouse.rows(CASES)]
