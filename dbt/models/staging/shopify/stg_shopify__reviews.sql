-- One row per review and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

reviews as (
    select
        *,
        {{ utc('created_at') }} as occurred_at
    from {{ part_of(source('sources', 'shopify__reviews')) }}
)

select
    'shopify' as source,
    id as review_id,
    'reviewer:' || md5(nullif(lower(trim(customer_email)), '')) as source_customer_id,
    nullif(trim(customer_email), '') as reviewer_email,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    _known_at as version_at,
    _row_number as version_number,
    _batch_id,
    product_id,
    cast(rating as integer) as rating,
    title,
    body,
    lower(verified) in ('true', 'yes', '1') as is_verified
from reviews
