-- One row per as_of and product known by then.
with

products as (
    select * from {{ known(ref('dim_products')) }} as products
),

firsts as (
    {{ first_versions(ref('dim_products'), 'product_id') }}
)

select
    products.as_of,
    products.product_id,
    products.title,
    products.category,
    -- What names nothing but the product itself is no family.
    nullif(products.handle, lower(products.product_id)) as family,
    products.brand,
    cast(products.price as double) as price,
    -- A shop that keeps no stock (null) sells what it lists.
    coalesce(products.stock > 0, true) and coalesce(products.status = 'active', true) as in_stock,
    products.tags,
    firsts.began_at as created_at
from products
inner join firsts on products.as_of = firsts.as_of and products.product_id = firsts.product_id
