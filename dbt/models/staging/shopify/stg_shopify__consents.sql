-- One row per statement of an account on e-mail marketing, as each change of the account repeats it.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

customers as (
    select
        *,
        {{ json_text('email_marketing_consent', '$.state') }} as consent_state,
        {{ utc(json_text('email_marketing_consent', '$.consent_updated_at')) }} as occurred_at
    from {{ part_of(source('sources', 'shopify__customers')) }}
)

select
    'shopify' as source,
    id as source_customer_id,
    concat_ws('|', 'shopify', id, 'marketing', cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    'marketing' as purpose,
    case when consent_state = 'subscribed' then 'granted' else 'withdrawn' end as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    {{ utc('updated_at') }} as version_at,
    _row_number as version_number,
    _batch_id,
    concat('Shopify: ', consent_state) as evidence
from customers
-- Anything but these two says nothing either way, and nothing is no.
where consent_state in ('subscribed', 'unsubscribed') and occurred_at is not null
