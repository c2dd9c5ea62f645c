"""How well the demo shop's customers are its people: pairs of records, the pipeline's links against the truth that the simulator wrote apart.

    python -m benchmarks.demo_identity [--shop demo] [--json]

Reads a store that `dearly demo` built. `exact` is what the exact rules alone would have linked, `goal` what models.md asks for.
"""

import argparse
import json
import sys

from benchmarks.identity import score
from dagster_project.settings import load
from dagster_project.warehouse import Warehouse

GOAL = {"pair_precision": 0.99, "pair_recall": 0.95}

# A guest's order is a record of its address; receipts and consents are no persons' records.
TRUTH = """
select system || ':' || source_record_id as record_id, person_id from '{truth}/people.parquet' where "table" not in ('orders', 'receipts')
union
select 'shopify:' || orders.source_customer_id, people.person_id
from '{truth}/people.parquet' as people
inner join staging.stg_shopify__orders as orders on people."table" = 'orders' and people.source_record_id = orders.order_id
where orders.source_customer_id like 'guest:%'
"""
LINKS = "select source || ':' || source_customer_id, customer_id from identity.customer_links where valid_to is null"
EDGES = "select record_a, record_b from identity.edges where known_until is null and match_weight is null"


def joined(records: list[str], pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Connected components of the pairs."""
    parent = {record: record for record in records}

    def root(record: str) -> str:
        while parent.setdefault(record, record) != record:
            parent[record] = parent.setdefault(parent[record], parent[record])
            record = parent[record]
        return record

    for one, other in pairs:
        parent[root(one)] = root(other)
    return {record: root(record) for record in records}


def measured(warehouse: Warehouse, truth: str) -> dict[str, dict[str, float]]:
    """Pair and exact-cluster precision, recall and F1 of the links and of the exact rules."""
    owners: dict[str, list[str]] = {}
    for record, person in warehouse.rows(TRUTH.format(truth=truth)):
        owners.setdefault(record, []).append(person)
    # An address that two people ordered under as guests is one record of two: nobody can be right about it.
    links = dict(warehouse.rows(LINKS))
    true = {record: people[0] for record, people in owners.items() if len(people) == 1 and record in links}
    exact = joined(list(true), [(one, other) for one, other in warehouse.rows(EDGES)])
    return {"ours": score({record: links[record] for record in true}, true), "exact": score(exact, true)}


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or JSON with `--json`; 1 when a goal is missed, 2 when nothing is built."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo_identity", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--shop", default="demo")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args(arguments)
    settings = load(shop=chosen.shop)
    truth = settings.store / "raw" / "truth"
    if not settings.warehouse.exists() or not truth.is_dir():
        print(f"benchmarks.demo_identity: {settings.store} holds no shop with its truth; `dearly demo` makes one.", file=sys.stderr)
        return 2
    results = measured(Warehouse(settings.warehouse, settings.threads), str(truth))
    if chosen.as_json:
        print(json.dumps(results))
    else:
        for name, row in results.items():
            print(f"{name:6}" + "".join(f"  {measure} {value:.4f}" for measure, value in row.items()))
        print("goal  " + "".join(f"  {measure} {value:.2f}" for measure, value in GOAL.items()))
    return int(any(results["ours"][measure] < value for measure, value in GOAL.items()))


if __name__ == "__main__":
    raise SystemExit(main())
