-- One row per loyalty card shown at a till: a person only where another system says whose it is (the till's own card is nobody's).
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

orders as (
    select * from {{ part_of(ref('stg_pos__orders')) }} where source_customer_id is not null
)

select
    'pos' as source,
    source_customer_id,
    min(occurred_at) as created_at,
    min(known_at) as known_at,
    min(occurred_at) as version_at,
    1 as version_number,
    source_customer_id as loyalty_id,
    false as is_person
from orders
group by source_customer_id
