-- One row per wished product and what was known of the wish: added, and then removed.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

wishes as (
    select
        *,
        {{ utc('added_at') }} as occurred_at,
        {{ utc('removed_at') }} as gone_at
    from {{ part_of(source('sources', 'shopify__wishlists')) }}
),

states as (
    select
        *,
        cast(null as timestamp) as removed_at_then,
        occurred_at as version_at,
        {{ known_at('occurred_at') }} as known_at
    from wishes
    union all by name
    select
        *,
        gone_at as removed_at_then,
        gone_at as version_at,
        {{ known_at('gone_at') }} as known_at
    from wishes
    where gone_at is not null
)

select
    'shopify' as source,
    id as wish_id,
    customer_id as source_customer_id,
    occurred_at,
    known_at,
    version_at,
    _row_number as version_number,
    _batch_id,
    product_id,
    variant_id,
    removed_at_then as removed_at
from states
