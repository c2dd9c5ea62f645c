-- One row per customer, channel and purpose: the newest word at hand, whatever the moment.
{{ config(materialized='view') }}
with

statements as (
    select
        *,
        row_number() over (
            partition by customer_id, channel, purpose
            order by is_soft_opt_in, occurred_at desc, state desc, known_at desc, consent_id desc
        ) as recency
    from {{ ref('fct_consents') }}
    where superseded_at is null and customer_id is not null
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
where statements.recency = 1
