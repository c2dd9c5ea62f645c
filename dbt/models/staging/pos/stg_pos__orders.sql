-- One row per receipt and extract that brought lines of it.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

items as (
    select * from {{ part_of(ref('stg_pos__order_items')) }}
)

select
    'pos' as source,
    order_id,
    source_customer_id,
    cast(null as varchar) as guest_email,
    occurred_at,
    known_at,
    version_at,
    version_number,
    sum(net_amount) as net_amount,
    cast(sum(gross_amount) - sum(net_amount) as decimal(18, 2)) as discount_amount,
    sum(quantity) as items_count,
    count(*) as lines_count,
    'store' as channel,
    cast(null as varchar) as discount_code,
    cast(null as varchar) as landing_url
from items
group by order_id, source_customer_id, occurred_at, known_at, version_at, version_number
