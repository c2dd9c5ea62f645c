-- One row per invoice with sold lines and pull that changed it.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

items as (
    select * from {{ part_of(ref('stg_online_retail__order_items')) }}
)

select
    'online_retail' as source,
    order_id,
    -- An invoice names one customer or none.
    min(source_customer_id) as source_customer_id,
    cast(null as varchar) as guest_email,
    occurred_at,
    known_at,
    version_at,
    version_number,
    sum(net_amount) as net_amount,
    cast(0 as decimal(18, 2)) as discount_amount,
    sum(quantity) as items_count,
    count(*) as lines_count,
    'web' as channel,
    cast(null as varchar) as discount_code,
    cast(null as varchar) as landing_url
from items
group by order_id, occurred_at, known_at, version_at, version_number
