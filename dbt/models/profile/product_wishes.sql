-- One row per as_of and customer who stated what products must or must not be.
{{ config(materialized='view') }}
with

customers as (
    select
        as_of,
        customer_id,
        lower(preferences) as preferences
    from {{ valid(ref('dim_customers')) }} as customers
    where preferences is not null
)

select
    as_of,
    customer_id,
    case when contains(concat(';', preferences, ';'), ';vegan;') then 'vegan' end as required_tags,
    cast(null as varchar) as forbidden_tags,
    cast(null as varchar) as excluded_categories
from customers
where contains(concat(';', preferences, ';'), ';vegan;')
