-- One row per product and change of what the shop says of it, in its product table or else on order lines.
{%- set shared = ['product_name', 'brand', 'category', 'description', 'tags', 'image_url', 'is_sold'] %}
with

lines as (
    select
        *,
        concat_ws('|', cast(occurred_at as varchar), order_item_id) as place
    from {{ ref('stg_sales__lines') }}
    where product_id is not null
),

first_sold as (
    select
        product_id,
        min(occurred_at) as occurred_at,
        min_by(unit_price, place) filter (where unit_price > 0) as price,
        min_by(product_name, place) filter (where {{ said('product_name') }} is not null) as product_name
    from lines
    group by product_id
),

-- As a category was first called: another name later changes no built day.
categories as (
    select
        category_id,
        category_name
    from {{ source('sources', 'sales__categories') }}
    qualify row_number() over (partition by category_id order by _known_at, _row_number) = 1
),

-- Each version of a product, until its next, and the page that it is a variant of: its own where no handle is said.
variants as (
    select
        * replace ({% for column in shared %}{{ said(column) }} as {{ column }}{{ ', ' if not loop.last }}{% endfor %}),
        coalesce({{ said('handle') }}, product_id) as page,
        min(_known_at) over (partition by product_id order by _known_at groups between 1 following and unbounded following) as until
    from {{ source('sources', 'sales__products') }}
),

-- The extracts that changed what variants share, and not their price or stock alone.
changes as (
    select
        *,
        lead(page_at) over (partition by page order by page_at) as page_until
    from (
        select distinct
            page,
            _known_at as page_at
        from variants
        qualify ({{ shared | join(', ') }}) is distinct from lag(({{ shared | join(', ') }})) over (partition by product_id, page order by _known_at, _row_number)
    ) as changed
),

-- Variants of a product leave to one of them what all share: as they say it then, so that what one says later changes no day before.
pages as (
    select
        changes.page,
        changes.page_at,
        changes.page_until,
        {% for column in shared %}
        min_by(variants.{{ column }}, variants._row_number) filter (where variants.{{ column }} is not null) as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from changes
    inner join variants
        on
            changes.page = variants.page
            and variants._known_at <= changes.page_at
            and (variants.until is null or variants.until > changes.page_at)
    group by changes.page, changes.page_at, changes.page_until
),

products as (
    select
        variants.* replace (
            {% for column in shared %}
            coalesce(variants.{{ column }}, pages.{{ column }}) as {{ column }},
            {% endfor %}
            variants._is_history and pages.page_at <= variants._known_at as _is_history,
            greatest(variants._known_at, pages.page_at) as _known_at
        )
    from variants
    inner join pages
        on
            variants.page = pages.page
            and (pages.page_until is null or variants._known_at < pages.page_until)
            and (variants.until is null or pages.page_at < variants.until)
),

stated as (
    select
        products.product_id,
        coalesce(least(first_sold.occurred_at, products._known_at), products._known_at) as occurred_at,
        {{ known_at('coalesce(first_sold.occurred_at, products._known_at)') }} as known_at,
        products._known_at as version_at,
        products._row_number as version_number,
        coalesce(nullif(trim(products.sku), ''), products.product_id) as sku,
        -- A table without names, or without prices below, has those of the first sale.
        coalesce(products.product_name, first_sold.product_name) as product_name,
        products.brand,
        coalesce({{ said('categories.category_name') }}, products.category) as category,
        products.tags,
        products.handle,
        {{ plain_text('products.description') }} as description,
        -- Of several pictures the first.
        regexp_replace(products.image_url, '\s*[,;|]\s*https?://.*$', '') as image_url,
        coalesce(cast(products.price as decimal(18, 4)), first_sold.price) as price,
        cast(round(cast(products.stock as decimal(18, 4))) as integer) as stock,
        {{ is_gone('products.deleted_at') }} or (products.is_sold is not null and not {{ says_yes('products.is_sold') }}) as is_gone
    from products
    left join first_sold on products.product_id = first_sold.product_id
    left join categories on products.category = categories.category_id
    -- Further variants of a product may leave what the first one says.
    where
        products.product_name is not null or products.price is not null or products.category is not null or first_sold.product_id is not null
),

-- What a day says last of a product.
days as (
    select
        product_id,
        cast(occurred_at as date) as day,
        max(occurred_at) as occurred_at,
        max(known_at) as known_at,
        max_by(product_name, place) filter (where product_name is not null) as product_name,
        max_by(brand, place) filter (where brand is not null) as brand,
        max_by(category, place) filter (where category is not null) as category,
        max_by(unit_price, place) filter (where unit_price > 0) as price
    from lines
    where product_id not in (select product_id from {{ source('sources', 'sales__products') }})
    group by product_id, cast(occurred_at as date)
),

compared as (
    select
        *,
        concat_ws('|', coalesce(product_name, ''), coalesce(brand, ''), coalesce(category, ''), coalesce(cast(price as varchar), '')) as said,
        lag(concat_ws('|', coalesce(product_name, ''), coalesce(brand, ''), coalesce(category, ''), coalesce(cast(price as varchar), '')))
            over earlier as said_before,
        row_number() over earlier as version_number
    from days
    window earlier as (partition by product_id order by occurred_at, known_at)
),

all_products as (
    select * from stated
    union all by name
    select
        * exclude (day, said, said_before),
        occurred_at as version_at,
        product_id as sku
    from compared
    where version_number = 1 or said <> said_before
)

select
    'sales' as source,
    product_id,
    occurred_at,
    known_at,
    version_at,
    version_number,
    sku,
    coalesce({{ said('product_name') }}, product_id) as title,
    {{ said('brand') }} as brand,
    {{ category_called(said('category')) }} as category,
    tags,
    coalesce({{ said('handle') }}, lower(product_id)) as handle,
    description,
    case when is_gone then 'archived' when price is null then 'unpriced' else 'active' end as status,
    image_url,
    price,
    stock
from all_products
