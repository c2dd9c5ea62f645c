-- One row per as_of and customer.
{{ config(materialized='view') }}
select
    as_of,
    * exclude (as_of, valid_from, valid_to)
from {{ valid(ref('dim_customers')) }} as customers
