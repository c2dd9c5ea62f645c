-- One row per as_of, customer and address.
{{ config(materialized='view') }}
with

-- Somebody is known by every address that they ever gave, as it was written.
given as (
    select
        links.as_of,
        links.customer_id,
        lower(trim(records.email)) as email
    from {{ valid(source('identity', 'customer_links')) }} as links
    inner join {{ ever_known(ref('customer_records')) }} as records
        on
            links.as_of = records.as_of
            and links.source = records.source
            and links.source_customer_id = records.source_customer_id
    where records.email is not null
),

mailed_to as (
    select
        as_of,
        customer_id,
        lower(email) as email
    from {{ ref('current_customers') }}
    where email is not null
)

select * from given
union
select * from mailed_to
