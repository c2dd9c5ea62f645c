-- One row per contact: what the mail's events say, and what the customer bought in the seven days after.
{{ config(materialized='ephemeral') }}
with

contacts as (
    select * from {{ ref('campaign_contacts') }}
),

orders as (
    select * from {{ ref('fct_orders') }} where superseded_at is null and customer_id is not null
),

-- Seven days must have passed before what followed can be told.
newest as (
    select max(as_of) as as_of from {{ ref('campaign_decisions') }}
),

responses as (
    select * from {{ ref('int_mail_responses') }}
),

bought as (
    select
        contacts.campaign,
        contacts.step,
        contacts.customer_id,
        contacts.contacted_at,
        count(*) as orders_count,
        sum(orders.net_amount) as revenue
    from contacts
    inner join orders
        on
            contacts.customer_id = orders.customer_id
            and orders.occurred_at >= contacts.contacted_at
            and orders.occurred_at < {{ add_days('contacts.contacted_at', 7) }}
    group by contacts.campaign, contacts.step, contacts.customer_id, contacts.contacted_at
)

select
    contacts.*,
    {{ add_days('contacts.contacted_at', 7) }} <= newest.as_of as is_closed,
    coalesce(bought.orders_count, 0) as orders_count,
    cast(coalesce(bought.revenue, 0) as decimal(18, 2)) as revenue,
    coalesce(responses.is_delivered, false) as is_delivered,
    coalesce(responses.has_opened, false) as has_opened,
    coalesce(responses.has_clicked, false) as has_clicked
from contacts
cross join newest
left join bought
    on
        contacts.campaign = bought.campaign
        and contacts.step = bought.step
        and contacts.customer_id = bought.customer_id
        and contacts.contacted_at = bought.contacted_at
left join responses
    on
        contacts.campaign = responses.campaign
        and contacts.step = responses.step
        and contacts.customer_id = responses.customer_id
        and contacts.contacted_at = responses.contacted_at
