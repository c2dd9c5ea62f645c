-- One row per consent statement version.
with

stated as (
    select * from {{ all_sources('consents') }}
),

consents as (
    select * from {{ versions('stated', 'consent_id') }} as versions
),

linked as (
    select * from {{ linked('consents') }} as facts
)

select
    consent_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    channel,
    purpose,
    state,
    evidence
from linked
