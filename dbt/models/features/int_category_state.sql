-- One row per as_of, customer and category: what was bought of it and looked at whatever the day, until something happens or leaves a window.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': category_windows(), 'touched_by': {'int_product_shelves': ['product_id']}}) }}
with

products as (
    select
        as_of,
        product_id,
        category
    from {{ ref('int_product_shelves') }}
    where category is not null
),

bought as (
    select distinct
        items.as_of,
        items.customer_id,
        products.category,
        'buy' as event,
        {{ days_between('items.occurred_at', 'items.as_of') }} as age_days
    from {{ known(ref('fct_order_items')) }} as items
    inner join products on items.as_of = products.as_of and items.product_id = products.product_id
    where items.customer_id is not null and items.quantity > 0
),

looked_at as (
    select
        web_events.as_of,
        web_events.customer_id,
        products.category,
        web_events.event,
        {{ days_between('web_events.occurred_at', 'web_events.as_of') }} as age_days
    from {{ known(ref('fct_web_events')) }} as web_events
    inner join products on web_events.as_of = products.as_of and web_events.product_id = products.product_id
    where web_events.customer_id is not null and web_events.event in ('view_item', 'add_to_cart')
),

done as (
    select * from bought
    union all
    select * from looked_at
),

counted as (
    select
        as_of,
        customer_id,
        category,
        count(case when event = 'buy' then 1 end) as purchase_days_count,
        count(case when event = 'buy' and age_days < 90 then 1 end) as purchase_days_90d_count,
        count(case when event = 'buy' and age_days < 30 then 1 end) as purchase_days_30d_count,
        min(case when event = 'buy' then age_days end) as purchase_recency_days,
        max(case when event = 'buy' then age_days end) as purchase_tenure_days,
        count(case when event = 'view_item' and age_days < 30 then 1 end) as views_30d_count,
        count(case when event = 'add_to_cart' and age_days < 30 then 1 end) as cart_adds_30d_count,
        min(case when event <> 'buy' then age_days end) as look_recency_days
    from done
    group by as_of, customer_id, category
)

select
    as_of,
    customer_id,
    category,
    purchase_days_count,
    purchase_days_90d_count,
    purchase_days_30d_count,
    -- Days as the moments at which they end: ages are derived from them when a day is written.
    {{ add_days('as_of', '-purchase_recency_days') }} as last_purchase_day_end,
    {{ add_days('as_of', '-look_recency_days') }} as last_look_day_end,
    purchase_tenure_days - purchase_recency_days as purchase_span_days,
    views_30d_count,
    cart_adds_30d_count
from counted
