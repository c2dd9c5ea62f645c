-- One row per variant and change of its product.
with

products as (
    select
        *,
        {{ utc('created_at') }} as occurred_at,
        {{ json_each('variants') }} as variant
    from {{ source('sources', 'shopify__products') }}
)

select
    'shopify' as source,
    {{ json_text('variant', '$.id') }} as variant_id,
    id as product_id,
    nullif(trim({{ json_text('variant', '$.sku') }}), '') as sku,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    {{ utc('updated_at') }} as version_at,
    _row_number as version_number
from products
