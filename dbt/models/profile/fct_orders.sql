-- One row per order version.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

stated as (
    select * from {{ all_sources('orders') }}
),

orders as (
    select * from {{ versions('stated', 'order_id') }} as versions
),

linked as (
    select * from {{ linked('orders') }} as facts
)

select
    order_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    cast(net_amount as decimal(18, 2)) as net_amount,
    cast(discount_amount as decimal(18, 2)) as discount_amount,
    cast(items_count as integer) as items_count,
    cast(lines_count as integer) as lines_count,
    channel,
    discount_code,
    landing_url,
    coalesce(is_unpriced, false) as is_unpriced
from linked
