-- One row per as_of and stated preference that no rule of recommendations reads.
{{ config(materialized='view') }}
with

wishes as (
    select
        as_of,
        customer_id,
        lower(trim(unnest(string_split(preferences, ';')))) as wish
    from {{ wishes_stated() }} as stated
)

select
    as_of,
    wish,
    count(distinct customer_id) as customers_count
from wishes
where wish <> '' and not regexp_matches(wish, '^({{ wishes_read().values() | join('|') }})$')
group by as_of, wish
