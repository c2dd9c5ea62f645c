-- One row per statement on e-mail marketing: a profile's subscription as each change repeats it, and each unsubscribing from a mail.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

profiles as (
    select
        *,
        {{ json_text('attributes', '$.subscriptions.email.marketing.consent') }} as consent_state,
        {{ utc(json_text('attributes', '$.subscriptions.email.marketing.timestamp')) }} as occurred_at,
        {{ utc("coalesce(" ~ json_text('attributes', '$.updated') ~ ", " ~ json_text('attributes', '$.created') ~ ")") }} as profile_updated_at
    from {{ part_of(source('sources', 'klaviyo__profiles')) }}
),

events as (
    select * from {{ part_of(ref('stg_klaviyo__email_events')) }} where event = 'unsubscribed'
)

select
    'klaviyo' as source,
    id as source_customer_id,
    concat_ws('|', 'klaviyo', id, 'marketing', cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    'marketing' as purpose,
    case when consent_state = 'SUBSCRIBED' then 'granted' else 'withdrawn' end as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    profile_updated_at as version_at,
    _row_number as version_number,
    _batch_id,
    concat('Klaviyo: ', consent_state) as evidence
from profiles
-- Anything but these two says nothing either way, and nothing is no.
where consent_state in ('SUBSCRIBED', 'UNSUBSCRIBED') and occurred_at is not null
union all by name
select
    source,
    source_customer_id,
    concat_ws('|', 'klaviyo', 'event', email_event_id) as consent_id,
    'email' as channel,
    'marketing' as purpose,
    'withdrawn' as state,
    occurred_at,
    known_at,
    version_at,
    version_number,
    _batch_id,
    concat_ws(' ', 'Klaviyo: unsubscribed from', campaign) as evidence
from events
