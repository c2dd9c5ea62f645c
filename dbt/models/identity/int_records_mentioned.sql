-- One row per source record that an order, a cart or a review names, by what named it.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

orders as (
    select * from {{ all_sources('orders') }}
),

carts as (
    select * from {{ all_sources('carts') }}
),

reviews as (
    select * from {{ all_sources('reviews') }}
),

-- An order or a cart names its customer before, or without, the customer's own extract: a guest has no other record.
named as (
    select source, source_customer_id, occurred_at, known_at, guest_email as email, cast(null as varchar) as phone
    from orders
    union all
    select source, source_customer_id, occurred_at, known_at, guest_email as email, guest_phone as phone
    from carts
),

mentioned as (
    select
        source,
        source_customer_id,
        min(occurred_at) as created_at,
        min(known_at) as known_at,
        cast('1900-01-01' as timestamp) as version_at,
        0 as version_number,
        min(email) as email,
        min(phone) as phone,
        cast(null as boolean) as is_person
    from named
    where source_customer_id is not null
    group by source, source_customer_id
),

reviewers as (
    select
        source,
        source_customer_id,
        min(occurred_at) as created_at,
        min(known_at) as known_at,
        min(occurred_at) as version_at,
        0 as version_number,
        min(reviewer_email) as email,
        cast(null as varchar) as phone,
        false as is_person
    from reviews
    where source_customer_id is not null
    group by source, source_customer_id
)

select * from mentioned
union all
select * from reviewers
