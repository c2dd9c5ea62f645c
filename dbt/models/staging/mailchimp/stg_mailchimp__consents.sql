-- One row per statement on e-mail marketing: a member's status as each change repeats it, and each unsubscribing from a mail.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

members as (
    select
        *,
        {{ utc('coalesce(timestamp_opt, timestamp_signup)') }} as opted_in_at,
        {{ utc('last_changed') }} as changed_at
    from {{ part_of(source('sources', 'mailchimp__members')) }}
),

stated as (
    select
        *,
        case when status = 'subscribed' then opted_in_at else changed_at end as occurred_at,
        case when status = 'subscribed' then 'granted' else 'withdrawn' end as state
    from members
    -- A member who has not confirmed yet, or only gets receipts, has said nothing either way, and nothing is no.
    where status in ('subscribed', 'unsubscribed', 'cleaned', 'archived')
),

unsubscribes as (
    select
        *,
        {{ utc('timestamp') }} as occurred_at
    from {{ part_of(source('sources', 'mailchimp__unsubscribes')) }}
)

select
    'mailchimp' as source,
    id as source_customer_id,
    concat_ws('|', 'mailchimp', list_id, id, state, cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    'marketing' as purpose,
    state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    changed_at as version_at,
    _row_number as version_number,
    _batch_id,
    concat('Mailchimp: ', status) as evidence
from stated
where occurred_at is not null
union all by name
select
    'mailchimp' as source,
    member_id as source_customer_id,
    concat_ws('|', 'mailchimp', 'unsubscribe', campaign_id, member_id, cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    'marketing' as purpose,
    'withdrawn' as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    concat_ws(' ', 'Mailchimp: unsubscribed from', campaign_id) as evidence
from unsubscribes
