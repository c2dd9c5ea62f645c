-- One row per as_of, customer and channel.
{{ config(materialized='days', meta={'training_days': false}) }}
with

suppressions as (
    select * from {{ known_anytime(ref('fct_suppressions')) }} as suppressions
)

select
    as_of,
    customer_id,
    channel,
    min(reason) as reason
from suppressions
where customer_id is not null
group by as_of, customer_id, channel
