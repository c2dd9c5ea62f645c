-- One row per event of a visitor.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

events as (
    select
        events.*,
        {{ stated_moment('events.happened_at', 'shop.zone') }} as occurred_at
    from {{ part_of(source('sources', 'sales__events')) }} as events
    cross join shop
)

select
    'sales' as source,
    concat_ws('|', visitor_id, happened_at, event, product_id, line_number) as web_event_id,
    coalesce(nullif(trim(customer_id), ''), visitor_id) as source_customer_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    _known_at as version_at,
    _row_number as version_number,
    _batch_id,
    _batch_id as batch_id,
    {{ event_called('event') }} as event,
    visitor_id as browser_id,
    nullif(trim(customer_id), '') as login_id,
    -- A visit's number may be its visitor's own; where nobody says which visit it is, a visitor's day is one.
    concat_ws(':', visitor_id, coalesce(nullif(trim(session_id), ''), cast(cast(occurred_at as date) as varchar))) as session_id,
    -- Whoever says it nowhere else has the product in the page's address.
    coalesce(
        nullif(trim(product_id), ''),
        case when {{ event_called('event') }} = 'view_item' then nullif(regexp_extract(page, '/(products?|items?|articles?|p|dp)/([^/?#]+)', 2), '') end
    ) as sku,
    category,
    cast(null as varchar) as search_term,
    page,
    order_id,
    lower(device) as device,
    cast(null as varchar) as platform,
    cast(null as varchar) as medium,
    cast(null as varchar) as campaign,
    cast(null as varchar) as variant
from events
