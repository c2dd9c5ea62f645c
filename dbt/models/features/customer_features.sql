-- One row per as_of and customer.
with

customers as (
    select
        as_of,
        customer_id,
        first_seen_at
    from {{ valid(ref('dim_customers')) }} as customers
),

-- Without consent to profiling there are no features, and so no scores, recommendations or behavioural segments.
permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

orders as (
    select * from {{ ref('order_features') }}
),

web as (
    select * from {{ ref('web_features') }}
),

emails as (
    select * from {{ ref('email_features') }}
),

affinities as (
    select * from {{ ref('affinity_features') }}
)

select
    customers.as_of,
    customers.customer_id,
    {{ days_between('customers.first_seen_at', 'customers.as_of') }} as customer_age_days,
    coalesce(orders.orders_count, 0) as orders_count,
    cast(coalesce(orders.net_cents, 0) / 100 as decimal(18, 2)) as net_amount,
    orders.recency_days,
    orders.tenure_days,
    orders.gap_mean_days,
    orders.order_value_mean_cents,
    orders.return_share,
    {% for column in web_feature_columns() %}
    web.{{ column }},
    {% endfor %}
    {% for column in email_feature_columns() %}
    emails.{{ column }},
    {% endfor %}
    affinities.favourite_category,
    affinities.favourite_category_share,
    affinities.second_category,
    affinities.favourite_brand,
    affinities.favourite_price_band
from customers
inner join permitted on customers.as_of = permitted.as_of and customers.customer_id = permitted.customer_id
left join orders on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
left join web on customers.as_of = web.as_of and customers.customer_id = web.customer_id
left join emails on customers.as_of = emails.as_of and customers.customer_id = emails.customer_id
left join affinities on customers.as_of = affinities.as_of and customers.customer_id = affinities.customer_id
