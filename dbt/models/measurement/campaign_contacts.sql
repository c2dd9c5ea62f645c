-- One row per campaign, step and customer contacted or held out, and moment.
with

ours as (
    select
        campaign,
        step,
        variant,
        customer_id,
        decision = 'send' as is_contacted,
        decided_at as contacted_at
    from {{ ref('campaign_decisions') }}
    where decision in ('send', 'holdout')
),

-- What another tool sent before, from its own list of recipients and of those it held out.
theirs as (
    select
        campaign_name as campaign,
        'mail' as step,
        variant,
        customer_id,
        not is_holdout as is_contacted,
        contacted_at
    from {{ ref('fct_past_mailings') }}
    where superseded_at is null and customer_id is not null
),

contacts as (
    select * from ours
    union all
    select * from theirs
)

-- Two records of one person may both have been mailed: one contact a person.
select distinct
    campaign,
    step,
    variant,
    customer_id,
    is_contacted,
    contacted_at
from contacts
