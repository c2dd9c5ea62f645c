-- One row per order with sold lines and extract that changed it.
with

lines as (
    select * from {{ ref('stg_sales__lines') }} where kind <> 'return'
)

select
    'sales' as source,
    order_id,
    source_customer_id,
    guest_email,
    occurred_at,
    known_at,
    version_at,
    0 as version_number,
    sum(net_amount) as net_amount,
    cast(sum(gross_amount) - sum(net_amount) as decimal(18, 2)) as discount_amount,
    sum(quantity) as items_count,
    count(*) as lines_count,
    -- Bought, and nobody says for how much; what is said to cost nothing is not sold.
    bool_or(is_unpriced) as is_unpriced,
    bool_and(kind <> 'sale') as is_given_back,
    coalesce(min(channel), 'web') as channel,
    min(discount_code) as discount_code,
    cast(null as varchar) as landing_url
from lines
group by order_id, source_customer_id, guest_email, occurred_at, known_at, version_at
