"""People found at each close of the store: of a day's records only those whose customer they could change.

edges, decisions -> identity.stays, identity.merge_log, identity.stood
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import components
from dagster_project.identity.comparing import edges_of
from dagster_project.identity.link_lists import Decisions
from dagster_project.identity.statements import SHOP_CUT, SHOP_RULES
from dagster_project.identity.stays import history
from dagster_project.identity.ties import can_merge
from dagster_project.warehouse import exists

# What `history` reads of an edge.
TOLD_BY = "record_a, record_b, rule, match_probability, known_at, known_until, match_weight"
PERSONS = "select owner as record_id, min(known_at) as known_at from identity.normalised {among} group by owner"


def find_people(
    connection: duckdb.DuckDBPyConnection,
    closed: datetime | None,
    closes: Sequence[datetime],
    decisions: Decisions,
    key: str,
) -> None:
    """Tables `stays`, `merge_log` and `stood` of schema `identity`, brought from the close `closed` to the last of `closes`.

    Where the three are not there yet, from the first close on; else only for the records in temp table `touched`, those that newer decisions are
    about, and all that hang together with them.
    """
    if not exists(connection, "identity.stood"):
        persons = connection.execute(PERSONS.format(among="")).to_arrow_table()
        found = history(persons, edges_of(connection, columns=TOLD_BY), SHOP_RULES, closes, decisions, key, SHOP_CUT)
        for table, rows in (("stays", found.stays), ("merge_log", found.merge_log), ("stood", found.stood)):
            connection.register("incoming", rows)
            connection.execute(f"create table identity.{table} as select * from incoming")
        return
    assert closed is not None
    hanging_together(connection, decisions.records_after(closed), [decision.pair for decision in decisions.made])
    persons = connection.execute(PERSONS.format(among="semi join around on normalised.owner = around.record_id")).to_arrow_table()
    stood = connection.execute("select stood.* from identity.stood as stood semi join around using (record_id)").to_arrow_table()
    edges = edges_of(connection, "around", columns=TOLD_BY)
    ahead = [close for close in closes if close >= closed]
    found = history(persons, edges, SHOP_RULES, ahead, decisions, key, SHOP_CUT, stood)
    connection.register("new_stays", found.stays)
    connection.register("new_log", found.merge_log)
    connection.register("new_stood", found.stood)
    connection.execute(FOUND_ANEW)


def hanging_together(connection: duckdb.DuckDBPyConnection, newer: Sequence[str], decided: Sequence[tuple[str, str]]) -> None:
    """Write temp table `around`: the records whose customer could change with the edges of those in temp table `touched` or with decisions about
    those in `newer`. They are all that hung together with them at the last close (`kin`), and with whom an edge along which groups merge or one
    of the pairs `decided` ties them now."""
    connection.register("newer_records", pa.table({"record_id": pa.array(newer, pa.string())}))
    pairs = [pa.array([pair[side] for pair in decided], pa.string()) for side in (0, 1)]
    connection.register("decided_pairs", pa.table(pairs, names=["record_a", "record_b"]))
    met = connection.execute(MET).to_arrow_table()
    met = met.filter(pc.or_(pc.is_null(met["rule"]), pa.array(can_merge(met, SHOP_CUT))))
    ends = pa.chunked_array([*met["kin_a"].chunks, *met["kin_b"].chunks], pa.string()).combine_chunks().dictionary_encode()
    left, right = np.split(ends.indices.to_numpy(), 2)
    label = components(len(ends.dictionary), left, right)
    seeds = left[met["is_seed"].to_numpy(zero_copy_only=False)]
    reached = np.flatnonzero(np.isin(label, label[seeds]))
    connection.register("reached", pa.table({"kin": ends.dictionary.take(pa.array(reached))}))
    connection.execute(AROUND)


# The kin on both sides of what may tie them now; a record that is not stood yet is its own. A seed is a pair with itself. An edge that was there
# before ties records that are kin already.
MET = """
with
seeds as (select record_id from touched union select record_id from newer_records),
pairs as (
    select record_a, record_b, rule, match_weight, false as is_seed from appeared
    union all
    select record_a, record_b, null, null, false from decided_pairs
    union all
    select record_id, record_id, null, null, true from seeds
),
met as materialized (select record_a as record_id from pairs union select record_b from pairs),
stood as materialized (select stood.record_id, stood.kin from identity.stood as stood semi join met using (record_id))
select pairs.rule, pairs.match_weight, pairs.is_seed, coalesce(l.kin, pairs.record_a) as kin_a, coalesce(r.kin, pairs.record_b) as kin_b
from pairs
left join stood as l on pairs.record_a = l.record_id
left join stood as r on pairs.record_b = r.record_id
"""
AROUND = """
create or replace temp table around as
select stood.record_id from identity.stood as stood semi join reached using (kin)
union
select record_id from touched
"""
FOUND_ANEW = """
delete from identity.stays where valid_to is null and source || ':' || source_customer_id in (select source || ':' || source_customer_id from new_stays);
insert into identity.stays select * from new_stays;
insert into identity.merge_log select * from new_log;
delete from identity.stood where record_id in (select record_id from new_stood);
insert into identity.stood select * from new_stood
"""
