-- One row per stock keeping unit: the product it is of, and since when that is known.
{{ config(materialized='kept') }}
with

variants as (
    select * from {{ all_sources('variants') }} where sku is not null
)

select
    sku,
    min_by(product_id, concat_ws('|', strftime(known_at, '%Y%m%d%H%M%S%f'), product_id)) as product_id,
    min(known_at) as known_at
from variants
group by sku
