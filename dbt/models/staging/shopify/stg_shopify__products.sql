-- One row per product and change.
with

products as (
    select
        *,
        {{ utc('created_at') }} as product_created_at,
        {{ utc('updated_at') }} as version_at
    from {{ source('sources', 'shopify__products') }}
),

variants as (
    select
        _batch_id,
        _row_number,
        {{ json_each('variants') }} as variant
    from products
),

summed as (
    select
        _batch_id,
        _row_number,
        min(cast({{ json_text('variant', '$.price') }} as decimal(18, 4))) as price,
        min({{ json_text('variant', '$.sku') }}) as sku,
        sum(cast({{ json_text('variant', '$.inventory_quantity') }} as integer)) as stock
    from variants
    group by _batch_id, _row_number
)

select
    'shopify' as source,
    products.id as product_id,
    products.product_created_at as occurred_at,
    {{ known_at('products.product_created_at') }} as known_at,
    products.version_at,
    products._row_number as version_number,
    summed.sku,
    products.title,
    products.vendor as brand,
    products.product_type as category,
    products.tags,
    products.handle,
    {{ plain_text('products.body_html') }} as description,
    products.status,
    {{ json_text('products.images', '$[0].src') }} as image_url,
    summed.price,
    summed.stock
from products
inner join summed on products._batch_id = summed._batch_id and products._row_number = summed._row_number
