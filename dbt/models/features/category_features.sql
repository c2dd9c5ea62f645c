-- One row per as_of, customer and category that the customer bought from, put into the cart or looked at.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

state as (
    select state.*
    from {{ ref('int_category_state') }} as state
    inner join {{ moments() }} as moments on state.as_of = moments.as_of
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

-- How much of the shop's recent buying the category is.
shop as (
    select
        as_of,
        category,
        count(*) as buyers_30d_count
    from state
    where purchase_days_30d_count > 0
    group by as_of, category
),

gapped as (
    select
        state.*,
        {{ days_between('state.last_purchase_day_end', 'state.as_of') }} as purchase_recency_days,
        {{ days_between('state.last_look_day_end', 'state.as_of') }} as look_recency_days,
        cast(state.purchase_span_days as double) / nullif(state.purchase_days_count - 1, 0) as purchase_gap_mean_days,
        cast(state.purchase_days_count as double)
        / sum(state.purchase_days_count) over (partition by state.as_of, state.customer_id) as purchase_share
    from state
    inner join permitted on state.as_of = permitted.as_of and state.customer_id = permitted.customer_id
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
