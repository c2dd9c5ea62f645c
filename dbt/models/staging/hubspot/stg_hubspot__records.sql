-- One row per contact and change.
with

contacts as (
    select * from {{ source('sources', 'hubspot__contacts') }}
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
    nullif(trim(email), '') as email,
    nullif(trim(phone_number), '') as phone,
    nullif(trim(first_name), '') as first_name,
    nullif(trim(last_name), '') as last_name,
    nullif(trim(street_address), '') as street,
    nullif(trim(city), '') as city,
    nullif(trim(state_region), '') as region,
    nullif(trim(postal_code), '') as postal_code,
    nullif(trim(country_region), '') as country,
    try_cast(date_of_birth as date) as birth_date,
    lower(nullif(trim(gender), '')) as gender,
    nullif(trim(preferred_language), '') as language,
    nullif(trim(time_zone), '') as timezone,
    nullif(trim(membership_tier), '') as membership_tier,
    nullif(trim(original_source), '') as signup_source,
    nullif(trim(interests), '') as interests,
    nullif(concat_ws(';', nullif(trim(dietary_preference), ''), nullif(trim(clothing_size), '')), '') as preferences,
    cast(null as varchar) as login_id
from timed
