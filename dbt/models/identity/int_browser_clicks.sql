-- One row per browser and record that clicked a mail in it.
{{ config(materialized='kept') }}
with

web_events as (
    select * from {{ all_sources('web_events') }}
),

clicks as (
    select
        email_event_id,
        concat(source, ':', source_customer_id) as record_id,
        campaign,
        lower(coalesce(variant, '')) as variant,
        min(occurred_at) as occurred_at,
        min(known_at) as known_at
    from {{ all_sources('email_events') }}
    where event = 'clicked' and not is_machine and campaign is not null
    group by email_event_id, source, source_customer_id, campaign, variant
),

landings as (
    select
        session_id,
        browser_id,
        campaign,
        lower(coalesce(variant, '')) as variant,
        min(occurred_at) as occurred_at,
        min(known_at) as known_at
    from web_events
    where medium = 'email' and campaign is not null and session_id is not null
    group by session_id, browser_id, campaign, variant
),

-- The page opens within seconds of the click, and where two people clicked at once nobody can tell who is who.
landed as (
    select
        clicks.email_event_id,
        landings.session_id,
        landings.browser_id,
        clicks.record_id,
        greatest(clicks.known_at, landings.known_at) as known_at
    from clicks
    inner join landings
        on
            clicks.campaign = landings.campaign
            and clicks.variant = landings.variant
            and landings.occurred_at between clicks.occurred_at and clicks.occurred_at + interval 20 second
),

clicked as (
    select
        browser_id,
        record_id,
        known_at,
        count(*) over (partition by email_event_id order by known_at) as landings_count,
        count(*) over (partition by session_id order by known_at) as clicks_count
    from landed
)

select
    browser_id,
    record_id,
    min(known_at) as known_at
from clicked
where landings_count = 1 and clicks_count = 1
group by browser_id, record_id
