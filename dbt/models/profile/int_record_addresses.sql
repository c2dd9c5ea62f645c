-- One row per source record that ever stated an e-mail address.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

stated as (
    select
        source,
        source_customer_id,
        lower(trim(email)) as address,
        known_at,
        row_number() over (partition by source, source_customer_id order by known_at, version_at, version_number) as place
    from {{ part_of(ref('customer_records')) }}
    where email is not null
)

select
    source,
    source_customer_id,
    address,
    known_at
from stated
where place = 1
