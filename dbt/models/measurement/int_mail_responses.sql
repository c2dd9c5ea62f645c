-- One row per campaign and customer who was mailed: what the mail's own events say.
{{ config(materialized='ephemeral') }}
with

events as (
    select * from {{ ref('fct_email_events') }} where superseded_at is null and customer_id is not null
),

mailings as (
    select distinct
        campaign,
        campaign_name
    from {{ ref('fct_past_mailings') }}
)

select
    coalesce(mailings.campaign_name, events.campaign) as campaign,
    events.customer_id,
    bool_or(events.event = 'received') as is_delivered,
    -- A machine that opens every mail to look for harm is no reader.
    bool_or(events.event = 'opened' and not coalesce(events.is_machine, false)) as has_opened,
    bool_or(events.event = 'clicked' and not coalesce(events.is_machine, false)) as has_clicked
from events
left join mailings on events.campaign = mailings.campaign
group by coalesce(mailings.campaign_name, events.campaign), events.customer_id
