-- One row per e-mail address as stated, with its canonical form and validity.
{{ config(materialized='kept') }}
select
    stated as email,
    canonical,
    status
from {{ source('identity', 'contact_points') }}
where kind = 'email'
