-- One row per wish version.
{{ config(materialized='kept', meta={'part': 'wish_id'}) }}
with

stated as (
    select * from {{ all_sources('wishes') }}
),

wishes as (
    select * from {{ versions('stated', 'wish_id') }} as versions
),

linked as (
    select * from {{ linked('wishes') }} as facts
)

select
    wish_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    product_id,
    variant_id,
    removed_at
from linked
