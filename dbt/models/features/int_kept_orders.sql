-- One row per as_of and customer who kept something of an order.
{{ config(materialized='ephemeral') }}

with

orders as (
    select
        as_of,
        customer_id,
        order_id,
        net_amount,
        is_unpriced
    from {{ known(ref('fct_orders')) }} as orders
    where customer_id is not null and {{ is_purchase() }}
),

given_back as (
    select
        as_of,
        order_id,
        sum(net_amount) as net_amount
    from {{ known(ref('fct_returns')) }} as returns
    where order_id is not null
    group by as_of, order_id
)

select
    orders.as_of,
    orders.customer_id,
    count(*) as kept_orders_count
from orders
left join given_back on orders.as_of = given_back.as_of and orders.order_id = given_back.order_id
-- What is given back of an order without a price is not known.
where orders.is_unpriced or orders.net_amount > coalesce(given_back.net_amount, 0)
group by orders.as_of, orders.customer_id
