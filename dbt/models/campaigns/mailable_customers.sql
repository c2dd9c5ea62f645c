-- One row per as_of and customer who may be written to.
{{ config(materialized='view') }}
with

customers as (
    select * from {{ valid(ref('dim_customers')) }} as customers
),

permitted as (
    select
        as_of,
        customer_id
    from {{ ref('customer_permissions') }}
    where channel = 'email' and purpose = 'marketing' and is_permitted
),

suppressed as (
    select * from {{ ref('customer_suppressions') }} where channel = 'email'
),

memberships as (
    select
        as_of,
        customer_id,
        string_agg(segment, ';' order by segment) as segments
    from {{ ref('customer_segments') }}
    group by as_of, customer_id
),

shop as (
    select * from {{ source('sources', 'shop') }}
)

select
    customers.as_of,
    customers.customer_id,
    customers.email,
    customers.first_name,
    customers.last_name,
    customers.country,
    customers.city,
    coalesce(customers.language, shop.language) as language,
    customers.membership_tier,
    memberships.segments
from customers
cross join shop
inner join permitted on customers.as_of = permitted.as_of and customers.customer_id = permitted.customer_id
left join suppressed on customers.as_of = suppressed.as_of and customers.customer_id = suppressed.customer_id
left join memberships on customers.as_of = memberships.as_of and customers.customer_id = memberships.customer_id
where suppressed.customer_id is null and (shop.address_held_by = 'tool' or customers.email_status = 'valid')
