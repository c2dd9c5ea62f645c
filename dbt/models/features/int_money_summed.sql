-- One row per as_of and customer.
{{ config(materialized='ephemeral') }}

with

purchases as (
    select * from {{ ref('int_purchases_aged') }}
),

returns as (
    select * from {{ ref('int_returns_aged') }}
),

-- Returns count on their own day, so net spend in a window is what was bought in it less what came back in it.
movements as (
    select as_of, customer_id, age_days, 1 as orders, net_cents as bought_cents, 0 as returned_cents
    from purchases
    union all
    select as_of, customer_id, age_days, 0 as orders, 0 as bought_cents, net_cents as returned_cents
    from returns
),

aged as (
    select
        *,
        bought_cents - returned_cents as net_cents,
        age_days - min(age_days) over (partition by as_of, customer_id) as days_before_newest
    from movements
),

-- What a movement weighs beside the customer's newest: a later day changes no weight, it only halves them all alike.
-- Millionths as integers: sums of doubles would depend on the number of threads.
weighted as (
    select
        *,
        {% for half_life in order_half_lives() %}
        cast(round(1000000 * power(0.5, days_before_newest / {{ half_life }}.0)) as bigint) as weight_{{ half_life }}d{{ ',' if not loop.last }}
        {% endfor %}
    from aged
),

summed as (
    select
        as_of,
        customer_id,
        {{ whole_sum('orders') }} as orders_count,
        {{ whole_sum('net_cents') }} as net_cents,
        {{ whole_sum('bought_cents') }} as bought_cents,
        {{ whole_sum('returned_cents') }} as returned_cents,
        count(*) - {{ whole_sum('orders') }} as returns_count,
        min(age_days) as newest_movement_days,
        {% for days in order_windows() %}
        {{ whole_sum('case when age_days < ' ~ days ~ ' then orders else 0 end') }} as orders_{{ days }}d_count,
        {{ whole_sum('case when age_days < ' ~ days ~ ' then net_cents else 0 end') }} as net_{{ days }}d_cents,
        {% endfor %}
        {% for half_life in order_half_lives() %}
        {{ whole_sum('weight_' ~ half_life ~ 'd * orders') }} as orders_decayed_{{ half_life }}d_millionths,
        {{ whole_sum('weight_' ~ half_life ~ 'd * net_cents') }} as net_decayed_{{ half_life }}d_millionths{{ ',' if not loop.last }}
        {% endfor %}
    from weighted
    group by as_of, customer_id
)

select * from summed
