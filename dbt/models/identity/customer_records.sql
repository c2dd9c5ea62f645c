-- One row per source record and version.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

records as (
    select * from {{ all_sources('records') }}
    union all by name
    -- Before, or without, an extract of its own.
    select * from {{ part_of(ref('int_records_mentioned')) }} as mentioned
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
