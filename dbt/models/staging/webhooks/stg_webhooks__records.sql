-- One row per user that a webhook named: a person only where another system knows the login.
with

events as (
    select source_customer_id, occurred_at, known_at from {{ ref('stg_webhooks__carts') }}
    union all
    select source_customer_id, occurred_at, known_at from {{ ref('stg_webhooks__web_events') }}
)

select
    'webhooks' as source,
    source_customer_id,
    min(occurred_at) as created_at,
    min(known_at) as known_at,
    min(occurred_at) as version_at,
    1 as version_number,
    source_customer_id as login_id,
    false as is_person
from events
group by source_customer_id
