-- One row per as_of and product known by then.
select
    as_of,
    product_id,
    title,
    category,
    -- What names nothing but the product itself is no family.
    nullif(handle, lower(product_id)) as family,
    brand,
    cast(price as double) as price,
    -- A shop that keeps no stock (null) sells what it lists.
    coalesce(stock > 0, true) and coalesce(status = 'active', true) as in_stock,
    tags,
    occurred_at as created_at
from {{ known(ref('dim_products')) }} as products
