-- One row per mail to a customer that something came back of: what its own events say.
{{ config(materialized='ephemeral') }}
with

-- What happens before the campaign's next mail to the same customer is of this one.
mails as (
    select
        campaign,
        step,
        customer_id,
        contacted_at,
        lead(contacted_at) over (partition by campaign, customer_id order by contacted_at) as next_contacted_at
    from {{ ref('campaign_contacts') }}
    where is_contacted
),

mailings as (
    select distinct
        campaign,
        campaign_name
    from {{ ref('fct_past_mailings') }}
    where campaign not in (select mails.campaign from mails)
),

events as (
    select
        coalesce(mailings.campaign_name, events.campaign) as campaign,
        events.customer_id,
        events.occurred_at,
        events.event,
        -- A machine that opens every mail to look for harm is no reader.
        not coalesce(events.is_machine, false) as is_reader
    from {{ ref('fct_email_events') }} as events
    left join mailings on events.campaign = mailings.campaign
    where events.superseded_at is null and events.customer_id is not null
)

select
    mails.campaign,
    mails.step,
    mails.customer_id,
    mails.contacted_at,
    bool_or(events.event = 'received') as is_delivered,
    bool_or(events.event = 'opened' and events.is_reader) as has_opened,
    bool_or(events.event = 'clicked' and events.is_reader) as has_clicked
from mails
inner join events
    on
        mails.campaign = events.campaign
        and mails.customer_id = events.customer_id
        and mails.contacted_at <= events.occurred_at
        and (mails.next_contacted_at is null or mails.next_contacted_at > events.occurred_at)
group by mails.campaign, mails.step, mails.customer_id, mails.contacted_at
