-- One row per as_of and customer who may be profiled.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

select
    as_of,
    customer_id
from {{ part_of(ref('customer_permissions')) }}
where channel = 'email' and purpose = 'profiling' and is_permitted
