-- One row per as_of and customer.
with

features as (
    select * from {{ ref('customer_features') }}
    where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

scores as (
    select
        *,
        -- Who has no expected value has no rank, and takes none from those who have.
        case
            when clv_365d_amount is not null then percent_rank() over (partition by as_of, clv_365d_amount is null order by clv_365d_amount)
        end as value_rank
    from {{ source('scores', 'customer_scores') }}
    where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

customers as (
    select
        as_of,
        customer_id,
        lower(membership_tier) as membership_tier
    from {{ valid(ref('dim_customers')) }} as customers
),

joined as (
    select
        features.*,
        customers.membership_tier,
        scores.churn_probability,
        scores.purchase_30d_probability,
        scores.first_purchase_probability,
        scores.vip_probability,
        scores.clv_365d_amount,
        scores.value_rank
    from features
    inner join customers on features.as_of = customers.as_of and features.customer_id = customers.customer_id
    left join scores on features.as_of = scores.as_of and features.customer_id = scores.customer_id
),

flags as (
    select
        as_of,
        customer_id,
        kept_orders_count >= 1 and recency_days between 45 and 365 and coalesce(churn_probability between 0.5 and 0.95, true) as lapsing_buyers,
        kept_orders_count >= 3 and recency_days < 45 as loyal_buyers,
        kept_orders_count >= 1 and tenure_days < 30 as new_buyers,
        kept_orders_count = 1 and recency_days > 90 as one_time_buyers,
        orders_count = 0 as prospects,
        orders_count = 0 and first_purchase_probability >= 0.1 as likely_first_buyers,
        coalesce(vip_probability >= 0.5, value_rank >= 0.9) as vip,
        churn_probability >= 0.35 and value_rank >= 0.7 as valuable_at_risk,
        purchase_30d_probability >= 0.5 as likely_to_buy_soon,
        orders_count >= 2 and order_value_mean_cents >= 10000 as big_baskets,
        orders_count >= 2 and return_share >= 0.2 as frequent_returners,
        sessions_7d_count >= 2 and coalesce(recency_days >= 7, true) as active_browsers,
        cart_adds_7d_count >= 1 and coalesce(recency_days >= 7, true) as carts_left_open,
        open_recency_days < 30 as engaged_readers,
        emails_received_90d_count >= 3 and emails_opened_90d_count = 0 as sleeping_readers,
        membership_tier in ('gold', 'platinum') as top_tier_members
    from joined
)

select
    as_of,
    customer_id,
    {% for segment in segment_names() %}
    coalesce({{ segment }}, false) as {{ segment }}{{ ',' if not loop.last }}
    {% else %}
    false as no_segment
    {% endfor %}
from flags
