-- One row per customer, channel and purpose: the newest word at hand, whatever the moment.
{{ config(materialized='view') }}
with

standing as (
    select * from {{ ref('fct_consents') }} where superseded_at is null
),

-- What the shop keeps a consent log of: there no other system can grant, though each can take back.
logged as (
    select distinct
        channel,
        purpose
    from standing
    where is_logged
),

counted as (
    select standing.*
    from standing
    left join logged on standing.channel = logged.channel and standing.purpose = logged.purpose
    where
        standing.customer_id is not null
        and (standing.state = 'withdrawn' or standing.is_logged or logged.purpose is null)
),

statements as (
    select * from {{ holding('counted') }} as statements
),

suppressed as (
    select distinct
        customer_id,
        channel
    from {{ ref('fct_suppressions') }}
    where superseded_at is null
)

select
    statements.customer_id,
    statements.channel,
    statements.purpose,
    statements.state = 'granted' and suppressed.customer_id is null as is_permitted,
    case when suppressed.customer_id is not null then 'suppressed' else statements.evidence end as evidence,
    statements.known_at
from statements
left join suppressed on statements.customer_id = suppressed.customer_id and statements.channel = suppressed.channel
