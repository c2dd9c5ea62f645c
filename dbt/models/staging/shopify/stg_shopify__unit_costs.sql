-- One row per stocked variant and change of what it costs the shop.
with

items as (
    select
        *,
        {{ utc('updated_at') }} as occurred_at
    from {{ source('sources', 'shopify__inventory_items') }}
)

select
    'shopify' as source,
    id as unit_cost_id,
    nullif(trim(sku), '') as sku,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    cast(cost as decimal(18, 4)) as unit_cost
from items
