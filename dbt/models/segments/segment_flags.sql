-- One row per as_of and customer.
with

features as (
    select * from {{ ref('customer_features') }}
),

days as (
    select as_of from {{ source('sources', 'run_days') }} where is_day
)

select
    features.as_of,
    features.customer_id,
    features.orders_count >= 1 and features.recency_days between 45 and 365 as lapsing_buyers,
    features.orders_count >= 3 and features.recency_days < 45 as loyal_buyers
from features
inner join days on features.as_of = days.as_of
