-- One row per name of a product, its stock keeping units and its own number: the product it is of, and since when that is known.
{{ config(materialized='kept') }}
with

variants as (
    select * from {{ all_sources('variants') }} where sku is not null
),

products as (
    select * from {{ all_sources('products') }}
),

-- A number that is a sku too is meant as the sku.
names as (
    select sku, product_id, known_at from variants
    union all
    select product_id as sku, product_id, known_at from products
    where product_id not in (select sku from variants)
)

select
    sku,
    min_by(product_id, concat_ws('|', strftime(known_at, '%Y%m%d%H%M%S%f'), product_id)) as product_id,
    min(known_at) as known_at
from names
group by sku
