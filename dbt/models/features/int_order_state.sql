-- One row per as_of and customer: what the orders say whatever the day, until something happens or leaves a window.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': order_windows()}) }}
with

days as (
    select * from {{ ref('int_purchase_days_gapped') }}
),

money as (
    select * from {{ ref('int_money_summed') }}
),

order_values as (
    select * from {{ ref('int_order_values_described') }}
),

baskets as (
    select * from {{ ref('int_baskets_counted') }}
)

select
    days.as_of,
    days.customer_id,
    days.purchase_days_count,
    -- Days as the moments at which they end: ages are derived from them when a day is written.
    {{ add_days('days.as_of', '-days.recency_days') }} as last_day_end,
    {{ add_days('days.as_of', '-days.tenure_days') }} as first_day_end,
    {{ add_days('days.as_of', '-money.newest_movement_days') }} as newest_movement_day_end,
    days.active_span_days,
    days.repeat_days_count,
    days.repeat_net_cents,
    days.gap_squares,
    days.gap_median_days,
    days.gap_max_days,
    days.gap_last_days,
    money.orders_count,
    money.net_cents,
    money.bought_cents,
    money.returned_cents,
    money.returns_count,
    {% for window in order_windows() %}
    money.orders_{{ window }}d_count,
    money.net_{{ window }}d_cents,
    {% endfor %}
    {% for half_life in order_half_lives() %}
    money.orders_decayed_{{ half_life }}d_millionths,
    money.net_decayed_{{ half_life }}d_millionths,
    {% endfor %}
    order_values.order_value_median_cents,
    order_values.order_value_max_cents,
    order_values.order_value_squares,
    order_values.order_value_first_cents,
    order_values.order_value_last_cents,
    order_values.discount_cents,
    order_values.weekend_orders_count,
    order_values.hours,
    baskets.lines_count,
    baskets.units_count,
    baskets.products_count
from days
inner join money
    on
        days.as_of = money.as_of
        and days.customer_id = money.customer_id
inner join order_values
    on
        days.as_of = order_values.as_of
        and days.customer_id = order_values.customer_id
left join baskets
    on
        days.as_of = baskets.as_of
        and days.customer_id = baskets.customer_id
