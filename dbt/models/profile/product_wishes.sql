-- One row per as_of and customer who stated what products must or must not be, in any of their records.
{{ config(materialized='view') }}
with

stated as (
    select * from {{ wishes_stated() }} as stated
),

read_from as (
    select
        as_of,
        customer_id,
        regexp_extract_all(lower(concat(';', replace(preferences, ';', ';;'), ';')), ';\s*({{ wishes_read()['required'] }})\s*;', 1) as required_tags,
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
