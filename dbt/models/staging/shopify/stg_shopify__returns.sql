-- One row per returned line, or cancelled order, and change of its order.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

orders as (
    select
        *,
        concat(_batch_id, ':', cast(_row_number as varchar)) as version_row
    from {{ part_of(source('sources', 'shopify__orders')) }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

items as (
    select * from {{ part_of(ref('stg_shopify__order_items')) }}
),

refunds as (
    select
        orders.*,
        {{ json_each('orders.refunds') }} as refund
    from orders
    where orders.refunds is not null
),

refund_lines as (
    select
        *,
        {{ json_each(json_text('refund', '$.refund_line_items')) }} as line
    from refunds
),

refunded as (
    select
        refund_lines.id as order_id,
        refund_lines.version_row,
        refund_lines.customer,
        refund_lines.email,
        refund_lines._is_history,
        refund_lines._known_at,
        refund_lines._row_number,
        refund_lines._batch_id,
        refund_lines.updated_at,
        {{ json_text('line', '$.id') }} as return_id,
        {{ utc(json_text('refund', '$.created_at')) }} as occurred_at,
        {{ json_text('line', '$.line_item_id') }} as line_id,
        cast({{ json_text('line', '$.quantity') }} as integer) as quantity,
        cast(cast({{ json_text('line', '$.subtotal') }} as decimal(18, 2)) * rates.rate as decimal(18, 2)) as net_amount,
        'refund' as kind
    from refund_lines
    inner join rates on refund_lines.currency = rates.currency
),

refunded_totals as (
    select
        order_id,
        version_row,
        sum(net_amount) as net_amount
    from refunded
    group by order_id, version_row
),

ordered_totals as (
    select
        order_id,
        version_row,
        sum(net_amount) as net_amount,
        sum(quantity) as quantity
    from items
    group by order_id, version_row
),

-- A cancelled order gives back what its refunds have not given back already.
cancelled as (
    select
        orders.id as order_id,
        orders.version_row,
        orders.customer,
        orders.email,
        orders._is_history,
        orders._known_at,
        orders._row_number,
        orders._batch_id,
        orders.updated_at,
        concat('cancelled:', orders.id) as return_id,
        {{ utc('orders.cancelled_at') }} as occurred_at,
        cast(null as varchar) as line_id,
        cast(ordered_totals.quantity as integer) as quantity,
        cast(ordered_totals.net_amount - coalesce(refunded_totals.net_amount, 0) as decimal(18, 2)) as net_amount,
        'cancellation' as kind
    from orders
    inner join ordered_totals on orders.id = ordered_totals.order_id and orders.version_row = ordered_totals.version_row
    left join refunded_totals on orders.id = refunded_totals.order_id and orders.version_row = refunded_totals.version_row
    where orders.cancelled_at is not null and ordered_totals.net_amount > coalesce(refunded_totals.net_amount, 0)
),

returned as (
    select * from refunded
    union all
    select * from cancelled
)

select
    'shopify' as source,
    returned.return_id,
    returned.order_id,
    {{ buyer(json_text('returned.customer', '$.id'), 'returned.email') }} as source_customer_id,
    returned.occurred_at,
    {{ known_at('returned.occurred_at') }} as known_at,
    {{ utc('returned.updated_at') }} as version_at,
    returned._row_number as version_number,
    returned._batch_id,
    items.product_id,
    returned.quantity,
    returned.net_amount,
    returned.kind
from returned
left join items on returned.version_row = items.version_row and concat(returned.order_id, ':', returned.line_id) = items.order_item_id
