-- One row per order line and change of its order.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

orders as (
    select
        *,
        concat(_batch_id, ':', cast(_row_number as varchar)) as version_row,
        {{ utc('created_at') }} as occurred_at
    from {{ part_of(source('sources', 'shopify__orders')) }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

lines as (
    select
        orders.*,
        {{ json_each('orders.line_items') }} as line
    from orders
),

typed as (
    select
        lines.*,
        rates.rate,
        {{ json_text('line', '$.id') }} as line_id,
        {{ json_text('line', '$.product_id') }} as product_id,
        {{ json_text('line', '$.sku') }} as sku,
        cast({{ json_text('line', '$.quantity') }} as integer) as quantity,
        cast({{ json_text('line', '$.price') }} as decimal(18, 4)) as unit_price,
        -- Shopify states what a discount took off a line in its allocations; total_discount holds only what staff took off by hand.
        coalesce(cast({{ json_text('line', '$.total_discount') }} as decimal(18, 2)), 0)
        + {{ json_sum('line', 'discount_allocations', 'amount') }} as discount
    from lines
    inner join rates on lines.currency = rates.currency
)

select
    'shopify' as source,
    concat(id, ':', line_id) as order_item_id,
    id as order_id,
    version_row,
    {{ buyer(json_text('customer', '$.id'), 'email') }} as source_customer_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    {{ utc('updated_at') }} as version_at,
    _row_number as version_number,
    _batch_id,
    product_id,
    sku,
    quantity,
    cast(unit_price * rate as decimal(18, 4)) as unit_price,
    cast(unit_price * quantity * rate as decimal(18, 2)) as gross_amount,
    cast((unit_price * quantity - discount) * rate as decimal(18, 2)) as net_amount
from typed
