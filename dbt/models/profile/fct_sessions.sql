-- One row per session version.
{{ config(materialized='kept', meta={'part': 'session_id'}) }}
with

stated as (
    select * from {{ all_sources('sessions') }}
),

sessions as (
    select * from {{ versions('stated', 'session_id') }} as versions
),

linked as (
    select * from {{ linked('sessions') }} as facts
)

select
    session_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    ended_at,
    events_count,
    pages_count,
    product_views_count,
    cart_adds_count,
    searches_count,
    order_id,
    device,
    platform,
    medium,
    campaign,
    variant
from linked
