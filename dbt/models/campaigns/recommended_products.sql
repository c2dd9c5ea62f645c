-- One row per as_of, customer, strategy and rank, with what a mail shows of the product.
{{ config(materialized='view') }}
with

recommendations as (
    select * from {{ source('scores', 'customer_recommendations') }}
),

products as (
    select * from {{ ref('catalogue') }}
)

select
    recommendations.as_of,
    recommendations.customer_id,
    recommendations.strategy,
    recommendations.rank,
    recommendations.product_id,
    products.sku,
    products.title,
    products.category,
    products.price,
    products.image_url,
    products.handle,
    products.created_at >= {{ add_days('recommendations.as_of', -30) }} as is_new
from recommendations
inner join products on recommendations.as_of = products.as_of and recommendations.product_id = products.product_id
