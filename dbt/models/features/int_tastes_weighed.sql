-- One row per as_of, customer and product, with what the customer did with it as a whole number.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

permitted as (
    select * from {{ part_of(ref('int_profiled_customers')) }}
),

bought as (
    select
        as_of,
        customer_id,
        product_id,
        {{ days_between('occurred_at', 'as_of') }} as age_days,
        {{ affinity_weights()['purchase'] }} * quantity as weight
    from {{ known(ref('fct_order_items')) }} as items
    where customer_id is not null and product_id is not null and quantity > 0
),

looked_at as (
    select
        as_of,
        customer_id,
        product_id,
        {{ days_between('occurred_at', 'as_of') }} as age_days,
        case event when 'add_to_cart' then {{ affinity_weights()['add_to_cart'] }} else {{ affinity_weights()['view_item'] }} end as weight
    from {{ known(ref('fct_web_events')) }} as web_events
    where customer_id is not null and product_id is not null and event in ('add_to_cart', 'view_item')
),

done as (
    select * from bought
    union all
    select * from looked_at
),

aged as (
    select
        *,
        age_days - min(age_days) over (partition by as_of, customer_id) as days_before_newest
    from done
),

-- What an act weighs beside the customer's newest: shares do not change with the day.
-- Millionths as integers: sums of doubles would depend on the number of threads.
summed as (
    select
        as_of,
        customer_id,
        product_id,
        sum(weight * cast(round(1000000 * power(0.5, days_before_newest / {{ affinity_half_life() }}.0)) as bigint)) as weight
    from aged
    group by as_of, customer_id, product_id
)

select summed.*
from summed
inner join permitted on summed.as_of = permitted.as_of and summed.customer_id = permitted.customer_id
