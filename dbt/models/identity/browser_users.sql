-- One row per browser and account signed in, or record that bought or clicked a mail, in it.
{{ config(materialized='kept') }}
with

web_events as (
    select * from {{ all_sources('web_events') }}
),

account_events as (
    select * from {{ all_sources('account_events') }} where browser_id is not null
),

orders as (
    select
        order_id,
        concat(source, ':', source_customer_id) as record_id,
        min(known_at) as known_at
    from {{ all_sources('orders') }}
    where source_customer_id is not null
    group by order_id, source, source_customer_id
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
),

signed_in as (
    select browser_id, login_id, known_at from web_events where login_id is not null
    union all
    select browser_id, source_customer_id as login_id, known_at from account_events
),

bought as (
    select
        web_events.browser_id,
        orders.record_id,
        greatest(web_events.known_at, orders.known_at) as known_at
    from web_events
    inner join orders on web_events.order_id = orders.order_id
    where web_events.order_id is not null
)

select
    browser_id,
    login_id,
    cast(null as varchar) as record_id,
    'signed in there' as rule,
    min(known_at) as known_at
from signed_in
group by browser_id, login_id
union all
select
    browser_id,
    cast(null as varchar) as login_id,
    record_id,
    'bought there' as rule,
    min(known_at) as known_at
from bought
group by browser_id, record_id
union all
select
    browser_id,
    cast(null as varchar) as login_id,
    record_id,
    'clicked a mail there' as rule,
    min(known_at) as known_at
from clicked
where landings_count = 1 and clicks_count = 1
group by browser_id, record_id
