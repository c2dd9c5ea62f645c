-- One row per as_of and customer.
{{ config(materialized='ephemeral') }}

with

purchases as (
    select
        *,
        row_number() over (partition by as_of, customer_id order by occurred_at, order_id) as order_number,
        row_number() over (partition by as_of, customer_id order by occurred_at desc, order_id desc) as orders_back
    from {{ ref('int_purchases_aged') }}
),

described as (
    select
        as_of,
        customer_id,
        median(net_cents) as order_value_median_cents,
        max(net_cents) as order_value_max_cents,
        max(case when order_number = 1 then net_cents end) as order_value_first_cents,
        max(case when orders_back = 1 then net_cents end) as order_value_last_cents,
        sum(cast(net_cents as decimal(19, 0)) * cast(net_cents as decimal(19, 0))) as order_value_squares,
        {{ whole_sum('discount_cents') }} as discount_cents,
        {{ whole_sum('extract(hour from occurred_at)') }} as hours,
        {{ whole_sum('case when ' ~ day_of_week('occurred_at') ~ ' >= 6 then 1 else 0 end') }} as weekend_orders_count
    from purchases
    group by as_of, customer_id
)

select * from described
