-- One row per as_of, decided moment, campaign, step and customer, the customer as the links of as_of have them.
{{ config(materialized='view') }}
select
    as_of,
    decided_as_of as decided_at,
    campaign,
    step,
    customer_id,
    decision,
    reason,
    variant,
    send_at
from {{ decisions_until(ref('delivered_decisions')) }} as decisions
