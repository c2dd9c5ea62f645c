{#
The sessions of a system's web events, one row per session and extract that brought events of it, with what was known of the session then.
`owner` is whose record a session is, by its login_id and browser_id.
#}
{% macro sessions_of(events, source, owner) -%}
with

-- An event that comes once more, since something else of it became known, is no further one.
events as (
    select
        *,
        row_number() over (partition by session_id, web_event_id order by known_at, _batch_id, version_number) = 1 as is_first
    from {{ events }}
),

brought as (
    select
        session_id,
        _batch_id,
        browser_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        max(known_at) as known_at,
        max_by(login_id, concat_ws('|', strftime(occurred_at, '%Y%m%d%H%M%S%f'), web_event_id)) filter (where login_id is not null) as login_id,
        count(*) filter (where is_first) as events_count,
        count(*) filter (where is_first and event = 'page_view') as pages_count,
        count(*) filter (where is_first and event = 'view_item') as product_views_count,
        count(*) filter (where is_first and event = 'add_to_cart') as cart_adds_count,
        count(*) filter (where is_first and event = 'search') as searches_count,
        min(order_id) as order_id,
        min(device) as device,
        min(platform) as platform,
        min(medium) as medium,
        min(campaign) as campaign,
        min(variant) as variant
    from events
    group by session_id, _batch_id, browser_id
),

known as (
    select
        session_id,
        browser_id,
        min(started_at) over so_far as occurred_at,
        max(ended_at) over so_far as ended_at,
        known_at,
        row_number() over (partition by session_id order by known_at, _batch_id) as version_number,
        last_value(login_id ignore nulls) over so_far as login_id,
        sum(events_count) over so_far as events_count,
        sum(pages_count) over so_far as pages_count,
        sum(product_views_count) over so_far as product_views_count,
        sum(cart_adds_count) over so_far as cart_adds_count,
        sum(searches_count) over so_far as searches_count,
        min(order_id) over so_far as order_id,
        min(device) over so_far as device,
        min(platform) over so_far as platform,
        min(medium) over so_far as medium,
        min(campaign) over so_far as campaign,
        min(variant) over so_far as variant
    from brought
    window so_far as (partition by session_id order by known_at, _batch_id rows between unbounded preceding and current row)
)

select
    '{{ source }}' as source,
    session_id,
    {{ owner }} as source_customer_id,
    occurred_at,
    known_at,
    known_at as version_at,
    version_number,
    ended_at,
    cast(events_count as integer) as events_count,
    cast(pages_count as integer) as pages_count,
    cast(product_views_count as integer) as product_views_count,
    cast(cart_adds_count as integer) as cart_adds_count,
    cast(searches_count as integer) as searches_count,
    order_id,
    device,
    platform,
    medium,
    campaign,
    variant
from known
{%- endmacro %}
