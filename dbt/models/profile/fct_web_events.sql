-- One row per web event version.
{{ config(materialized='kept', meta={'part': 'web_event_id'}) }}
with

stated as (
    select * from {{ all_sources('web_events') }}
),

web_events as (
    select * from {{ versions('stated', 'web_event_id') }} as versions
),

skus as (
    select * from {{ ref('int_skus') }}
),

linked as (
    select * from {{ linked('web_events') }} as facts
)

select
    linked.web_event_id,
    linked.source,
    linked.customer_id,
    linked.occurred_at,
    linked.known_at,
    linked.superseded_at,
    linked.event,
    linked.session_id,
    linked.browser_id,
    linked.login_id,
    skus.product_id,
    linked.category,
    linked.search_term,
    linked.page,
    linked.order_id,
    linked.device,
    linked.platform,
    linked.medium,
    linked.campaign,
    linked.variant
from linked
-- What was not known when the event was is not filled in later: a day built again gives the same rows.
left join skus on linked.sku = skus.sku and skus.known_at <= linked.known_at
