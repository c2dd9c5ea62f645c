-- One row per receipt line and extract that brought lines of its receipt.
{{ config(materialized='kept', meta={'part': 'order_id'}) }}
with

lines as (
    select
        receipts.*,
        rates.rate,
        {{ local_to_utc('receipts.sold_at', 'shop.zone') }} as line_sold_at
    from {{ part_of(source('sources', 'pos__receipts'), 'receipt_no') }} as receipts
    inner join {{ source('sources', 'fx_rates') }} as rates on receipts.currency = rates.currency
    cross join {{ source('sources', 'shop') }} as shop
),

dated as (
    select
        *,
        {{ known_at('line_sold_at') }} as line_known_at,
        min(line_sold_at) over (partition by receipt_no) as occurred_at,
        nullif(trim(loyalty_card), '') as card
    from lines
),

moments as (
    select distinct
        receipt_no,
        line_known_at as known_at
    from dated
),

-- Late lines come with a later extract: from then on the receipt has them too. Of a corrected line the newest counts.
known as (
    select
        dated.*,
        moments.known_at,
        row_number() over (
            partition by moments.receipt_no, moments.known_at, dated.line_no
            order by dated.line_known_at desc, dated._known_at desc, dated._row_number desc
        ) as recency
    from moments
    inner join dated on moments.receipt_no = dated.receipt_no and dated.line_known_at <= moments.known_at
)

select
    'pos' as source,
    concat(receipt_no, ':', line_no) as order_item_id,
    receipt_no as order_id,
    max(card) over (partition by receipt_no, known_at) as source_customer_id,
    occurred_at,
    known_at,
    known_at as version_at,
    1 as version_number,
    cast(null as varchar) as product_id,
    trim(sku) as sku,
    cast(qty as integer) as quantity,
    cast(cast(unit_price as decimal(18, 4)) * rate as decimal(18, 4)) as unit_price,
    cast(cast(unit_price as decimal(18, 4)) * cast(qty as integer) * rate as decimal(18, 2)) as gross_amount,
    cast(
        (cast(unit_price as decimal(18, 4)) * cast(qty as integer) - coalesce(cast(discount as decimal(18, 4)), 0)) * rate as decimal(18, 2)
    ) as net_amount
from known
where recency = 1
