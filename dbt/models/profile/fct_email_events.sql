-- One row per e-mail event version.
{{ config(materialized='kept', meta={'part': 'email_event_id'}) }}
with

stated as (
    select * from {{ all_sources('email_events') }}
),

email_events as (
    select * from {{ versions('stated', 'email_event_id') }} as versions
),

linked as (
    select * from {{ linked('email_events') }} as facts
)

select
    email_event_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    event,
    campaign,
    variant,
    subject,
    url,
    device,
    is_machine,
    bounce_type
from linked
