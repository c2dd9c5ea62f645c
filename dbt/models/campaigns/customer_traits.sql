-- One row per as_of and customer who may be profiled, with what a tool may personalise by.
{{ config(materialized='view') }}
with

tastes as (
    select * from {{ ref('customer_features') }}
),

scores as (
    select * from {{ source('scores', 'customer_scores') }}
),

-- The product to show first: what is for them before what everybody buys.
products as (
    select * from {{ ref('recommended_products') }} where strategy = 'for_you' and rank = 1
)

-- Rounded, so that a tool is told of whom something changed, not of everybody every day.
select
    tastes.as_of,
    tastes.customer_id,
    tastes.favourite_category,
    tastes.favourite_brand,
    tastes.favourite_price_band,
    round(scores.churn_probability, 2) as churn_probability,
    round(scores.clv_365d_amount, -1) as clv_365d_amount,
    round(scores.purchase_30d_probability, 2) as purchase_30d_probability,
    round(scores.first_purchase_probability, 2) as first_purchase_probability,
    round(scores.vip_probability, 2) as vip_probability,
    round(scores.click_probability, 2) as click_probability,
    scores.next_order_date,
    scores.best_send_hour,
    products.sku as next_sku,
    products.title as next_product
from tastes
left join scores on tastes.as_of = scores.as_of and tastes.customer_id = scores.customer_id
left join products on tastes.as_of = products.as_of and tastes.customer_id = products.customer_id
