-- One row per invoice line and change.
{{ config(materialized='kept', meta={'part': 'invoice_no'}) }}
with

lines as (
    select * from {{ part_of(source('sources', 'online_retail__lines')) }}
),

shop as (
    select * from {{ source('sources', 'shop') }}
),

typed as (
    select
        lines.invoice_no,
        cast(lines.line_number as integer) as line_number,
        nullif(trim(lines.customer_id), '') as source_customer_id,
        nullif(trim(lines.country), '') as country,
        -- 85123A and 85123a are one article.
        upper(trim(lines.stock_code)) as product_id,
        nullif(trim(lines.description), '') as description,
        cast(lines.quantity as integer) as quantity,
        cast(lines.unit_price as decimal(18, 4)) as unit_price,
        {{ local_to_utc('lines.invoice_date', 'shop.zone') }} as occurred_at,
        lines._is_history as is_history,
        lines._known_at as pulled_at,
        lead(lines._known_at) over (
            partition by lines.invoice_no, lines.line_number
            order by lines._known_at, lines._row_number
        ) as replaced_at
    from lines
    cross join shop
)

select
    *,
    cast(unit_price * quantity as decimal(18, 2)) as net_amount,
    case
        when invoice_no like 'A%' then 'adjustment'
        when invoice_no like 'C%' then 'cancellation'
        when quantity < 0 then 'write-off'
        else 'sale'
    end as kind
from typed
