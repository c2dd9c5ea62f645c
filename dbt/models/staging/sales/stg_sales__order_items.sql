-- One row per sold order line and extract that changed its order; a cancelled line was sold, and is given back by stg_sales__returns.
with

lines as (
    select * from {{ ref('stg_sales__lines') }} where kind <> 'return'
)

select
    'sales' as source,
    order_item_id,
    order_id,
    source_customer_id,
    occurred_at,
    known_at,
    version_at,
    0 as version_number,
    product_id,
    product_id as sku,
    quantity,
    unit_price,
    gross_amount,
    net_amount
from lines
