-- One row per as_of, channel and purpose that the shop keeps a consent log of.
{{ config(materialized='kept', meta={'windows': [], 'training_days': true}) }}
select distinct
    as_of,
    channel,
    purpose
from {{ known_anytime(ref('fct_consents')) }} as statements
where is_logged
