-- One row per source record and version.
with

stated as (
    select * from {{ all_sources('records') }}
),

-- An order names its customer before, or without, the customer's own extract: a guest has no other record.
mentioned as (
    select
        source,
        source_customer_id,
        min(occurred_at) as created_at,
        min(known_at) as known_at,
        cast('1900-01-01' as timestamp) as version_at,
        0 as version_number,
        min(guest_email) as email
    from {{ all_sources('orders') }}
    where source_customer_id is not null
    group by source, source_customer_id
),

records as (
    select * from stated
    union all by name
    select * from mentioned
)

select
    concat(source, ':', source_customer_id) as record_id,
    *
from {{ versions('records', 'source, source_customer_id') }}
