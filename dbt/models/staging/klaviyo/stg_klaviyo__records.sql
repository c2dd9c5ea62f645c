-- One row per profile and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

profiles as (
    select
        *,
        {{ utc(json_text('attributes', '$.created')) }} as profile_created_at,
        {{ utc("coalesce(" ~ json_text('attributes', '$.updated') ~ ", " ~ json_text('attributes', '$.created') ~ ")") }} as profile_updated_at
    from {{ part_of(source('sources', 'klaviyo__profiles')) }}
)

select
    'klaviyo' as source,
    id as source_customer_id,
    profile_created_at as created_at,
    {{ known_at('profile_created_at') }} as known_at,
    profile_updated_at as version_at,
    _row_number as version_number,
    _batch_id,
    {{ said(json_text('attributes', '$.email')) }} as email,
    {{ said(json_text('attributes', '$.phone_number')) }} as phone,
    {{ said(json_text('attributes', '$.first_name')) }} as first_name,
    {{ said(json_text('attributes', '$.last_name')) }} as last_name,
    {{ said(json_text('attributes', '$.location.address1')) }} as street,
    {{ said(json_text('attributes', '$.location.city')) }} as city,
    {{ said(json_text('attributes', '$.location.region')) }} as region,
    {{ said(json_text('attributes', '$.location.zip')) }} as postal_code,
    {{ country_code(json_text('attributes', '$.location.country')) }} as country,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    {{ language_code(json_text('attributes', '$.locale')) }} as language,
    {{ said(json_text('attributes', '$.location.timezone')) }} as timezone,
    cast(null as varchar) as membership_tier,
    {{ said(json_text('attributes', '$.properties.$source')) }} as signup_source,
    cast(null as varchar) as interests,
    cast(null as varchar) as preferences,
    {{ said(json_text('attributes', '$.external_id')) }} as login_id
from profiles
