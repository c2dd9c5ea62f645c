-- One row per thing that became of a mail, and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

events as (
    select
        *,
        {{ utc(json_text('attributes', '$.datetime')) }} as occurred_at,
        {{ json_text('relationships', '$.metric.data.id') }} as metric_id,
        {{ json_text('relationships', '$.profile.data.id') }} as profile_id,
        {{ json_text('attributes', '$.event_properties') }} as properties
    from {{ part_of(source('sources', 'klaviyo__events')) }}
),

metrics as (
    select
        id,
        {{ json_text('attributes', '$.name') }} as name,
        row_number() over (partition by id order by _known_at desc, _row_number desc) as recency
    from {{ source('sources', 'klaviyo__metrics') }}
),

messages as (
    select * from {{ ref('stg_klaviyo__messages') }}
)

select
    'klaviyo' as source,
    events.id as email_event_id,
    events.profile_id as source_customer_id,
    events.occurred_at,
    {{ known_at('events.occurred_at') }} as known_at,
    events.occurred_at as version_at,
    events._row_number as version_number,
    events._batch_id,
    case metrics.name
        when 'Received Email' then 'received'
        when 'Opened Email' then 'opened'
        when 'Clicked Email' then 'clicked'
        when 'Bounced Email' then 'bounced'
        when 'Dropped Email' then 'bounced'
        when 'Unsubscribed from Email Marketing' then 'unsubscribed'
        when 'Unsubscribed' then 'unsubscribed'
        when 'Marked Email as Spam' then 'spam'
        when 'Replied' then 'replied'
    end as event,
    coalesce(messages.campaign, {{ json_text('events.properties', '$.Campaign Name') }}) as campaign,
    messages.variant,
    {{ json_text('events.properties', '$.Subject') }} as subject,
    {{ json_text('events.properties', '$.URL') }} as url,
    lower({{ json_text('events.properties', '$.Client Type') }}) as device,
    -- Apple's and other proxies fetch mails nobody looks at.
    coalesce({{ json_text('events.properties', '$.machine_open') }}, 'false') = 'true' as is_machine,
    lower({{ json_text('events.properties', '$.Bounce Type') }}) as bounce_type
from events
inner join metrics on events.metric_id = metrics.id and metrics.recency = 1
left join messages on {{ json_text('events.properties', '$.$variation') }} = messages.message_id
where
    metrics.name in (
        'Received Email', 'Opened Email', 'Clicked Email', 'Bounced Email', 'Dropped Email', 'Unsubscribed from Email Marketing', 'Unsubscribed',
        'Marked Email as Spam', 'Replied'
    )
