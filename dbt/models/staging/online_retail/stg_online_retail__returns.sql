-- One row per cancelled, written-off or adjusted invoice line and change.
{{ config(materialized='kept', meta={'part': "split_part(return_id, ':', 1)"}) }}
with

lines as (
    select * from {{ part_of(ref('stg_online_retail__lines'), 'invoice_no') }} where kind <> 'sale'
)

select
    'online_retail' as source,
    concat(invoice_no, ':', cast(line_number as varchar)) as return_id,
    -- The source does not say which invoice a cancellation takes back.
    cast(null as varchar) as order_id,
    source_customer_id,
    occurred_at,
    case when is_history then least(occurred_at, pulled_at) else pulled_at end as known_at,
    pulled_at as version_at,
    line_number as version_number,
    product_id,
    -quantity as quantity,
    cast(-net_amount as decimal(18, 2)) as net_amount,
    kind
from lines
