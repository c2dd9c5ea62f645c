-- One row per as_of and order.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

orders as (
    select
        as_of,
        customer_id,
        order_id,
        occurred_at,
        net_amount,
        discount_amount
    from {{ known(ref('fct_orders')) }} as orders
    where
        customer_id is not null
        and {{ is_purchase() }}
),

-- Whole days before the moment: the shop's own days at the end of a day, and the same for an event at 14:05.
aged as (
    select
        as_of,
        customer_id,
        order_id,
        occurred_at,
        {{ days_between('occurred_at', 'as_of') }} as age_days,
        cast(net_amount * 100 as bigint) as net_cents,
        cast(coalesce(discount_amount, 0) * 100 as bigint) as discount_cents
    from orders
)

select * from aged
