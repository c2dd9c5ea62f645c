-- One row per member of an audience and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

members as (
    select
        *,
        {{ utc('coalesce(timestamp_signup, timestamp_opt, last_changed)') }} as signed_up_at,
        {{ utc('last_changed') }} as version_at
    from {{ part_of(source('sources', 'mailchimp__members')) }}
)

select
    'mailchimp' as source,
    id as source_customer_id,
    signed_up_at as created_at,
    {{ known_at('signed_up_at') }} as known_at,
    version_at,
    _row_number as version_number,
    _batch_id,
    {{ said('email_address') }} as email,
    cast(null as varchar) as phone,
    {{ said('first_name') }} as first_name,
    {{ said('last_name') }} as last_name,
    cast(null as varchar) as street,
    cast(null as varchar) as city,
    cast(null as varchar) as region,
    cast(null as varchar) as postal_code,
    {{ country_code('country_code') }} as country,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    {{ language_code('language') }} as language,
    {{ said('timezone') }} as timezone,
    cast(null as varchar) as membership_tier,
    'mailchimp' as signup_source,
    cast(null as varchar) as interests,
    cast(null as varchar) as preferences
from members
