-- One row per as_of, customer, channel and purpose.
{{ config(materialized='days', meta={'training_days': true}) }}
with

-- A day that only teaches models asks who may be profiled, and nothing else.
asked as (
    select
        as_of,
        is_day or as_of in (select as_of from {{ source('sources', 'built_days') }}) as is_day
    from {{ source('sources', 'run_days') }}
),

statements as (
    select statements.*
    from {{ known_anytime(ref('fct_consents')) }} as statements
    inner join asked on statements.as_of = asked.as_of
    where asked.is_day or statements.purpose = 'profiling'
),

-- What the shop keeps a consent log of: there no other system can grant, though each can take back.
logged as (
    select distinct
        as_of,
        channel,
        purpose
    from statements
    where is_logged
),

counted as (
    select statements.*
    from statements
    left join logged
        on statements.as_of = logged.as_of and statements.channel = logged.channel and statements.purpose = logged.purpose
    where statements.state = 'withdrawn' or statements.is_logged or logged.purpose is null
),

-- A grant counts from when it was given, a withdrawal from when it is known.
effective as (
    select * from counted
    where customer_id is not null and (state = 'withdrawn' or occurred_at < as_of)
),

permissions as (
    select * from {{ holding('effective', moment='as_of') }} as statements
)

select
    as_of,
    customer_id,
    channel,
    purpose,
    state = 'granted' as is_permitted,
    occurred_at as since,
    evidence,
    is_soft_opt_in
from permissions
