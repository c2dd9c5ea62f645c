-- One row per as_of and product: the shelf it stands on.
{{ config(materialized='kept', meta={'windows': []}) }}
with

products as (
    select * from {{ known(ref('dim_products')) }} as products
),

placed as (
    select
        *,
        case when price is not null then dense_rank() over (partition by as_of, category, price is null order by price) end as price_place
    from products
),

counted as (
    select
        *,
        max(price_place) over (partition by as_of, category) as prices_count
    from placed
)

select
    as_of,
    product_id,
    category,
    brand,
    -- A price is low, middle or high among those of its own category, where there are three to tell apart.
    case
        when price_place is null or prices_count < 3 then null
        when 3 * price_place <= prices_count then 'low'
        when 3 * price_place <= 2 * prices_count then 'middle'
        else 'high'
    end as price_band
from counted
