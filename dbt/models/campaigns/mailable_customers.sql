-- One row per as_of and customer who may be written to.
{{ config(materialized='view') }}
with

customers as (
    select * from {{ valid(ref('dim_customers')) }} as customers
),

permitted as (
    select
        as_of,
        customer_id,
        channel
    from {{ ref('customer_permissions') }}
    where channel in ('email', 'sms') and purpose = 'marketing' and is_permitted
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

-- Of the mails of a day the one that comes first.
mails as (
    select * from {{ ref('campaign_decisions') }} where decision = 'send'
    qualify row_number() over (partition by as_of, customer_id order by send_at, campaign, step) = 1
),

questions as (
    select * from {{ ref('next_questions') }}
),

shop as (
    select * from {{ source('sources', 'shop') }}
)

select
    customers.as_of,
    customers.customer_id,
    customers.email,
    case when by_text.customer_id is not null then customers.phone_e164 end as phone_e164,
    customers.first_name,
    customers.last_name,
    customers.country,
    customers.region,
    customers.city,
    customers.postal_code,
    coalesce(customers.language, shop.language) as language,
    customers.timezone,
    customers.membership_tier,
    memberships.segments,
    {{ of_global_holdout('customers.customer_id') }} as is_held_out,
    mails.campaign as next_campaign,
    mails.step as next_step,
    questions.field as next_question
from customers
cross join shop
inner join permitted
    on customers.as_of = permitted.as_of and customers.customer_id = permitted.customer_id and permitted.channel = 'email'
left join permitted as by_text
    on customers.as_of = by_text.as_of and customers.customer_id = by_text.customer_id and by_text.channel = 'sms'
left join suppressed on customers.as_of = suppressed.as_of and customers.customer_id = suppressed.customer_id
left join memberships on customers.as_of = memberships.as_of and customers.customer_id = memberships.customer_id
left join mails on customers.as_of = mails.as_of and customers.customer_id = mails.customer_id
left join questions on customers.as_of = questions.as_of and customers.customer_id = questions.customer_id
where suppressed.customer_id is null and (shop.address_held_by = 'tool' or customers.email_status = 'valid')
