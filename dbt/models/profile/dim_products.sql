-- One row per product version.
{{ config(materialized='kept') }}
with

stated as (
    select * from {{ all_sources('products') }}
),

products as (
    select * from {{ versions('stated', 'product_id') }} as versions
),

skus as (
    select * from {{ ref('int_skus') }}
),

costs_stated as (
    select * from {{ all_sources('unit_costs') }}
),

costs as (
    select * from {{ versions('costs_stated', 'unit_cost_id') }} as versions
),

-- What the cheapest variant cost when the product's version was known.
costed as (
    select
        products.product_id,
        products.known_at,
        products.version_at,
        min(costs.unit_cost) as unit_cost
    from products
    inner join skus on products.product_id = skus.product_id
    inner join costs
        on
            skus.sku = costs.sku
            and costs.known_at <= products.known_at
            and (costs.superseded_at is null or costs.superseded_at > products.known_at)
    group by products.product_id, products.known_at, products.version_at
)

select
    products.product_id,
    products.source,
    products.occurred_at,
    products.known_at,
    products.superseded_at,
    products.sku,
    products.title,
    products.brand,
    products.category,
    products.tags,
    products.handle,
    products.description,
    products.status,
    products.image_url,
    cast(products.price as decimal(18, 4)) as price,
    cast(costed.unit_cost as decimal(18, 4)) as unit_cost,
    cast(products.stock as integer) as stock
from products
left join costed
    on
        products.product_id = costed.product_id
        and products.known_at = costed.known_at
        and products.version_at = costed.version_at
