-- One row per reason not to write to a profile: from its list at each change (null once it is off the list), and from what became of mails.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

profiles as (
    select
        *,
        {{ utc("coalesce(" ~ json_text('attributes', '$.updated') ~ ", " ~ json_text('attributes', '$.created') ~ ")") }} as profile_updated_at,
        {{ json_text('attributes', '$.subscriptions.email.marketing.suppression') }} as suppression_list
    from {{ part_of(source('sources', 'klaviyo__profiles')) }}
),

events as (
    select * from {{ part_of(ref('stg_klaviyo__email_events')) }}
),

listed as (
    select
        _batch_id,
        _row_number,
        {{ json_each('suppression_list') }} as entry
    from profiles
    where suppression_list is not null
),

-- Of several reasons the first given; at the same moment by name.
firsts as (
    select
        _batch_id,
        _row_number,
        min(concat_ws('|', {{ json_text('entry', '$.timestamp') }}, {{ json_text('entry', '$.reason') }})) as first_entry
    from listed
    group by _batch_id, _row_number
),

stated as (
    select
        profiles.*,
        case split_part(firsts.first_entry, '|', 2)
            when 'HARD_BOUNCE' then 'hard bounce'
            when 'UNSUBSCRIBE' then 'unsubscribed'
            when 'SPAM_COMPLAINT' then 'marked as spam'
            else lower(replace(nullif(split_part(firsts.first_entry, '|', 2), ''), '_', ' '))
        end as reason,
        coalesce({{ utc("nullif(split_part(firsts.first_entry, '|', 1), '')") }}, profiles.profile_updated_at) as occurred_at
    from profiles
    left join firsts on profiles._batch_id = firsts._batch_id and profiles._row_number = firsts._row_number
)

select
    'klaviyo' as source,
    id as source_customer_id,
    concat_ws('|', 'klaviyo', id) as suppression_id,
    'email' as channel,
    reason,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    profile_updated_at as version_at,
    _row_number as version_number,
    _batch_id
from stated
union all by name
select
    source,
    source_customer_id,
    concat_ws('|', 'klaviyo', 'event', email_event_id) as suppression_id,
    'email' as channel,
    case when event = 'spam' then 'marked as spam' else 'hard bounce' end as reason,
    occurred_at,
    known_at,
    version_at,
    version_number,
    _batch_id
from events
where event = 'spam' or (event = 'bounced' and coalesce(bounce_type, 'hard') <> 'soft')
