-- One row per as_of and customer who may be profiled.
{{ config(materialized='kept', meta={'windows': []}) }}
select
    as_of,
    customer_id
from {{ ref('customer_permissions') }}
where channel = 'email' and purpose = 'profiling' and is_permitted and as_of in (select moments.as_of from {{ moments() }} as moments)
