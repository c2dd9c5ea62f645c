-- One row per source record and version.
{{ config(materialized='kept', meta={'part': "concat(source, ':', source_customer_id)"}) }}
with

stated as (
    select * from {{ all_sources('records') }}
),

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
        min(phone) as phone
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
        false as is_person
    from reviews
    where source_customer_id is not null
    group by source, source_customer_id
),

records as (
    select * from stated
    union all by name
    select * from mentioned
    union all by name
    select * from reviewers
),

versions as (
    select * from {{ versions('records', 'source, source_customer_id') }} as versions
)

select
    concat(source, ':', source_customer_id) as record_id,
    * exclude (is_person),
    -- A record that is no person (a browser, a card, a bought-in row) belongs to a customer only by what it shares with one who is.
    coalesce(bool_or(is_person) over (partition by source, source_customer_id), true) as is_person
from versions
