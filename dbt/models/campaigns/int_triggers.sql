-- One row per as_of, trigger and customer: the newest event of its kind that starts a journey.
{{ config(materialized='ephemeral') }}
with

carts as (
    select
        as_of,
        customer_id,
        occurred_at,
        completed_at,
        row_number() over (partition by as_of, customer_id order by occurred_at desc, cart_id desc) as recency
    from {{ known(ref('fct_carts')) }} as carts
    where customer_id is not null
),

orders as (
    select
        as_of,
        customer_id,
        max(occurred_at) as last_order_at
    from {{ known(ref('fct_orders')) }} as orders
    where customer_id is not null
    group by as_of, customer_id
)

select
    carts.as_of,
    'cart_abandoned' as trigger,
    carts.customer_id,
    carts.occurred_at as began_at,
    carts.completed_at is null and (orders.last_order_at is null or orders.last_order_at < carts.occurred_at) as is_open
from carts
left join orders on carts.as_of = orders.as_of and carts.customer_id = orders.customer_id
where carts.recency = 1
