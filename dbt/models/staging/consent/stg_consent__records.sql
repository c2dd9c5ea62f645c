-- One row per data subject: an address that stands for a person only where another system knows it.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

receipts as (
    select
        *,
        {{ utc('interaction_date') }} as occurred_at,
        md5(lower(trim(data_subject_identifier))) as source_customer_id
    from {{ part_of(source('sources', 'consent__receipts'), 'md5(lower(trim(data_subject_identifier)))') }}
),

firsts as (
    select
        source_customer_id,
        min(occurred_at) as created_at,
        min({{ known_at('occurred_at') }}) as known_at,
        min(lower(trim(data_subject_identifier))) as email
    from receipts
    group by source_customer_id
)

select
    'consent' as source,
    source_customer_id,
    created_at,
    known_at,
    created_at as version_at,
    1 as version_number,
    email,
    false as is_person
from firsts
