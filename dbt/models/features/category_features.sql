-- One row per as_of, customer and category that the customer bought from, put into the cart or looked at.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

products as (
    select
        as_of,
        product_id,
        category
    from {{ known(ref('dim_products')) }} as products
    where category is not null
),

orders as (
    select
        as_of,
        customer_id,
        orders_count,
        recency_days,
        gap_expected_days,
        orders_decayed_45d
    from {{ ref('order_features') }}
),

bought as (
    select distinct
        items.as_of,
        items.customer_id,
        products.category,
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

-- How much of the shop's recent buying the category is.
shop as (
    select
        as_of,
        category,
        count(distinct customer_id) as buyers_30d_count
    from bought
    where age_days < 30
    group by as_of, category
),

done as (
    select as_of, customer_id, category, 'buy' as event, age_days
    from bought
    union all
    select as_of, customer_id, category, event, age_days
    from looked_at
),

counted as (
    select
        as_of,
        customer_id,
        category,
        count(case when event = 'buy' then 1 end) as purchase_days_count,
        count(case when event = 'buy' and age_days < 90 then 1 end) as purchase_days_90d_count,
        min(case when event = 'buy' then age_days end) as purchase_recency_days,
        max(case when event = 'buy' then age_days end) as purchase_tenure_days,
        count(case when event = 'view_item' and age_days < 30 then 1 end) as views_30d_count,
        count(case when event = 'add_to_cart' and age_days < 30 then 1 end) as cart_adds_30d_count,
        min(case when event <> 'buy' then age_days end) as look_recency_days
    from done
    group by as_of, customer_id, category
),

gapped as (
    select
        counted.*,
        cast(purchase_tenure_days - purchase_recency_days as double) / nullif(purchase_days_count - 1, 0) as purchase_gap_mean_days,
        cast(purchase_days_count as double) / sum(purchase_days_count) over (partition by counted.as_of, counted.customer_id) as purchase_share
    from counted
    inner join permitted on counted.as_of = permitted.as_of and counted.customer_id = permitted.customer_id
)

select
    gapped.as_of,
    gapped.customer_id,
    gapped.category,
    gapped.purchase_days_count,
    gapped.purchase_days_90d_count,
    gapped.purchase_recency_days,
    gapped.purchase_gap_mean_days,
    gapped.purchase_recency_days / nullif(gapped.purchase_gap_mean_days, 0) as purchase_due_ratio,
    gapped.purchase_share,
    gapped.views_30d_count,
    gapped.cart_adds_30d_count,
    gapped.look_recency_days,
    coalesce(shop.buyers_30d_count, 0) as category_buyers_30d_count,
    orders.orders_count,
    orders.recency_days,
    orders.gap_expected_days,
    orders.orders_decayed_45d
from gapped
left join shop on gapped.as_of = shop.as_of and gapped.category = shop.category
left join orders on gapped.as_of = orders.as_of and gapped.customer_id = orders.customer_id
