-- One row per as_of, customer, channel and purpose: the statement that holds whatever the day, until something is said or an address becomes known.
{{ config(materialized='kept', meta={
    'part': 'customer_id',
    'windows': [],
    'training_days': true,
    'touched_by': {'int_logged_purposes': ['channel', 'purpose'], 'int_record_addresses': ['source', 'source_customer_id']},
}) }}
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
    select * from {{ ref('int_logged_purposes') }}
),

-- A grant counts from when it was given, a withdrawal from when it is known.
effective as (
    select statements.*
    from statements
    left join logged
        on statements.as_of = logged.as_of and statements.channel = logged.channel and statements.purpose = logged.purpose
    where
        statements.customer_id is not null
        and (
            statements.state = 'withdrawn'
            or (statements.occurred_at < statements.as_of and (statements.is_logged or logged.purpose is null))
        )
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
