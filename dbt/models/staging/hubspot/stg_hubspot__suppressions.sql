-- One row per contact and change that asks for no e-mail at all.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

contacts as (
    select * from {{ part_of(source('sources', 'hubspot__contacts')) }}
),

shop as (
    select * from {{ source('sources', 'shop') }}
),

timed as (
    select
        contacts.*,
        {{ local_to_utc('contacts.last_modified_date', 'shop.zone') }} as occurred_at
    from contacts
    cross join shop
)

select
    'hubspot' as source,
    record_id as source_customer_id,
    concat_ws('|', 'hubspot', record_id) as suppression_id,
    'email' as channel,
    case when lower(unsubscribed_from_all_email) in ('true', 'yes', '1') then 'unsubscribed from all' end as reason,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id
from timed
