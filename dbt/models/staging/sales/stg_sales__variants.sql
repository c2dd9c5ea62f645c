-- One row per product and change: its number, and its sku, by which events and other systems may name it.
with

products as (
    select * from {{ ref('stg_sales__products') }}
),

names as (
    select
        *,
        sku as name
    from products
    union all
    select
        *,
        product_id as name
    from products
    where product_id <> sku
)

select
    'sales' as source,
    name as variant_id,
    product_id,
    name as sku,
    occurred_at,
    known_at,
    version_at,
    version_number
from names
