-- One row per returned or cancelled order line and extract that changed its order or its return (no kind once it gives nothing back).
with

lines as (
    select * from {{ ref('stg_sales__lines') }} where kind <> 'sale'
),

given_back as (
    select * from {{ ref('stg_sales__given_back') }}
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
    -- What came back in a row that is deleted gives nothing back.
    case when kind = 'cancellation' or not is_gone then kind end as kind
from lines
union all by name
select
    'sales' as source,
    *,
    0 as version_number
from given_back
