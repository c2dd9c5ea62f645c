-- One row per viewed product that was reported.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

events as (
    select
        *,
        {{ utc('received_at') }} as occurred_at
    from {{ part_of(source('sources', 'webhooks__product_views')) }}
)

select
    'webhooks' as source,
    concat_ws('|', 'webhooks', user_id, product_id, received_at) as web_event_id,
    user_id as source_customer_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    _known_at as version_at,
    _row_number as version_number,
    _batch_id,
    _batch_id as batch_id,
    'view_item' as event,
    user_id as browser_id,
    user_id as login_id,
    concat_ws(':', user_id, cast(cast(occurred_at as date) as varchar)) as session_id,
    product_id as sku,
    cast(null as varchar) as category,
    cast(null as varchar) as search_term,
    cast(null as varchar) as page,
    cast(null as varchar) as order_id,
    cast(null as varchar) as device,
    'web' as platform,
    cast(null as varchar) as medium,
    cast(null as varchar) as campaign,
    cast(null as varchar) as variant
from events
