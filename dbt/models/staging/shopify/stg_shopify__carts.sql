-- One row per begun checkout and what was known of it: begun, and then completed.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

checkouts as (
    select
        *,
        {{ utc('created_at') }} as occurred_at,
        {{ utc('completed_at') }} as became_order_at,
        nullif(trim(email), '') as stated_email,
        nullif(trim(phone), '') as stated_phone
    from {{ part_of(source('sources', 'shopify__checkouts')) }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

-- A state is its own row, from when it came about: history has not always known how a checkout ended.
states as (
    select
        *,
        cast(null as timestamp) as completed_at_then,
        occurred_at as version_at,
        {{ known_at('occurred_at') }} as known_at
    from checkouts
    union all by name
    select
        *,
        became_order_at as completed_at_then,
        became_order_at as version_at,
        {{ known_at('became_order_at') }} as known_at
    from checkouts
    where became_order_at is not null
)

select
    'shopify' as source,
    states.id as cart_id,
    -- Whoever has no account is known by the address, else by the number left behind.
    coalesce({{ buyer(json_text('states.customer', '$.id'), 'states.email') }}, 'phone:' || md5(states.stated_phone)) as source_customer_id,
    case when {{ json_text('states.customer', '$.id') }} is null then states.stated_email end as guest_email,
    case when {{ json_text('states.customer', '$.id') }} is null then states.stated_phone end as guest_phone,
    states.occurred_at,
    states.known_at,
    states.version_at,
    states._row_number as version_number,
    states._batch_id,
    states.line_items as items,
    states.abandoned_checkout_url as url,
    states.currency,
    cast(cast(states.total_price as decimal(18, 2)) * rates.rate as decimal(18, 2)) as total_amount,
    states.completed_at_then as completed_at
from states
inner join rates on states.currency = rates.currency
