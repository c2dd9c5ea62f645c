-- One row per order and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

orders as (
    select * from {{ part_of(source('sources', 'shopify__orders')) }}
),

items as (
    select
        order_id,
        version_row,
        sum(net_amount) as net_amount,
        sum(gross_amount) as gross_amount,
        sum(quantity) as items_count,
        count(*) as lines_count
    from {{ part_of(ref('stg_shopify__order_items')) }}
    group by order_id, version_row
),

typed as (
    select
        *,
        concat(_batch_id, ':', cast(_row_number as varchar)) as version_row,
        {{ utc('created_at') }} as occurred_at
    from orders
)

select
    'shopify' as source,
    typed.id as order_id,
    -- A guest is known by the e-mail of the order alone.
    {{ buyer(json_text('typed.customer', '$.id'), 'typed.email') }} as source_customer_id,
    case when {{ json_text('typed.customer', '$.id') }} is null then nullif(trim(typed.email), '') end as guest_email,
    typed.occurred_at,
    {{ known_at('typed.occurred_at') }} as known_at,
    {{ utc('typed.updated_at') }} as version_at,
    typed._row_number as version_number,
    typed._batch_id,
    items.net_amount,
    cast(items.gross_amount - items.net_amount as decimal(18, 2)) as discount_amount,
    items.items_count,
    items.lines_count,
    coalesce(typed.source_name, 'web') as channel,
    {{ json_text('typed.discount_codes', '$[0].code') }} as discount_code,
    typed.landing_site as landing_url
from typed
inner join items on typed.id = items.order_id and typed.version_row = items.version_row
