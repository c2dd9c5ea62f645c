-- One row per call of the account service.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

calls as (
    select
        *,
        {{ utc('"timestamp"') }} as occurred_at
    from {{ part_of(source('sources', 'accounts__events')) }}
)

select
    'accounts' as source,
    message_id as account_event_id,
    user_id as source_customer_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    case when type = 'identify' then 'identified' else lower(replace(event, ' ', '_')) end as event,
    anonymous_id as browser_id,
    coalesce(
        {{ json_text('properties', '$.plan') }},
        {{ json_text('properties', '$.source') }},
        {{ json_text('properties', '$.method') }}
    ) as detail
from calls
