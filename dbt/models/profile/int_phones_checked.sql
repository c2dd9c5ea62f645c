-- One row per phone number and country as stated, with its canonical form and validity.
{{ config(materialized='kept') }}
select
    stated as phone,
    country,
    canonical,
    status
from {{ source('identity', 'contact_points') }}
where kind = 'phone'
