-- One row per as_of and web event, of anybody.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

web_events as (
    select
        as_of,
        customer_id,
        session_id,
        occurred_at,
        event,
        device
    from {{ known(ref('fct_web_events')) }} as web_events
),

shop as (
    select zone from {{ source('sources', 'shop') }}
)

select
    web_events.as_of,
    web_events.customer_id,
    web_events.session_id,
    web_events.event,
    web_events.device,
    {{ days_between('web_events.occurred_at', 'web_events.as_of') }} as age_days,
    {{ daypart('web_events.occurred_at', 'shop.zone') }} as daypart
from web_events
cross join shop
