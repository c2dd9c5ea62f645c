-- One row per as_of, campaign, step and customer whose turn it was.
{{ config(materialized='view') }}
select
    decisions.* replace (
        case when decisions.decision = 'send' and held_back.reason is not null then 'excluded' else decisions.decision end as decision,
        case when decisions.decision = 'send' then coalesce(held_back.reason, decisions.reason) else decisions.reason end as reason,
        case when held_back.reason is null then decisions.send_at end as send_at
    )
from {{ ref('campaign_decisions') }} as decisions
left join {{ source('campaigns', 'held_back') }} as held_back
    on decisions.as_of = held_back.as_of and decisions.campaign = held_back.feed and decisions.customer_id = held_back.customer_id
