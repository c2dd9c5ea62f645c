-- One row per as_of, campaign, step and customer to send to, with what a mail may say of them.
{{ config(materialized='view') }}
with

decisions as (
    select * from {{ ref('campaign_decisions') }} where decision = 'send'
),

customers as (
    select * from {{ valid(ref('dim_customers')) }} as customers
),

-- Only of those who may be profiled: nobody else has features.
tastes as (
    select
        as_of,
        customer_id,
        favourite_category
    from {{ ref('customer_features') }}
),

-- What a mail is permitted by.
permissions as (
    select * from {{ ref('customer_permissions') }} where channel = 'email' and purpose = 'marketing'
),

carts as (
    select * from {{ known(ref('fct_carts')) }} as carts
    qualify row_number() over (partition by as_of, customer_id, occurred_at order by cart_id) = 1
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
    customers.membership_tier,
    tastes.favourite_category,
    case when permissions.is_soft_opt_in then 'purchase' else 'consent' end as permission,
    carts.items as cart_items,
    carts.url as cart_url,
    carts.currency as cart_currency,
    carts.total_amount as cart_total
from decisions
cross join shop
inner join customers on decisions.as_of = customers.as_of and decisions.customer_id = customers.customer_id
left join permissions on decisions.as_of = permissions.as_of and decisions.customer_id = permissions.customer_id
left join tastes on decisions.as_of = tastes.as_of and decisions.customer_id = tastes.customer_id
left join carts
    on decisions.as_of = carts.as_of and decisions.customer_id = carts.customer_id and decisions.began_at = carts.occurred_at
