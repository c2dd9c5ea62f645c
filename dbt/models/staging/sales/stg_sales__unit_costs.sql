-- One row per product and change of what it costs the shop.
with

products as (
    select * from {{ source('sources', 'sales__products') }} where unit_cost is not null
)

select
    'sales' as source,
    product_id as unit_cost_id,
    coalesce(nullif(trim(sku), ''), product_id) as sku,
    _known_at as occurred_at,
    _known_at as known_at,
    _known_at as version_at,
    _row_number as version_number,
    cast(unit_cost as decimal(18, 4)) as unit_cost
from products
