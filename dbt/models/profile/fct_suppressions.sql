-- One row per suppression version.
{{ config(materialized='kept', meta={'part': 'suppression_id'}) }}
with

stated as (
    select * from {{ all_sources('suppressions') }}
),

suppressions as (
    select * from {{ versions('stated', 'suppression_id') }} as versions
),

linked as (
    select * from {{ linked('suppressions') }} as facts
)

select
    suppression_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    channel,
    reason
from linked
-- A version without a reason is a suppression that was lifted at its source.
where reason is not null
