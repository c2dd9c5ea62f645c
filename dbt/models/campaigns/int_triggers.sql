-- One row per as_of, trigger, customer and moment of an event that can start a journey.
{{ config(materialized='ephemeral') }}
with

carts as (
    select
        as_of,
        customer_id,
        occurred_at,
        completed_at,
        occurred_at = max(occurred_at) over (partition by as_of, customer_id) as is_newest
    from {{ known(ref('fct_carts')) }} as carts
    where customer_id is not null
    -- Of carts of the same moment the mail shows this one.
    qualify row_number() over (partition by as_of, customer_id, occurred_at order by cart_id) = 1
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
    carts.is_newest,
    carts.completed_at is null and (orders.last_order_at is null or orders.last_order_at < carts.occurred_at) as is_open
from carts
left join orders on carts.as_of = orders.as_of and carts.customer_id = orders.customer_id
