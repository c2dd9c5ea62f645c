-- One row per account and change of what it says of its holder.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

calls as (
    select
        *,
        {{ utc('"timestamp"') }} as occurred_at
    from {{ part_of(source('sources', 'accounts__events')) }}
    where type = 'identify'
)

select
    'accounts' as source,
    user_id as source_customer_id,
    occurred_at as created_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    {{ said(json_text('traits', '$.email')) }} as email,
    cast(null as varchar) as phone,
    {{ said(json_text('traits', '$.firstName')) }} as first_name,
    {{ said(json_text('traits', '$.lastName')) }} as last_name,
    user_id as login_id
from calls
