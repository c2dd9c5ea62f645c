-- One row per order line that a refund gives back, and extract that changed it (no kind once nothing is).
with

refunds as (
    select * from {{ ref('stg_sales__refunds') }}
),

-- A line as it was known first: what an order says later changes no return.
sold as (
    select *
    from {{ ref('stg_sales__lines') }}
    where kind = 'sale'
    qualify row_number() over (partition by order_item_id order by version_at) = 1
),

-- A row without a product gives back all lines of its order; what it refunds is shared among them by what they came to.
matched as (
    select
        refunds.return_key,
        refunds._known_at,
        refunds._is_history,
        refunds.stated_at,
        refunds.return_amount,
        refunds.pieces,
        refunds.is_returned,
        refunds.is_of_order,
        sold.order_item_id,
        sold.order_id,
        sold.source_customer_id,
        sold.occurred_at as sold_at,
        sold.known_at as sold_known_at,
        sold.product_id,
        sold.quantity,
        sold.net_amount,
        sum(sold.quantity) over (partition by refunds.return_key, refunds._known_at) as all_pieces,
        sum(sold.net_amount) over (partition by refunds.return_key, refunds._known_at) as all_amount,
        sum(sold.quantity) over earlier as pieces_so_far,
        sum(sold.net_amount) over earlier as amount_so_far,
        min(refunds._known_at) over (partition by refunds.return_key) as first_known_at
    from refunds
    inner join sold
        on
            refunds.order_id = sold.order_id
            and (nullif(trim(refunds.product_id), '') is null or refunds.product_id = sold.product_id)
            and (refunds.order_item_ids is null or list_contains(refunds.order_item_ids, sold.order_item_id))
    window earlier as (partition by refunds.return_key, refunds._known_at order by sold.order_item_id)
),

shared as (
    select
        *,
        dense_rank() over (partition by order_item_id order by first_known_at, return_key) as return_number,
        case when is_of_order and return_amount < all_amount then 0 else coalesce(least(pieces, all_pieces), all_pieces) end as back_pieces,
        -- What is refunded may hold shipping and tax, which were never revenue.
        coalesce(
            least(return_amount, all_amount),
            all_amount * least(pieces / nullif(all_pieces, 0), 1),
            all_amount
        ) as back_amount
    from matched
)

select
    -- The first return of a line and its cancellation are one: while all of it is cancelled, that counts.
    concat(order_item_id, case when return_number > 1 then concat(':', return_key) else '' end) as return_id,
    order_id,
    source_customer_id,
    coalesce(stated_at, sold_at) as occurred_at,
    -- A return of what is not known to be sold is known with the sale.
    greatest({{ known_at('coalesce(stated_at, sold_at)') }}, sold_known_at) as known_at,
    _known_at as version_at,
    product_id,
    cast(
        round(back_pieces * pieces_so_far / nullif(all_pieces, 0)) - round(back_pieces * (pieces_so_far - quantity) / nullif(all_pieces, 0))
        as integer
    ) as quantity,
    cast(
        round(coalesce(back_amount * amount_so_far / nullif(all_amount, 0), 0), 2)
        - round(coalesce(back_amount * (amount_so_far - net_amount) / nullif(all_amount, 0), 0), 2) as decimal(18, 2)
    ) as net_amount,
    case when is_returned then 'refund' end as kind
from shared
