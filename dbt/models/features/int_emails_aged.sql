-- One row per as_of and e-mail event.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

email_events as (
    select
        as_of,
        customer_id,
        {{ mail_of('email_events') }} as mail,
        occurred_at,
        device,
        -- What a mail program fetches by itself is no opening.
        case when event = 'opened' and is_machine then 'fetched' else event end as event
    from {{ known(ref('fct_email_events')) }} as email_events
),

shop as (
    select zone from {{ source('sources', 'shop') }}
)

select
    email_events.as_of,
    email_events.customer_id,
    email_events.mail,
    email_events.event,
    email_events.occurred_at,
    email_events.device,
    {{ daypart('email_events.occurred_at', 'shop.zone') }} as daypart,
    {{ days_between('email_events.occurred_at', 'email_events.as_of') }} as age_days,
    cast(extract(hour from {{ utc_to_local('email_events.occurred_at', 'shop.zone') }}) as integer) as local_hour
from email_events
cross join shop
