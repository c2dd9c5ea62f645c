-- One row per customer account and change: whether the shop has deleted it (no reason while it is there).
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

customers as (
    select
        *,
        {{ utc('updated_at') }} as updated
    from {{ part_of(source('sources', 'shopify__customers')) }}
)

select
    'shopify' as source,
    id as source_customer_id,
    concat_ws('|', 'shopify', id) as suppression_id,
    'email' as channel,
    case when state = 'deleted' then 'customer deleted' end as reason,
    updated as occurred_at,
    {{ known_at('updated') }} as known_at,
    updated as version_at,
    _row_number as version_number,
    _batch_id
from customers
