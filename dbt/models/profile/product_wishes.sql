-- One row per as_of and customer who stated what products must or must not be, in any of their records.
{{ config(materialized='view') }}
with

stated as (
    select
        as_of,
        customer_id,
        string_agg(distinct preferences, ';' order by preferences) as preferences
    from {{ valid(ref('int_customer_records_linked')) }} as records
    where preferences is not null
    group by as_of, customer_id
),

read_from as (
    select
        as_of,
        customer_id,
        regexp_extract_all(lower(concat(';', replace(preferences, ';', ';;'), ';')), ';\s*(vegan|size:[^;]+);', 1) as required_tags,
        regexp_extract_all(preferences, 'never:([^;]+)', 1) as never
    from stated
)

select
    as_of,
    customer_id,
    required_tags,
    -- Never to be shown: a tag, a category, or a product's number.
    never as forbidden_tags,
    never as excluded_categories,
    never as excluded_products
from read_from
where len(required_tags) + len(never) > 0
