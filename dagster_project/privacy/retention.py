"""Who has been away for longer than the shop keeps people (shop.yaml: `retention`): they are erased as those who ask for it are."""

from datetime import datetime

from dagster_project.shop import Shop
from dagster_project.warehouse import Warehouse

# What a customer does; what is done to them (a mail sent, a consent asked for) keeps nobody.
SIGNS = {
    "fct_orders": "true",
    "fct_web_events": "true",
    "fct_account_events": "true",
    "fct_carts": "true",
    "fct_wishlist_items": "true",
    "fct_reviews": "true",
    "fct_email_events": "event in ('opened', 'clicked') and not is_machine",
}
INACTIVE = """
with
signs as (
    select customer_id, last_seen_at as seen_at from profile.dim_customers where valid_to is null
    {signs}
),
newest as (select customer_id, max(seen_at) as seen_at from signs where customer_id is not null group by customer_id)
select newest.customer_id, newest.seen_at from newest
inner join (select distinct customer_id from identity.customer_links where valid_to is null) as present using (customer_id)
where newest.seen_at < ?::timestamp - to_months(?) order by newest.seen_at, newest.customer_id
"""


def inactive(warehouse: Warehouse, shop: Shop, as_of: datetime) -> list[tuple[str, datetime]]:
    """The customers to be erased at a moment, the longest away first: id and last sign of them.

    Raises:
        ValueError: the shop says nothing of retention.
    """
    months = shop.retention.inactive_customers
    if months is None:
        raise ValueError(
            f"{shop.folder / 'shop.yaml'} says nothing of retention; for example: retention: {{inactive_customers: 36}} (months)."
        )
    signs = [
        f"union all select customer_id, occurred_at from profile.{table} where {counts}"
        for table, counts in SIGNS.items()
        if warehouse.exists(f"profile.{table}")
    ]
    return [(str(customer), at) for customer, at in warehouse.rows(INACTIVE.format(signs=" ".join(signs)), [as_of, months])]
