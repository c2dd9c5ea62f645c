-- One row per as_of and product, with what a mail shows of it.
{{ config(materialized='view') }}
with

products as (
    select * from {{ known(ref('dim_products')) }} as products
),

firsts as (
    {{ first_versions(ref('dim_products'), 'product_id') }}
)

select
    products.as_of,
    products.product_id,
    products.sku,
    products.title,
    products.category,
    products.price,
    products.image_url,
    products.handle,
    firsts.began_at as created_at
from products
inner join firsts on products.as_of = firsts.as_of and products.product_id = firsts.product_id
