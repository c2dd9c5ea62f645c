-- One row per product version.
with

stated as (
    select * from {{ all_sources('products') }}
),

products as (
    select * from {{ versions('stated', 'product_id') }} as versions
)

select
    product_id,
    source,
    occurred_at,
    known_at,
    superseded_at,
    sku,
    title,
    brand,
    category,
    tags,
    handle,
    status,
    image_url,
    cast(price as decimal(18, 4)) as price,
    cast(stock as integer) as stock
from products
