-- One row per product and change: its sku, by which events and other systems may name it.
with

products as (
    select * from {{ ref('stg_sales__products') }}
)

select
    'sales' as source,
    product_id as variant_id,
    product_id,
    sku,
    occurred_at,
    known_at,
    version_at,
    version_number
from products
