"""How well the demo shop's customers are its people: pairs of records, the pipeline's links against the truth that the simulator wrote apart.

    python -m benchmarks.demo_identity [--shop demo] [--json]

Reads a store that `dearly demo` built. `exact` is what the exact rules alone would have linked, `goal` what is asked of ours.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from benchmarks.identity import score
from dagster_project.settings import load
from dagster_project.warehouse import Warehouse

Results = dict[str, dict[str, float]]
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


def report(
    name: str, told: str | None, measure: Callable[[Warehouse, str], Results], lines: Callable[[Results], Iterator[str]]
) -> Results | None:
    """Measure a store beside the truth that the simulator wrote, and print lines, or JSON with `--json`; None when nothing is built."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=told, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shop", default="demo")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args()
    settings = load(shop=chosen.shop)
    truth = settings.store / "raw" / "truth"
    if not settings.warehouse.exists() or not truth.is_dir():
        print(f"{name}: {settings.store} holds no shop with its truth; `dearly demo` makes one.", file=sys.stderr)
        return None
    results = measure(Warehouse.of(settings), str(truth))
    print(json.dumps(results) if chosen.as_json else "\n".join(lines(results)))
    return results


def table(results: Results) -> Iterator[str]:
    for name, row in results.items():
        yield f"{name:6}" + "".join(f"  {measure} {value:.4f}" for measure, value in row.items())
    yield "goal  " + "".join(f"  {measure} {value:.2f}" for measure, value in GOAL.items())


def main() -> int:
    """Print the table; 1 when a goal is missed, 2 when nothing is built."""
    results = report("benchmarks.demo_identity", __doc__, measured, table)
    if results is None:
        return 2
    return int(any(results["ours"][measure] < value for measure, value in GOAL.items()))


if __name__ == "__main__":
    raise SystemExit(main())
