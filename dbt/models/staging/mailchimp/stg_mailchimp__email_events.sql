-- One row per thing that became of a campaign's mail, and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

campaigns as (
    select
        id,
        title,
        subject_line,
        send_time,
        row_number() over (partition by id order by _known_at desc, _row_number desc) as recency
    from {{ source('sources', 'mailchimp__campaigns') }}
),

recipients as (
    select
        recipients.*,
        'received' as event,
        {{ utc('campaigns.send_time') }} as occurred_at
    from {{ part_of(source('sources', 'mailchimp__recipients')) }} as recipients
    inner join campaigns on recipients.campaign_id = campaigns.id and campaigns.recency = 1
    where campaigns.send_time is not null
),

activity as (
    select
        *,
        case action when 'open' then 'opened' when 'click' then 'clicked' else 'bounced' end as event,
        {{ utc('timestamp') }} as occurred_at
    from {{ part_of(source('sources', 'mailchimp__activity')) }}
),

unsubscribes as (
    select
        *,
        'unsubscribed' as event,
        {{ utc('timestamp') }} as occurred_at
    from {{ part_of(source('sources', 'mailchimp__unsubscribes')) }}
),

events as (
    select
        campaign_id,
        member_id,
        event,
        occurred_at,
        url,
        bounce_type,
        _is_history,
        _known_at,
        _row_number,
        _batch_id
    from activity
    union all by name
    select
        campaign_id,
        member_id,
        event,
        occurred_at,
        _is_history,
        _known_at,
        _row_number,
        _batch_id
    from recipients
    union all by name
    select
        campaign_id,
        member_id,
        event,
        occurred_at,
        _is_history,
        _known_at,
        _row_number,
        _batch_id
    from unsubscribes
)

select
    'mailchimp' as source,
    concat_ws('|', events.campaign_id, events.member_id, events.event, cast(events.occurred_at as varchar), events.url) as email_event_id,
    events.member_id as source_customer_id,
    events.occurred_at,
    {{ known_at('events.occurred_at') }} as known_at,
    events.occurred_at as version_at,
    events._row_number as version_number,
    events._batch_id,
    events.event,
    coalesce(campaigns.title, events.campaign_id) as campaign,
    cast(null as varchar) as variant,
    campaigns.subject_line as subject,
    events.url,
    cast(null as varchar) as device,
    false as is_machine,
    lower(events.bounce_type) as bounce_type
from events
left join campaigns on events.campaign_id = campaigns.id and campaigns.recency = 1
