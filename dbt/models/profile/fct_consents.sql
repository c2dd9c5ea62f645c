-- One row per consent statement version.
{{ config(materialized='kept', meta={'part': 'consent_id'}) }}
with

stated as (
    select
        *,
        false as is_soft_opt_in
    from {{ all_sources('consents') }}
    union all by name
    select
        *,
        true as is_soft_opt_in
    from {{ part_of(ref('int_soft_opt_ins')) }} as soft_opt_ins
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
    source_customer_id,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    channel,
    purpose,
    state,
    evidence,
    is_soft_opt_in,
    source in ('{{ var('consent_logs').keys() | join("', '") }}') as is_logged
from linked
