-- One row per account event version.
{{ config(materialized='kept', meta={'part': 'account_event_id'}) }}
with

stated as (
    select * from {{ all_sources('account_events') }}
),

account_events as (
    select * from {{ versions('stated', 'account_event_id') }} as versions
),

linked as (
    select * from {{ linked('account_events') }} as facts
)

select
    account_event_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    event,
    detail
from linked
