-- One row per as_of and product, with what a mail shows of it.
{{ config(materialized='view') }}
with

products as (
    select * from {{ known(ref('dim_products')) }} as products
)

select
    as_of,
    product_id,
    sku,
    title,
    category,
    price,
    image_url,
    handle,
    occurred_at as created_at
from products
