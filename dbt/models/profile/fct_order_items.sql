-- One row per order line version.
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
)

select
    order_item_id,
    order_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    product_id,
    quantity,
    unit_price,
    cast(net_amount as decimal(18, 2)) as net_amount
from linked
