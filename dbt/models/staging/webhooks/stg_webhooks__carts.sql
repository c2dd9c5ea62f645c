-- One row per abandoned cart that was reported.
with

events as (
    select
        *,
        {{ utc('received_at') }} as occurred_at
    from {{ source('sources', 'webhooks__cart_abandons') }}
),

shop as (
    select * from {{ source('sources', 'shop') }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
)

select
    'webhooks' as source,
    concat_ws('|', 'webhooks', events.user_id, events.received_at) as cart_id,
    events.user_id as source_customer_id,
    cast(null as varchar) as guest_email,
    cast(null as varchar) as guest_phone,
    events.occurred_at,
    {{ known_at('events.occurred_at') }} as known_at,
    events._known_at as version_at,
    events._row_number as version_number,
    events.items,
    cast(null as varchar) as url,
    coalesce(events.currency, shop.currency) as currency,
    cast(cast(events.cart_value as decimal(18, 2)) * rates.rate as decimal(18, 2)) as total_amount,
    cast(null as timestamp) as completed_at
from events
cross join shop
inner join rates on coalesce(events.currency, shop.currency) = rates.currency
