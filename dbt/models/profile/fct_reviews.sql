-- One row per review version.
{{ config(materialized='kept', meta={'part': 'review_id'}) }}
with

stated as (
    select * from {{ all_sources('reviews') }}
),

reviews as (
    select * from {{ versions('stated', 'review_id') }} as versions
),

linked as (
    select * from {{ linked('reviews') }} as facts
)

select
    review_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    product_id,
    rating,
    title,
    body,
    is_verified
from linked
