-- One row per order line that a row of the table of returns gives back, and extract that changed that row (no kind once it gives nothing back).
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

-- A row without a product gives back all lines of its order; what it refunds is shared among them by what they came to.
matched as (
    select
        stated.return_key,
        stated._known_at,
        stated._is_history,
        stated.stated_at,
        stated.is_returned,
        cast(abs(cast(stated.return_amount as decimal(18, 4))) * stated.rate as decimal(18, 2)) as return_amount,
        abs(cast(stated.quantity as decimal(18, 4))) as pieces,
        sold.order_item_id,
        sold.order_id,
        sold.source_customer_id,
        sold.occurred_at as sold_at,
        sold.known_at as sold_known_at,
        sold.product_id,
        sold.quantity,
        sold.net_amount,
        sum(sold.quantity) over (partition by stated.return_key, stated._known_at) as all_pieces,
        sum(sold.net_amount) over (partition by stated.return_key, stated._known_at) as all_amount,
        sum(sold.quantity) over earlier as pieces_so_far,
        sum(sold.net_amount) over earlier as amount_so_far,
        min(stated._known_at) over (partition by stated.return_key) as first_known_at
    from stated
    inner join sold
        on stated.order_id = sold.order_id and (nullif(trim(stated.product_id), '') is null or stated.product_id = sold.product_id)
    window earlier as (partition by stated.return_key, stated._known_at order by sold.order_item_id)
),

shared as (
    select
        *,
        dense_rank() over (partition by order_item_id order by first_known_at, return_key) as return_number,
        coalesce(least(pieces, all_pieces), all_pieces) as back_pieces,
        coalesce(return_amount, all_amount * least(pieces / nullif(all_pieces, 0), 1), all_amount) as back_amount
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
