-- One row per as_of and customer who may be profiled.
{{ config(materialized='ephemeral') }}

select
    as_of,
    customer_id
from {{ ref('customer_permissions') }}
where channel = 'email' and purpose = 'profiling' and is_permitted
