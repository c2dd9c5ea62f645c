-- One row per contact: what the customer bought in the seven days after.
{{ config(materialized='ephemeral') }}
with

contacts as (
    select * from {{ ref('campaign_contacts') }}
),

orders as (
    select * from {{ ref('fct_orders') }} where superseded_at is null and customer_id is not null
)

select
    contacts.campaign,
    contacts.step,
    contacts.variant,
    contacts.customer_id,
    contacts.is_contacted,
    contacts.contacted_at,
    count(orders.order_id) as orders_count,
    cast(coalesce(sum(orders.net_amount), 0) as decimal(18, 2)) as revenue
from contacts
left join orders
    on
        contacts.customer_id = orders.customer_id
        and orders.occurred_at >= contacts.contacted_at
        and orders.occurred_at < contacts.contacted_at + to_days(7)
group by all
