-- One row per order line version.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

stated as (
    select * from {{ all_sources('orders') }}
),

orders as (
    select * from {{ versions('stated', 'order_id') }} as versions
),

-- A line counts as long as the order version that has it: a line taken off the order goes with the older version.
lines as (
    select
        items.*,
        orders.superseded_at
    from {{ all_sources('order_items') }} as items
    inner join orders
        on
            items.order_id = orders.order_id
            and items.version_at = orders.version_at
            and items.known_at = orders.known_at
            and items.version_number = orders.version_number
),

linked as (
    select * from {{ linked('lines') }} as facts
),

-- A till knows its wares by sku alone. (Asked in the join, "no product id" would be folded to false in a shop whose lines all have one, and DuckDB
-- compare every line with every sku.)
skus as (
    select * from {{ ref('int_skus') }}
)

select
    linked.order_item_id,
    linked.order_id,
    linked.source,
    linked.customer_id,
    linked.occurred_at,
    linked.known_at,
    linked.superseded_at,
    -- A system with one number for both means the sku, where it is one.
    coalesce(case when linked.product_id = linked.sku then skus.product_id end, linked.product_id, skus.product_id) as product_id,
    linked.quantity,
    linked.unit_price,
    cast(linked.net_amount as decimal(18, 2)) as net_amount
from linked
left join skus on linked.sku = skus.sku and skus.known_at <= linked.known_at
