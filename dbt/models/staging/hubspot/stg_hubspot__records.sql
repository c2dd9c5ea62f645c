-- One row per contact and change.
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
        {{ local_to_utc('contacts.create_date', 'shop.zone') }} as created_at,
        {{ local_to_utc('contacts.last_modified_date', 'shop.zone') }} as version_at
    from contacts
    cross join shop
)

select
    'hubspot' as source,
    record_id as source_customer_id,
    created_at,
    {{ known_at('created_at') }} as known_at,
    version_at,
    _row_number as version_number,
    _batch_id,
    {{ said('email') }} as email,
    {{ said('phone_number') }} as phone,
    {{ said('first_name') }} as first_name,
    {{ said('last_name') }} as last_name,
    {{ said('street_address') }} as street,
    {{ said('city') }} as city,
    {{ said('state_region') }} as region,
    {{ said('postal_code') }} as postal_code,
    {{ country_code('country_region') }} as country,
    try_cast(date_of_birth as date) as birth_date,
    lower(nullif(trim(gender), '')) as gender,
    {{ language_code('preferred_language') }} as language,
    -- HubSpot writes europe_slash_berlin.
    replace({{ said('time_zone') }}, '_slash_', '/') as timezone,
    {{ said('membership_tier') }} as membership_tier,
    {{ said('original_source') }} as signup_source,
    {{ said('interests') }} as interests,
    nullif(concat_ws(
        ';',
        {{ said('dietary_preference') }},
        'size:' || {{ said('clothing_size') }},
        'never:' || replace({{ said('not_interested_in') }}, ';', ';never:')
    ), '') as preferences,
    cast(null as varchar) as login_id,
    {{ said('loyalty_card') }} as loyalty_id
from timed
