-- One row per event of a browser or app.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

events as (
    select
        *,
        {{ parameters('event_params') }} as params,
        {{ from_micros('event_timestamp') }} as occurred_at
    from {{ part_of(source('sources', 'ga4__events')) }}
),

typed as (
    select
        *,
        cast({{ parameter('params', 'ga_session_id', 'int_value') }} as varchar) as session_number,
        {{ parameter('params', 'page_location') }} as location
    from events
)

select
    'ga4' as source,
    _row_hash as web_event_id,
    -- Signed in, an event is the account's; otherwise it is the browser's, whoever that is.
    coalesce('user:' || nullif(user_id, ''), user_pseudo_id) as source_customer_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    case event_name
        when 'screen_view' then 'page_view'
        when 'view_search_results' then 'search'
        else event_name
    end as event,
    user_pseudo_id as browser_id,
    nullif(user_id, '') as login_id,
    concat_ws(':', user_pseudo_id, session_number) as session_id,
    case when event_name in ('view_item', 'add_to_cart') then {{ json_text('items', '$[0].item_id') }} end as sku,
    case when event_name in ('view_item', 'add_to_cart') then {{ json_text('items', '$[0].item_category') }} end as category,
    {{ parameter('params', 'search_term') }} as search_term,
    coalesce(regexp_replace(location, '^[a-z]+://[^/]+|[?#].*$', '', 'g'), {{ parameter('params', 'firebase_screen') }}) as page,
    nullif(coalesce({{ json_text('ecommerce', '$.transaction_id') }}, {{ parameter('params', 'transaction_id') }}), '') as order_id,
    {{ json_text('device', '$.category') }} as device,
    lower(platform) as platform,
    {{ json_text('traffic_source', '$.medium') }} as medium,
    {{ parameter('params', 'campaign') }} as campaign,
    {{ parameter('params', 'content') }} as variant
from typed
