-- One row per as_of and customer.
with

customers as (
    select
        as_of,
        customer_id,
        first_seen_at,
        birth_year,
        {% for column in stated_feature_columns() %}
        {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ valid(ref('dim_customers')) }} as customers
),

-- Without consent to profiling there are no features, and so no scores, recommendations or behavioural segments.
permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

orders as (
    select * from {{ ref('order_features') }}
),

kept_orders as (
    select * from {{ ref('int_kept_orders') }}
),

-- Purchases at a till: the visits to a store that leave a trace.
store_visits as (
    select
        as_of,
        customer_id,
        count(distinct {{ days_between('occurred_at', 'as_of') }}) as store_visits_count,
        min({{ days_between('occurred_at', 'as_of') }}) as store_visit_recency_days
    from {{ known(ref('fct_orders')) }} as store_orders
    where channel = 'store' and customer_id is not null
    group by as_of, customer_id
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
    coalesce(kept_orders.kept_orders_count, 0) as kept_orders_count,
    cast(coalesce(orders.net_cents, 0) / 100 as decimal(18, 2)) as net_amount,
    orders.recency_days,
    orders.tenure_days,
    orders.gap_mean_days,
    orders.order_value_mean_cents,
    orders.returns_count,
    orders.return_share,
    orders.discount_share,
    coalesce(store_visits.store_visits_count, 0) as store_visits_count,
    store_visits.store_visit_recency_days,
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
    affinities.favourite_brand_share,
    affinities.favourite_price_band,
    affinities.favourite_price_band_share,
    cast(extract(year from customers.as_of) as integer) - customers.birth_year as age_years,
    {% for column in stated_feature_columns() %}
    customers.{{ column }}{{ ',' if not loop.last }}
    {% endfor %}
from customers
inner join permitted on customers.as_of = permitted.as_of and customers.customer_id = permitted.customer_id
left join orders on customers.as_of = orders.as_of and customers.customer_id = orders.customer_id
left join kept_orders on customers.as_of = kept_orders.as_of and customers.customer_id = kept_orders.customer_id
left join store_visits on customers.as_of = store_visits.as_of and customers.customer_id = store_visits.customer_id
left join web on customers.as_of = web.as_of and customers.customer_id = web.customer_id
left join emails on customers.as_of = emails.as_of and customers.customer_id = emails.customer_id
left join affinities on customers.as_of = affinities.as_of and customers.customer_id = affinities.customer_id
