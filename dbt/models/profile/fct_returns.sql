-- One row per return version.
{{ config(materialized='kept', meta={'part': 'return_id'}) }}
with

stated as (
    select * from {{ all_sources('returns') }}
),

returns as (
    select * from {{ versions('stated', 'return_id') }} as versions
),

linked as (
    select * from {{ linked('returns') }} as facts
)

select
    return_id,
    order_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    product_id,
    quantity,
    cast(net_amount as decimal(18, 2)) as net_amount,
    kind
from linked
