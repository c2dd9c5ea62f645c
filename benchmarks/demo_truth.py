"""What the pipeline finds of what the demo shop's simulator planted and wrote apart: who stays, what they are worth, what they like and when.

    python -m benchmarks.demo_truth [--shop demo] [--json]

Reads the newest day of a store that `dearly demo` built. Each line is beside the plain rule that most shops use, on the same customers. A
customer is the person that most of their records are of.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.demo_identity import TRUTH, Results, report
from dagster_project.warehouse import Warehouse
from ml.validation import auc, spearman

Vector = NDArray[np.float64]
Measured = dict[str, float]

PEOPLE = """
create temp table found as
with records as ({truth}),
newest as (select max(as_of) as as_of from scores.customer_scores),
people as (
    select links.customer_id, records.person_id, count(*) as times
    from identity.customer_links as links
    inner join records on concat(links.source, ':', links.source_customer_id) = records.record_id
    where links.valid_to is null
    group by links.customer_id, records.person_id
    qualify row_number() over (partition by links.customer_id order by times desc, records.person_id) = 1
)
select scores.*, features.* exclude (as_of, customer_id, favourite_category, click_rate, open_rate), people.person_id,
    features.favourite_category as found_category, features.click_rate as clicked_rate, planted.* exclude (person_id)
from scores.customer_scores as scores
inner join newest using (as_of)
inner join features.customer_features as features using (as_of, customer_id)
inner join people using (customer_id)
inner join '{folder}/customers.parquet' as planted using (person_id)
"""
# Finding → measure, what is so, ours, and the plain rule.
RANKINGS = {
    "churn: no purchase in 90 days (AUC)": (auc, "purchases_next_90d = 0", "churn_probability", "recency_days"),
    "value: net of the next year (Spearman)": (spearman, "net_cents_next_365d", "clv_365d_amount", "net_amount"),
    "purchase in 30 days (AUC)": (auc, "purchases_next_30d > 0", "purchase_30d_probability", "-recency_days"),
    "first purchase in 30 days (AUC)": (auc, "purchases_next_30d > 0", "first_purchase_probability", "-coalesce(visit_recency_days, 999)"),
    # Whoever left opens less than the rate that was planted: only of active people is it the truth of today.
    "clicks of a mail, of active people (Spearman)": (
        spearman,
        "open_rate * click_rate",
        "case when active_at_end then click_probability end",
        "coalesce(clicked_rate, 0)",
    ),
}
# Finding → when ours is right, when the plain rule is, and for whom.
HITS = {
    "favourite category, of three orders or more (share right)": (
        "found_category = favourite_category",
        "favourite_category = (select mode(found_category) from found)",
        "orders_count >= 3 and found_category is not null",
    ),
    "best hour for mails, within two hours (share right)": (
        "least(abs(best_send_hour - best_hour), 24 - abs(best_send_hour - best_hour)) <= 2",
        "least(abs(usual - best_hour), 24 - abs(usual - best_hour)) <= 2",
        "best_send_hour is not null",
    ),
}
NEXT_ORDER = """
select datediff('day', as_of, next_purchase_at) as waited, datediff('day', as_of, next_order_date) as told,
    datediff('day', as_of, next_order_low) as low, datediff('day', as_of, next_order_high) as high,
    greatest(gap_mean_days - recency_days, 0) as by_gap
from found where next_order_date is not null
"""
CYCLES = """
with due as (
    select lists.customer_id, products.category
    from scores.customer_recommendations as lists
    inner join (select max(as_of) as as_of from scores.customer_scores) using (as_of)
    inner join scores.recommendable_products as products using (as_of, product_id)
    where lists.strategy = ? and lists.rank = 1
)
select avg((due.category = found.cycle_category)::int), count(*) from due inner join found using (customer_id)
where found.cycle_category is not null and found.active_at_end
"""


def measured(warehouse: Warehouse, folder: str) -> dict[str, Measured]:
    """Per finding: ours, the plain rule, and how many customers."""
    results: dict[str, Measured] = {}
    with warehouse.session():
        with warehouse.connect() as connection:
            connection.execute(PEOPLE.format(truth=TRUTH.format(truth=folder), folder=folder))
        for name, (measure, truth, ours, plain) in RANKINGS.items():
            columns = warehouse.read(
                f"select ({truth})::double as truth, ({ours})::double as ours, coalesce({plain}, 0)::double as plain from found where ({ours}) is not null order by customer_id"
            )
            truth_, ours_, plain_ = (np.asarray(columns[one], dtype=np.float64) for one in ("truth", "ours", "plain"))
            results[name] = {"ours": measure(truth_, ours_), "plain": measure(truth_, plain_), "customers": float(len(truth_))}
        for name, (right, plain, whom) in HITS.items():
            ((ours, by_rule, count),) = warehouse.rows(
                f"select avg(({right})::int), avg(({plain})::int), count(*) from (select *, (select mode(best_hour) from found) as usual from found) where {whom}"
            )
            results[name] = {"ours": ours, "plain": by_rule, "customers": count}
        results |= next_orders(warehouse)
        ((trending, _),) = warehouse.rows(CYCLES, ["trending"])
        for strategy in ("for_you", "bought_again"):
            ((hits, count),) = warehouse.rows(CYCLES, [strategy])
            results[f"cycles: {strategy} begins with the planted one (share)"] = {"ours": hits, "plain": trending, "customers": count}
    return results


def next_orders(warehouse: Warehouse) -> dict[str, Measured]:
    """Of customers with a date who do order: the median miss in days, and how often the range holds the day (.8 is meant, of all orders)."""
    told = warehouse.read(NEXT_ORDER)
    waited, date, low, high, by_gap = (
        np.asarray(told[name].to_numpy(zero_copy_only=False), dtype=np.float64) for name in ("waited", "told", "low", "high", "by_gap")
    )
    came = ~np.isnan(waited)

    def miss(said: Vector) -> float:
        return float(np.nanmedian(np.abs(said - waited)[came]))

    held = np.where(came, (waited >= low) & (waited <= high), False)
    return {
        "next order: median miss in days, against the mean gap": {
            "ours": miss(date),
            "plain": miss(by_gap),
            "customers": float(came.sum()),
        },
        "next order: median miss in days, against the best constant": {
            "ours": miss(date),
            "plain": miss(np.full(len(waited), np.nanmedian(waited))),
            "customers": float(came.sum()),
        },
        "next order: the 80 % range holds the day (share)": {"ours": float(held.mean()), "plain": 0.8, "customers": float(len(waited))},
    }


def table(results: Results) -> Iterator[str]:
    for name, row in results.items():
        yield f"{name:62} ours {row['ours']:7.3f}   plain rule {row['plain']:7.3f}   of {row['customers']:,.0f}"


def main() -> int:
    """Print the table; 2 when nothing is built."""
    return 0 if report("benchmarks.demo_truth", __doc__, measured, table) else 2


if __name__ == "__main__":
    raise SystemExit(main())
