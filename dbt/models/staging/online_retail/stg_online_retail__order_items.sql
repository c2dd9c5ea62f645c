-- One row per sold invoice line and pull that changed its invoice.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

lines as (
    select * from {{ part_of(ref('stg_online_retail__lines'), 'invoice_no') }} where kind = 'sale'
),

pulls as (
    select
        invoice_no,
        pulled_at,
        bool_and(is_history) as is_history
    from lines
    group by invoice_no, pulled_at
),

-- An invoice at a pull is its lines as they stood then, also those that the pull only repeated.
standing as (
    select
        lines.invoice_no,
        lines.line_number,
        lines.source_customer_id,
        lines.product_id,
        lines.quantity,
        lines.unit_price,
        lines.net_amount,
        pulls.pulled_at,
        pulls.is_history,
        min(lines.occurred_at) over (partition by lines.invoice_no, pulls.pulled_at) as occurred_at
    from pulls
    inner join lines
        on
            pulls.invoice_no = lines.invoice_no
            and lines.pulled_at <= pulls.pulled_at
            and (lines.replaced_at is null or lines.replaced_at > pulls.pulled_at)
)

select
    'online_retail' as source,
    concat(invoice_no, ':', cast(line_number as varchar)) as order_item_id,
    invoice_no as order_id,
    source_customer_id,
    occurred_at,
    case when is_history then least(occurred_at, pulled_at) else pulled_at end as known_at,
    pulled_at as version_at,
    0 as version_number,
    product_id,
    product_id as sku,
    quantity,
    unit_price,
    net_amount as gross_amount,
    net_amount
from standing
