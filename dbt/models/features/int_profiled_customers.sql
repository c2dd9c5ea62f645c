-- One row per as_of and customer who may be profiled.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': []}) }}
with

permitted as (
    select
        as_of,
        customer_id
    from {{ part_of(ref('int_permission_state')) }} as permissions
    where channel = 'email' and purpose = 'profiling' and is_permitted
),

-- Whom the shop has deleted it profiles no more, whatever they said.
deleted as (
    select distinct
        as_of,
        customer_id
    from {{ known_anytime(ref('fct_suppressions')) }} as suppressions
    where reason = 'customer deleted'
)

select permitted.*
from permitted
left join deleted on permitted.as_of = deleted.as_of and permitted.customer_id = deleted.customer_id
where deleted.customer_id is null
