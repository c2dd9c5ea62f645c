-- One row per returned or cancelled order line and extract that changed its order.
with

lines as (
    select * from {{ ref('stg_sales__lines') }} where kind <> 'sale'
)

select
    'sales' as source,
    order_item_id as return_id,
    -- A line of minus signs does not say which order it takes back.
    case when kind = 'cancellation' then order_id end as order_id,
    source_customer_id,
    occurred_at,
    known_at,
    version_at,
    0 as version_number,
    product_id,
    abs(quantity) as quantity,
    cast(abs(net_amount) as decimal(18, 2)) as net_amount,
    kind
from lines
