-- One row per as_of, campaign, step and customer to send to, with what a mail may say of them.
{{ config(materialized='view') }}
with

decisions as (
    select * from {{ ref('campaign_decisions') }} where decision = 'send'
),

customers as (
    select * from {{ valid(ref('dim_customers')) }} as customers
),

shop as (
    select * from {{ source('sources', 'shop') }}
)

select
    decisions.as_of,
    decisions.campaign,
    decisions.step,
    decisions.variant,
    decisions.customer_id,
    decisions.send_at,
    customers.email,
    customers.phone_e164,
    customers.first_name,
    customers.last_name,
    customers.country,
    customers.region,
    customers.city,
    coalesce(customers.language, shop.language) as language,
    customers.membership_tier
from decisions
cross join shop
inner join customers on decisions.as_of = customers.as_of and decisions.customer_id = customers.customer_id
