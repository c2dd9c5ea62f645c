-- One row per member of an audience and change: why not to write there (null once nothing speaks against it).
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

members as (
    select
        *,
        {{ utc('last_changed') }} as occurred_at
    from {{ part_of(source('sources', 'mailchimp__members')) }}
)

select
    'mailchimp' as source,
    id as source_customer_id,
    concat_ws('|', 'mailchimp', list_id, id) as suppression_id,
    'email' as channel,
    case
        when lower(is_deleted) in ('true', 'yes', '1') then 'deleted'
        when status = 'cleaned' then 'hard bounce'
        when status = 'unsubscribed' then 'unsubscribed'
    end as reason,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id
from members
