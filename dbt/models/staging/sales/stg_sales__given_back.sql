-- One row per order line that a row of returns, or what its order says was refunded, gives back, and extract that changed it (no kind once nothing is).
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

-- A line as it was known first: what an order says later changes no return.
sold as (
    select *
    from {{ ref('stg_sales__lines') }}
    where kind = 'sale'
    qualify row_number() over (partition by order_item_id order by version_at) = 1
),

typed as (
    select
        returns.*,
        concat_ws('|', returns.order_id, returns.return_id, returns.product_id, returns.line_number) as return_key,
        coalesce(rates.rate, 1) as rate,
        {{ stated_moment('returns.returned_at', 'shop.zone') }} as stated_at,
        not {{ is_gone('returns.deleted_at') }}
        and not regexp_matches(lower(coalesce(trim(returns.return_status), '')), '{{ var("not_returned") }}') as is_returned
    from {{ source('sources', 'sales__returns') }} as returns
    left join rates on returns.currency = rates.currency
    cross join shop
),

-- What never gave anything back needs no word of it.
stated as (
    select * from typed where return_key in (select return_key from typed where is_returned)
),

-- What each version of an order says was refunded of it, beyond what its lines gave back already, and its lines that still count as sold.
of_orders as (
    select
        order_id,
        version_at,
        bool_and(known_at < version_at) as _is_history,
        array_agg(order_item_id) filter (where kind = 'sale') as order_item_ids,
        max(refunded_amount)
        - coalesce(sum(abs(net_amount)) filter (where kind = 'cancellation' or (kind = 'return' and not is_gone)), 0) as return_amount
    from {{ ref('stg_sales__lines') }}
    where order_id in (select order_id from {{ ref('stg_sales__lines') }} where refunded_amount > 0)
    group by order_id, version_at
    -- While all of an order is cancelled, that counts.
    having count(*) filter (where kind = 'sale') > 0
),

-- Once rows of returns say what came back of an order, they count, and what it says itself does no longer.
told as (
    select
        order_id,
        min(_known_at) as told_at
    from stated
    where is_returned
    group by order_id
),

refunds as (
    select
        return_key,
        order_id,
        product_id,
        cast(abs(cast(return_amount as decimal(18, 4))) * rate as decimal(18, 2)) as return_amount,
        abs(cast(quantity as decimal(18, 4))) as pieces,
        stated_at,
        _known_at,
        _is_history,
        is_returned,
        false as is_of_order
    from stated
    union all by name
    -- Money, and no word of which pieces.
    select
        concat_ws('|', of_orders.order_id, 'refunded') as return_key,
        of_orders.order_id,
        of_orders.order_item_ids,
        of_orders.return_amount,
        of_orders.version_at as _known_at,
        of_orders._is_history,
        coalesce(of_orders.return_amount > 0, false) as is_returned,
        true as is_of_order
    from of_orders
    left join told on of_orders.order_id = told.order_id
    where told.told_at is null or of_orders.version_at < told.told_at
    union all by name
    select
        concat_ws('|', of_orders.order_id, 'refunded') as return_key,
        of_orders.order_id,
        max_by(of_orders.order_item_ids, of_orders.version_at) as order_item_ids,
        told.told_at as _known_at,
        false as _is_history,
        false as is_returned,
        true as is_of_order
    from of_orders
    inner join told on of_orders.order_id = told.order_id and of_orders.version_at < told.told_at
    group by of_orders.order_id, told.told_at
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
        -- What is refunded of an order may hold its shipping, which was never revenue.
        coalesce(
            case when is_of_order then least(return_amount, all_amount) else return_amount end,
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
    greatest(case when _is_history then least(coalesce(stated_at, sold_at), _known_at) else _known_at end, sold_known_at) as known_at,
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
