-- One row per statement of a contact on a purpose, as each change of the contact repeats it.
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
),

stated as (
    select
        *,
        'marketing' as purpose,
        'withdrawn' as state,
        'Unsubscribed from all email' as evidence
    from timed
    where lower(unsubscribed_from_all_email) in ('true', 'yes', '1')
    union all
    select
        *,
        'profiling' as purpose,
        case when legal_basis = 'Freely given consent from contact' then 'granted' else 'withdrawn' end as state,
        concat('Legal basis: ', legal_basis) as evidence
    from timed
    where legal_basis is not null
)

select
    'hubspot' as source,
    record_id as source_customer_id,
    concat_ws('|', 'hubspot', record_id, purpose, cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    purpose,
    state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    evidence
from stated
