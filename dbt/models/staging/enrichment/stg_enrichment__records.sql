-- One row per address and delivery: bought-in knowledge makes nobody a customer, it adds to those whom another system knows.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

persons as (
    select
        *,
        cast(cast(updated_at as date) as timestamp) as version_at
    from {{ part_of(source('sources', 'enrichment__persons')) }}
)

select
    'enrichment' as source,
    md5(lower(trim(email))) as source_customer_id,
    version_at as created_at,
    {{ known_at('version_at') }} as known_at,
    version_at,
    _row_number as version_number,
    _batch_id,
    lower(trim(email)) as email,
    {{ said('urbanity') }} as urbanity,
    cast(household_size as integer) as household_size,
    lower(has_children) in ('true', 'yes', '1') as has_children,
    {{ said('"values"') }} as personal_values,
    {{ said('social_activity') }} as social_activity,
    {{ said('income_band') }} as income_band,
    false as is_person
from persons
