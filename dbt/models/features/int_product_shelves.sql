-- One row per as_of and product: the shelf it stands on.
{{ config(materialized='kept', meta={'windows': []}) }}
with

products as (
    select * from {{ known(ref('dim_products')) }} as products
)

select
    as_of,
    product_id,
    category,
    brand,
    -- A price is low, middle or high among the products of its own category.
    case ntile(3) over (partition by as_of, category order by price, product_id)
        when 1 then 'low'
        when 2 then 'middle'
        else 'high'
    end as price_band
from products
