-- One row per campaign, step and customer contacted or held out, and moment.
with

-- Up to the day before the newest: that one's mails are not delivered yet when this is built.
ours as (
    select
        history.campaign,
        history.step,
        history.variant,
        coalesce(links.customer_id, history.customer_id) as customer_id,
        history.decision = 'send' as is_contacted,
        history.as_of as contacted_at
    from {{ source('campaigns', 'contact_history') }} as history
    left join {{ first_records() }} as anchors on history.customer_id = anchors.customer_id
    left join {{ source('identity', 'customer_links') }} as links
        on anchors.source = links.source and anchors.source_customer_id = links.source_customer_id and links.valid_to is null
    where history.as_of < (select max(decisions.as_of) from {{ ref('campaign_decisions') }} as decisions)
),

-- What another tool sent before, from its own list of recipients and of those it held out; our own mails come back in it too.
theirs as (
    select
        campaign_name as campaign,
        'mail' as step,
        variant,
        customer_id,
        not is_holdout as is_contacted,
        contacted_at
    from {{ ref('fct_past_mailings') }}
    where superseded_at is null and customer_id is not null and campaign not in (select campaign from ours)
),

contacts as (
    select * from ours
    union all
    select * from theirs
)

-- Two records of one person may both have been met, one mailed and one held out: who got the mail is mailed.
select
    campaign,
    step,
    variant,
    customer_id,
    is_contacted,
    contacted_at
from contacts
qualify row_number() over (partition by campaign, step, customer_id, contacted_at order by is_contacted desc, variant) = 1
