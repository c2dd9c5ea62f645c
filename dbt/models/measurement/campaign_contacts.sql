-- One row per campaign, step and customer contacted or held out, and moment.
select
    campaign,
    step,
    variant,
    customer_id,
    decision = 'send' as is_contacted,
    decided_at as contacted_at
from {{ ref('campaign_decisions') }}
where decision in ('send', 'holdout')
